// The memory of a JobManager: org.apache.flink.runtime.jobmanager.JobManagerProcessUtils; in 1.10, which has no such
// class, the heap cut-off of 1.9.
package answers;

import java.lang.invoke.MethodType;
import java.lang.reflect.Method;
import java.util.LinkedHashMap;
import java.util.Map;

final class JobManager {
    private static final Class<?> UTILS = Flink.type(Flink.RUNTIME + "jobmanager.JobManagerProcessUtils");
    // Until 1.20 the heap options of 1.9 stand in for an option that the caller names.
    private static final Method DERIVE_WITH_LEGACY_HEAP =
            Flink.method(UTILS, "processSpecFromConfigWithNewOptionToInterpretLegacyHeap", 2);

    private static Object derive(Object configuration, boolean kubernetes) throws Throwable {
        if (DERIVE_WITH_LEGACY_HEAP == null) {
            return Flink.askStatic(UTILS, "processSpecFromConfig", configuration);
        }
        String option = kubernetes ? "TOTAL_PROCESS_MEMORY" : "JVM_HEAP_MEMORY";
        return Flink.call(DERIVE_WITH_LEGACY_HEAP, null, configuration, Flink.option("JobManagerOptions", option));
    }

    static Map<String, Object> result(Object configuration, boolean kubernetes) throws Throwable {
        if (UTILS == null) {
            return cutOff(configuration);
        }
        Object process = derive(configuration, kubernetes);
        Map<String, Object> result = new LinkedHashMap<>();
        result.put("jvmHeap", Flink.bytes(Flink.ask(process, "getJvmHeapMemorySize")));
        result.put("offHeap", Flink.bytes(Flink.ask(process, "getJvmDirectMemorySize")));
        result.put("jvmMetaspace", Flink.bytes(Flink.ask(process, "getJvmMetaspaceSize")));
        result.put("jvmOverhead", Flink.bytes(Flink.ask(process, "getJvmOverheadSize")));
        result.put("totalFlink", Flink.bytes(Flink.ask(process, "getTotalFlinkMemorySize")));
        result.put("totalProcess", Flink.bytes(Flink.ask(process, "getTotalProcessMemorySize")));
        result.put("jvmParams", Flink.askStatic(UTILS, "generateJvmParametersStr", process, configuration));
        // 1.11 passes no options on.
        Method options = Flink.method(UTILS, "generateDynamicConfigsStr", 1);
        result.put("dynamicConfigs", options == null ? null : Flink.call(options, null, process));
        if (kubernetes) {
            int mebibytes = (Integer) Flink.ask(Flink.ask(process, "getTotalProcessMemorySize"), "getMebiBytes");
            result.put("podMemoryMiB", mebibytes);
            // What follows is the pod; the derivation is over, and its log lines are all there.
            Logs.mute();
            try {
                result.put("container", Kubernetes.jobManager(configuration, mebibytes));
            } catch (Throwable thrown) {
                result.put("containerError", Main.error(thrown));
            }
        }
        return result;
    }

    private static Map<String, Object> cutOff(Object configuration) throws Throwable {
        Class<?> utils = Flink.type(Flink.CONFIGURATION + "ConfigurationUtils");
        int mebibytes = (Integer) Flink.ask(Flink.askStatic(utils, "getJobManagerHeapMemory", configuration), "getMebiBytes");
        Class<?> tools = Flink.type(Flink.RUNTIME + "clusterframework.BootstrapTools");
        Map<String, Object> result = new LinkedHashMap<>();
        result.put("containerMB", mebibytes);
        MethodType signature = MethodType.methodType(int.class, int.class, configuration.getClass());
        result.put("heapMB", Flink.callDirectly(tools, "calculateHeapSize", signature, mebibytes, configuration));
        return result;
    }
}
