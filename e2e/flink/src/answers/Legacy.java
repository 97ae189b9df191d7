// The model of Flink 1.9: containers (YARN, Mesos), a TaskManager without a cut-off, and what the started
// TaskManager makes of its own heap.
package answers;

import com.google.gson.JsonObject;

import java.util.LinkedHashMap;
import java.util.Map;

final class Legacy {
    private static final Class<?> CONTAINER =
            Flink.type(Flink.RUNTIME + "clusterframework.ContaineredTaskManagerParameters");
    private static final Class<?> SERVICES = Flink.type(Flink.RUNTIME + "taskexecutor.TaskManagerServices");
    private static final Class<?> NETWORK =
            Flink.type(Flink.RUNTIME + "taskmanager.NettyShuffleEnvironmentConfiguration");
    private static final Class<?> PARSER_UTILS = Flink.type(Flink.RUNTIME + "util.ConfigurationParserUtils");

    static Map<String, Object> result(String mode, JsonObject question, Object configuration) throws Throwable {
        Map<String, Object> result = new LinkedHashMap<>();
        if (mode.equals("runtime")) {
            int page = (Integer) Flink.askStatic(PARSER_UTILS, "getPageSize", configuration);
            long heap = question.get("heapBytes").getAsLong();
            long network = (Long) Flink.askStatic(NETWORK, "calculateNewNetworkBufferMemory", configuration, heap);
            result.put("pageSize", page);
            result.put("networkBytes", network);
            result.put("networkBuffers", network / page);
            return result;
        }
        long total = question.get("totalMB").getAsLong();
        long available = total;
        if (mode.equals("container")) {
            long cutOff = (Long) Flink.askStatic(CONTAINER, "calculateCutoffMB", configuration, total);
            int slots = (Integer) Flink.askStatic(PARSER_UTILS, "getSlot", configuration);
            Object parameters = Flink.askStatic(CONTAINER, "create", configuration, total, slots);
            long heap = (Long) Flink.ask(parameters, "taskManagerHeapSizeMB");
            long direct = (Long) Flink.ask(parameters, "taskManagerDirectMemoryLimitMB");
            result.put("cutoffMB", cutOff);
            result.put("heapMB", heap);
            result.put("directLimitMB", direct);
            result.put("jvmParams", String.format("-Xms%dm -Xmx%dm -XX:MaxDirectMemorySize=%dm", heap, heap, direct));
            available -= cutOff;
        } else {
            result.put("heapMB", Flink.askStatic(SERVICES, "calculateHeapSizeMB", total, configuration));
        }
        long bytes = available << 20;
        result.put("networkBytes", Flink.askStatic(SERVICES, "getReservedNetworkMemory", configuration, bytes));
        result.put("managedBytes", Flink.askStatic(SERVICES, "getManagedMemoryFromProcessMemory", configuration, bytes));
        return result;
    }
}
