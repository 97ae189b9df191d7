// The pods of native Kubernetes: what the resource manager makes of a TaskManager, and the resources of both containers.
package answers;

import java.lang.reflect.Constructor;
import java.lang.reflect.Field;
import java.lang.reflect.Method;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Set;

final class Kubernetes {
    private static final String KUBERNETES = "org.apache.flink.kubernetes.";
    private static final Class<?> UTILS = Flink.type(KUBERNETES + "utils.KubernetesUtils");
    private static final Class<?> WORKER = Flink.type(Flink.RUNTIME + "resourcemanager.WorkerResourceSpec");
    private static final Class<?> WORKERS = Flink.type(KUBERNETES + "entrypoint.KubernetesWorkerResourceSpecFactory");
    private static final Class<?> RESOURCE_MANAGERS = Flink.type(KUBERNETES + "entrypoint.KubernetesResourceManagerFactory");
    private static final String PARAMETERS = KUBERNETES + "kubeclient.parameters.Kubernetes";
    private static final Class<?> TASK_MANAGER = Flink.type(PARAMETERS + "TaskManagerParameters");
    private static final Class<?> JOB_MANAGER = Flink.type(PARAMETERS + "JobManagerParameters");
    private static final Class<?> CONTAINERED = Flink.type(Flink.RUNTIME + "clusterframework.ContaineredTaskManagerParameters");
    private static final Class<?> CLUSTER =
            Flink.type("org.apache.flink.client.deployment.ClusterSpecification$ClusterSpecificationBuilder");

    // Until 1.12 nobody has a pod template, until 1.14 nobody has a factor; the arguments grew with them.
    private static final Method RESOURCES_WITHOUT_TEMPLATE = resources(3);
    private static final Method RESOURCES_WITHOUT_FACTORS = resources(5);
    private static final Method RESOURCES = resources(7);

    /** 1.10 has another resource manager. */
    static boolean isKnown() {
        return UTILS != null;
    }

    private static Method resources(int parameters) {
        return Flink.method(UTILS, "getResourceRequirements", parameters);
    }

    /**
     * The pod that the resource manager would ask for the client's process; the options are those of the client, legacy
     * ones mapped.
     */
    static Map<String, Object> worker(Object mapped, Object process) throws Throwable {
        Object wanted;
        if (TaskManager.cores(process) == 0) {
            // The recorded answers leave out that the resource manager refuses what the client rounded down to none.
            Flink.askStatic(WORKERS, "getDefaultCpus", mapped);
            wanted = Flink.askStatic(WORKER, "fromTaskExecutorProcessSpec", process);
        } else {
            wanted = Flink.ask(instance(WORKERS), "createDefaultWorkerResourceSpec", mapped);
        }
        Object effective = mapped;
        if (Flink.method(RESOURCE_MANAGERS, "getEffectiveConfigurationForResourceManager", 1) != null) {
            effective = Flink.ask(instance(RESOURCE_MANAGERS), "getEffectiveConfigurationForResourceManager", mapped);
        }
        Object worker = TaskManager.ofWorker(effective, wanted);
        Object total = Flink.ask(worker, "getTotalProcessMemorySize");
        Map<String, Object> result = new LinkedHashMap<>();
        result.put("jvmOverhead", Flink.bytes(Flink.ask(worker, "getJvmOverheadSize")));
        result.put("totalProcess", Flink.bytes(total));
        result.put("podMemoryMiB", Flink.ask(total, "getMebiBytes"));
        TaskManager.putParameters(result, worker);
        Object container = Flink.askStatic(CONTAINERED, "create", effective, worker);
        result.put("container", container(made(TASK_MANAGER, effective, container), "TaskManager"));
        return result;
    }

    /** The resources of a JobManager's container. */
    static Map<String, Object> jobManager(Object configuration, int mebibytes) throws Throwable {
        Object builder = CLUSTER.getConstructor().newInstance();
        Flink.ask(builder, "setMasterMemoryMB", mebibytes);
        Object cluster = Flink.ask(builder, "createClusterSpecification");
        return container(made(JOB_MANAGER, configuration, cluster), "JobManager");
    }

    /** The one factory there is of a class. */
    private static Object instance(Class<?> factory) throws ReflectiveOperationException {
        Field instance = factory.getDeclaredField("INSTANCE");
        instance.setAccessible(true);
        return instance.get(null);
    }

    /** An object of a class with one constructor: these two arguments by their types, the others empty. */
    private static Object made(Class<?> type, Object configuration, Object other) throws Throwable {
        Constructor<?> constructor = type.getDeclaredConstructors()[0];
        Class<?>[] types = constructor.getParameterTypes();
        Object[] arguments = new Object[types.length];
        for (int index = 0; index < types.length; index++) {
            Class<?> wanted = types[index];
            if (wanted.isInstance(configuration)) {
                arguments[index] = configuration;
            } else if (wanted.isInstance(other)) {
                arguments[index] = other;
            } else if (wanted == String.class) {
                arguments[index] = "";
            } else if (wanted == Map.class) {
                arguments[index] = Collections.emptyMap();
            } else if (wanted == Set.class) {
                arguments[index] = Collections.emptySet();
            }
        }
        return constructor.newInstance(arguments);
    }

    /** What InitTaskManagerDecorator and InitJobManagerDecorator ask for, in the order in which they read it. */
    private static Map<String, Object> container(Object parameters, String role) throws Throwable {
        Map<?, ?> none = Collections.emptyMap();
        Object memory = Flink.ask(parameters, "get" + role + "MemoryMB");
        Object resources;
        if (RESOURCES != null) {
            Object memoryFactor = Flink.ask(parameters, "get" + role + "MemoryLimitFactor");
            Object cores = Flink.ask(parameters, "get" + role + "CPU");
            Object coresFactor = Flink.ask(parameters, "get" + role + "CPULimitFactor");
            resources = Flink.call(RESOURCES, null, template(RESOURCES), memory, memoryFactor, cores, coresFactor, none, none);
        } else {
            Object cores = Flink.ask(parameters, "get" + role + "CPU");
            resources = RESOURCES_WITHOUT_FACTORS == null
                    ? Flink.call(RESOURCES_WITHOUT_TEMPLATE, null, memory, cores, none)
                    : Flink.call(RESOURCES_WITHOUT_FACTORS, null, template(RESOURCES_WITHOUT_FACTORS), memory, cores, none, none);
        }
        Map<?, ?> requests = (Map<?, ?>) Flink.ask(resources, "getRequests");
        Map<?, ?> limits = (Map<?, ?>) Flink.ask(resources, "getLimits");
        Map<String, Object> result = new LinkedHashMap<>();
        result.put("memoryRequest", requests.get("memory").toString());
        result.put("memoryLimit", limits.get("memory").toString());
        result.put("cpuRequest", requests.get("cpu").toString());
        result.put("cpuLimit", limits.get("cpu").toString());
        return result;
    }

    /** The resources of a pod template that says nothing. */
    private static Object template(Method resources) throws ReflectiveOperationException {
        return resources.getParameterTypes()[0].getConstructor().newInstance();
    }
}
