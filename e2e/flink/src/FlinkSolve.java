// Times Flink's own derivation of TaskManager memory, in process and warm: the peer of benches/solve.rs.
// Argument: derivations per round. Prints one line per configuration, the fastest of five rounds.
import org.apache.flink.configuration.Configuration;
import org.apache.flink.runtime.clusterframework.TaskExecutorProcessSpec;
import org.apache.flink.runtime.clusterframework.TaskExecutorProcessUtils;

public class FlinkSolve {
    private static final String[][] CONFIGURATIONS = {
        {"process", "taskmanager.memory.process.size", "1728m"},
        {"flink", "taskmanager.memory.flink.size", "1280m"},
        {"explicit", "taskmanager.memory.task.heap.size", "2g", "taskmanager.memory.managed.size", "3g"},
    };

    public static void main(String[] arguments) {
        int derivations = Integer.parseInt(arguments[0]);
        for (String[] entry : CONFIGURATIONS) {
            Configuration configuration = new Configuration();
            for (int i = 1; i < entry.length; i += 2) {
                configuration.setString(entry[i], entry[i + 1]);
            }
            double best = Double.MAX_VALUE;
            long bytes = 0;
            for (int round = 0; round < 5; round++) {
                long start = System.nanoTime();
                for (int i = 0; i < derivations; i++) {
                    TaskExecutorProcessSpec spec = TaskExecutorProcessUtils.processSpecFromConfig(configuration);
                    bytes += spec.getTotalProcessMemorySize().getBytes();
                }
                best = Math.min(best, (System.nanoTime() - start) / (double) derivations);
            }
            System.out.printf("flink %s: %.0f ns per derivation (%d bytes)%n", entry[0], best, bytes / (5L * derivations));
        }
    }
}
