// One step: a name and its arguments, such as `create pool=3 required=2 max=10`.
package pools;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

final class Step {
    final String name;
    private final Map<String, String> arguments = new HashMap<>();

    private Step(String name) {
        this.name = name;
    }

    static Step parse(String line) {
        String[] words = line.split(" ");
        Step step = new Step(words[0]);
        for (int index = 1; index < words.length; index++) {
            int equals = words[index].indexOf('=');
            step.arguments.put(words[index].substring(0, equals), words[index].substring(equals + 1));
        }
        return step;
    }

    boolean has(String key) {
        return arguments.containsKey(key);
    }

    String text(String key) {
        String value = arguments.get(key);
        if (value == null) {
            throw new IllegalStateException("the step " + name + " has no " + key);
        }
        return value;
    }

    int number(String key) {
        return Integer.parseInt(text(key));
    }

    long bytes(String key) {
        return Long.parseLong(text(key));
    }

    List<Integer> list(String key) {
        List<Integer> list = new ArrayList<>();
        for (String item : text(key).split(",")) {
            if (!item.isEmpty()) {
                list.add(Integer.valueOf(item));
            }
        }
        return list;
    }
}
