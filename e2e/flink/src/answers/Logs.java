// The lines that Flink's memory code logs while it derives, at INFO and WARN, each once, in the order first seen.
package answers;

import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.logging.Handler;
import java.util.logging.Level;
import java.util.logging.LogManager;
import java.util.logging.LogRecord;
import java.util.logging.Logger;

final class Logs {
    private static final LinkedHashSet<String> LINES = new LinkedHashSet<>();
    private static final Logger ROOT = Logger.getLogger("");

    /** From now on everything that is logged comes here and goes nowhere else. */
    static void capture() {
        LogManager.getLogManager().reset();
        ROOT.addHandler(new Handler() {
            @Override
            public void publish(LogRecord entry) {
                if (isAboutMemory(entry.getLoggerName())) {
                    LINES.add((entry.getLevel() == Level.WARNING ? "WARN " : "INFO ") + entry.getMessage());
                }
            }

            @Override
            public void flush() {}

            @Override
            public void close() {}
        });
        mute();
    }

    private static boolean isAboutMemory(String logger) {
        return logger.startsWith(Flink.RUNTIME + "util.config.memory")
                || logger.startsWith(Flink.RUNTIME + "clusterframework.TaskExecutor")
                || logger.equals(Flink.CONFIGURATION + "Configuration");
    }

    static void begin() {
        LINES.clear();
        ROOT.setLevel(Level.INFO);
    }

    static void mute() {
        ROOT.setLevel(Level.OFF);
    }

    static List<String> end() {
        mute();
        return new ArrayList<>(LINES);
    }
}
