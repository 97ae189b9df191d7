// The environment that Flink's code sees. A JVM can't change its own, so that a warm process opens the map which
// System.getenv reads; the options that this takes are those that the process is started with.
package answers;

import com.google.gson.JsonElement;
import com.google.gson.JsonObject;

import java.lang.reflect.Field;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

final class Environment {
    private static final Map<String, String> VARIABLES = variables();
    private static final List<String> SET = new ArrayList<>();

    /** Takes back what was set before and sets these variables; null for none. */
    static void set(JsonObject variables) {
        SET.forEach(VARIABLES::remove);
        SET.clear();
        if (variables != null) {
            for (Map.Entry<String, JsonElement> variable : variables.entrySet()) {
                VARIABLES.put(variable.getKey(), variable.getValue().getAsString());
                SET.add(variable.getKey());
            }
        }
    }

    @SuppressWarnings("unchecked")
    private static Map<String, String> variables() {
        try {
            Map<String, String> unmodifiable = System.getenv();
            Field map = unmodifiable.getClass().getDeclaredField("m");
            map.setAccessible(true);
            return (Map<String, String>) map.get(unmodifiable);
        } catch (ReflectiveOperationException closed) {
            throw new IllegalStateException("start Java with --add-opens java.base/java.util=ALL-UNNAMED", closed);
        }
    }
}
