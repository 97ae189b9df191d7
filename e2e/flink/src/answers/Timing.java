// What one derivation takes Flink, in process and warm: the TaskManager questions that were asked, over and over,
// with logging off.
package answers;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

final class Timing {
    /** More questions say no more, and would not stay in the processor's caches. */
    private static final int QUESTIONS = 10_000;

    private static final List<Object> CONFIGURATIONS = new ArrayList<>();

    /** Whatever the derivations give, so that none of them can be left out. */
    private static long sink;

    /** Keeps a question; those that depend on the environment or the mode are left out. */
    static void remember(Object configuration, boolean kubernetes, boolean hasEnvironment) {
        if (CONFIGURATIONS.size() < QUESTIONS && !kubernetes && !hasEnvironment) {
            CONFIGURATIONS.add(configuration);
        }
    }

    /** Nanoseconds per derivation in the fastest round: of the questions that Flink solves, and of all. */
    static Map<String, Object> measure(int rounds) {
        List<Object> solved = new ArrayList<>();
        for (Object configuration : CONFIGURATIONS) {
            if (derive(configuration)) {
                solved.add(configuration);
            }
        }
        Map<String, Object> result = new LinkedHashMap<>();
        result.put("questions", CONFIGURATIONS.size());
        result.put("solvedQuestions", solved.size());
        result.put("nanoseconds", fastest(CONFIGURATIONS, rounds));
        result.put("solvedNanoseconds", fastest(solved, rounds));
        result.put("sink", sink & 1);
        return result;
    }

    private static double fastest(List<Object> configurations, int rounds) {
        double fastest = Double.MAX_VALUE;
        for (int round = 0; round < rounds; round++) {
            long start = System.nanoTime();
            for (Object configuration : configurations) {
                derive(configuration);
            }
            fastest = Math.min(fastest, (System.nanoTime() - start) / (double) Math.max(1, configurations.size()));
        }
        return fastest;
    }

    private static boolean derive(Object configuration) {
        try {
            sink += System.identityHashCode(TaskManager.derive(configuration, false));
            return true;
        } catch (Throwable refused) {
            sink += System.identityHashCode(refused);
            return false;
        }
    }
}
