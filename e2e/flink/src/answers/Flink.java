// Flink's classes, methods and values by name, because releases differ in which of them there are.
package answers;

import com.google.gson.JsonElement;
import com.google.gson.JsonObject;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.MethodType;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.util.Map;

final class Flink {
    static final String RUNTIME = "org.apache.flink.runtime.";
    static final String CONFIGURATION = "org.apache.flink.configuration.";

    private static final Class<?> CONFIGURATION_TYPE = type(CONFIGURATION + "Configuration");
    private static final Method SET_STRING = accessor("setString");
    private static final Method GET_STRING = accessor("getString");
    private static final Method BYTES = method(type(CONFIGURATION + "MemorySize"), "getBytes", 0);

    /** The class of that name; null where this release has none. */
    static Class<?> type(String name) {
        try {
            return Class.forName(name);
        } catch (ClassNotFoundException absent) {
            return null;
        }
    }

    /** The method of that name and number of parameters, inherited ones too; null where this release has none. */
    static Method method(Class<?> type, String name, int parameters) {
        for (Class<?> declaring = type; declaring != null; declaring = declaring.getSuperclass()) {
            for (Method method : declaring.getDeclaredMethods()) {
                if (method.getName().equals(name) && method.getParameterCount() == parameters && !method.isBridge()) {
                    method.setAccessible(true);
                    return method;
                }
            }
        }
        if (type != null) {
            for (Class<?> inherited : type.getInterfaces()) {
                Method method = method(inherited, name, parameters);
                if (method != null) {
                    return method;
                }
            }
        }
        return null;
    }

    /** Calls a method, and throws what it throws. */
    static Object call(Method method, Object self, Object... arguments) throws Throwable {
        try {
            return method.invoke(self, arguments);
        } catch (InvocationTargetException thrown) {
            throw thrown.getCause();
        }
    }

    /** Calls the method of an object that has the name and as many parameters as there are arguments. */
    static Object ask(Object self, String name, Object... arguments) throws Throwable {
        return call(existing(self.getClass(), name, arguments.length), self, arguments);
    }

    /** The same for a static method. */
    static Object askStatic(Class<?> type, String name, Object... arguments) throws Throwable {
        return call(existing(type, name, arguments.length), null, arguments);
    }

    /**
     * Calls a static method by its exact type. Listing the methods of a class, as the calls above do, loads every
     * class that any of them names, and some of those are in libraries that nothing here needs.
     */
    static Object callDirectly(Class<?> type, String name, MethodType signature, Object... arguments) throws Throwable {
        return MethodHandles.privateLookupIn(type, MethodHandles.lookup())
                .findStatic(type, name, signature)
                .invokeWithArguments(arguments);
    }

    private static Method existing(Class<?> type, String name, int parameters) {
        Method method = method(type, name, parameters);
        if (method == null) {
            throw new IllegalStateException(type + " has no method " + name + " with " + parameters + " parameters");
        }
        return method;
    }

    /** A static field of one of the classes that hold options. */
    static Object option(String type, String name) throws ReflectiveOperationException {
        return type(CONFIGURATION + type).getField(name).get(null);
    }

    /** The bytes of a MemorySize. */
    static long bytes(Object memorySize) throws Throwable {
        return (Long) call(BYTES, memorySize);
    }

    /** An empty configuration. */
    static Object configuration() throws ReflectiveOperationException {
        return CONFIGURATION_TYPE.getConstructor().newInstance();
    }

    /** A configuration with these options; the values are texts, as they are when a file was read. */
    static Object configuration(JsonObject options) throws Throwable {
        Object configuration = configuration();
        for (Map.Entry<String, JsonElement> option : options.entrySet()) {
            set(configuration, option.getKey(), option.getValue().getAsString());
        }
        return configuration;
    }

    static void set(Object configuration, String key, String value) throws Throwable {
        call(SET_STRING, configuration, key, value);
    }

    /** The value of an option as it was written; null where it was not. */
    static String get(Object configuration, String key) throws Throwable {
        return (String) call(GET_STRING, configuration, key, null);
    }

    private static Method accessor(String name) {
        try {
            return CONFIGURATION_TYPE.getMethod(name, String.class, String.class);
        } catch (NoSuchMethodException impossible) {
            throw new IllegalStateException(impossible);
        }
    }
}
