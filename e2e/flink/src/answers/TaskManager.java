// The memory of a TaskManager: org.apache.flink.runtime.clusterframework.TaskExecutorProcessUtils, 1.10 and later.
package answers;

import java.lang.reflect.Method;
import java.math.BigDecimal;
import java.util.LinkedHashMap;
import java.util.Map;

final class TaskManager {
    private static final Class<?> UTILS = Flink.type(Flink.RUNTIME + "clusterframework.TaskExecutorProcessUtils");
    // The classes that 1.10 does not have yet.
    static final Class<?> MEMORY_UTILS = Flink.type(Flink.RUNTIME + "util.config.memory.ProcessMemoryUtils");
    private static final Class<?> RESOURCE_UTILS = Flink.type(Flink.RUNTIME + "taskexecutor.TaskExecutorResourceUtils");
    private static final Class<?> PARSER_UTILS = Flink.type(Flink.RUNTIME + "util.ConfigurationParserUtils");

    private static final Method DERIVE = Flink.method(UTILS, "processSpecFromConfig", 1);
    // Until 1.20 the heap options of 1.9 stand in for one of the totals: which one, the mode decides.
    private static final Method MAP_LEGACY_HEAP =
            Flink.method(UTILS, "getConfigurationMapLegacyTaskManagerHeapSizeToConfigOption", 2);

    /** What Flink derives from the options, by the same two calls as its start scripts or its cluster client. */
    static Object derive(Object configuration, boolean kubernetes) throws Throwable {
        return Flink.call(DERIVE, null, mapped(configuration, kubernetes));
    }

    private static Object mapped(Object configuration, boolean kubernetes) throws Throwable {
        if (MAP_LEGACY_HEAP == null) {
            return configuration;
        }
        String total = kubernetes ? "TOTAL_PROCESS_MEMORY" : "TOTAL_FLINK_MEMORY";
        return Flink.call(MAP_LEGACY_HEAP, null, configuration, Flink.option("TaskManagerOptions", total));
    }

    static Map<String, Object> result(Object configuration, boolean kubernetes) throws Throwable {
        Object process = derive(configuration, kubernetes);
        Map<String, Object> result = components(process);
        String options = putParameters(result, process);
        // What follows looks at the derived sizes; it is no part of the derivation, so its log lines do not count.
        Logs.mute();
        try {
            result.put("slotProfile", slotProfile(options, configuration));
        } catch (Throwable thrown) {
            result.put("slotProfileError", Main.error(thrown));
        }
        if (kubernetes && Kubernetes.isKnown()) {
            try {
                result.put("k8sWorker", Kubernetes.worker(mapped(configuration, true), process));
            } catch (Throwable thrown) {
                result.put("k8sWorkerError", Main.error(thrown));
            }
        }
        return result;
    }

    private static Map<String, Object> components(Object process) throws Throwable {
        Map<String, Object> result = new LinkedHashMap<>();
        result.put("cpuCores", cores(process));
        boolean hasSlots = Flink.method(process.getClass(), "getNumSlots", 0) != null;
        result.put("numSlots", hasSlots ? Flink.ask(process, "getNumSlots") : null);
        // 1.10 keeps the parts of Flink's memory beside the others and names them with their unit.
        boolean isFlat = Flink.method(process.getClass(), "getFlinkMemory", 0) == null;
        Object flink = isFlat ? process : Flink.ask(process, "getFlinkMemory");
        long frameworkHeap = Flink.bytes(Flink.ask(flink, isFlat ? "getFrameworkHeapSize" : "getFrameworkHeap"));
        long frameworkOffHeap = Flink.bytes(Flink.ask(flink, isFlat ? "getFrameworkOffHeapMemorySize" : "getFrameworkOffHeap"));
        long taskHeap = Flink.bytes(Flink.ask(flink, isFlat ? "getTaskHeapSize" : "getTaskHeap"));
        long taskOffHeap = Flink.bytes(Flink.ask(flink, isFlat ? "getTaskOffHeapSize" : "getTaskOffHeap"));
        long network = Flink.bytes(Flink.ask(flink, isFlat ? "getNetworkMemSize" : "getNetwork"));
        result.put("frameworkHeap", frameworkHeap);
        result.put("frameworkOffHeap", frameworkOffHeap);
        result.put("taskHeap", taskHeap);
        result.put("taskOffHeap", taskOffHeap);
        result.put("network", network);
        result.put("managed", Flink.bytes(Flink.ask(flink, isFlat ? "getManagedMemorySize" : "getManaged")));
        result.put("jvmMetaspace", Flink.bytes(Flink.ask(process, "getJvmMetaspaceSize")));
        result.put("jvmOverhead", Flink.bytes(Flink.ask(process, "getJvmOverheadSize")));
        result.put("totalFlink", Flink.bytes(Flink.ask(process, "getTotalFlinkMemorySize")));
        result.put("totalProcess", Flink.bytes(Flink.ask(process, "getTotalProcessMemorySize")));
        result.put("jvmHeap", frameworkHeap + taskHeap);
        result.put("jvmDirect", frameworkOffHeap + taskOffHeap + network);
        return result;
    }

    /** The default slot of a TaskManager that was started with the -D options which Flink generated. */
    private static Map<String, Object> slotProfile(String options, Object original) throws Throwable {
        Object started = Flink.configuration();
        // Until 1.12 the number of slots is not among the generated options.
        String slots = Flink.get(original, "taskmanager.numberOfTaskSlots");
        if (slots != null) {
            Flink.set(started, "taskmanager.numberOfTaskSlots", slots);
        }
        for (String option : options.trim().substring("-D ".length()).split(" -D ")) {
            int equals = option.indexOf('=');
            Flink.set(started, option.substring(0, equals), option.substring(equals + 1));
        }
        Object specification = Flink.askStatic(RESOURCE_UTILS, "resourceSpecFromConfig", started);
        int count = (Integer) Flink.askStatic(PARSER_UTILS, "getSlot", started);
        Object profile = Flink.askStatic(RESOURCE_UTILS, "generateDefaultSlotResourceProfile", specification, count);
        Object cores = Flink.ask(profile, "getCpuCores");
        if (!(cores instanceof Number)) {
            cores = Flink.ask(cores, "getValue");
        }
        Map<String, Object> result = new LinkedHashMap<>();
        result.put("slots", count);
        result.put("cpu", cores instanceof BigDecimal ? ((BigDecimal) cores).toPlainString() : cores.toString());
        result.put("taskHeapMemory", Flink.bytes(Flink.ask(profile, "getTaskHeapMemory")));
        result.put("taskOffHeapMemory", Flink.bytes(Flink.ask(profile, "getTaskOffHeapMemory")));
        result.put("managedMemory", Flink.bytes(Flink.ask(profile, "getManagedMemory")));
        // 1.10 still calls it by its older name.
        boolean hasNetwork = Flink.method(profile.getClass(), "getNetworkMemory", 0) != null;
        result.put("networkMemory", Flink.bytes(Flink.ask(profile, hasNetwork ? "getNetworkMemory" : "getShuffleMemory")));
        return result;
    }

    static double cores(Object process) throws Throwable {
        return ((Number) Flink.ask(Flink.ask(process, "getCpuCores"), "getValue")).doubleValue();
    }

    /** The process of a worker, by what is left of the options. */
    static Object ofWorker(Object configuration, Object worker) throws Throwable {
        return Flink.askStatic(UTILS, "processSpecFromWorkerResourceSpec", configuration, worker);
    }

    /** Writes down the flags and the -D options that a process is started with, and returns the latter. */
    static String putParameters(Map<String, Object> result, Object process) throws Throwable {
        Class<?> flags = MEMORY_UTILS == null ? UTILS : MEMORY_UTILS;
        result.put("jvmParams", Flink.askStatic(flags, "generateJvmParametersStr", process));
        String options = (String) Flink.askStatic(UTILS, "generateDynamicConfigsStr", process);
        result.put("dynamicConfigs", options);
        return options;
    }
}
