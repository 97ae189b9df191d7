// What is private in Flink's pools and has to be read, or put right.
package pools;

import java.lang.reflect.Field;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;

final class Reflection {
    static Object get(Object object, String name) {
        try {
            return field(object.getClass(), name).get(object);
        } catch (ReflectiveOperationException absent) {
            throw new IllegalArgumentException(absent);
        }
    }

    static void set(Object object, String name, Object value) {
        try {
            field(object.getClass(), name).set(object, value);
        } catch (ReflectiveOperationException absent) {
            throw new IllegalArgumentException(absent);
        }
    }

    /** Calls a method without parameters. */
    static Object call(Object object, String name) throws Throwable {
        for (Class<?> type = object.getClass(); type != null; type = type.getSuperclass()) {
            for (Method method : type.getDeclaredMethods()) {
                if (method.getName().equals(name) && method.getParameterCount() == 0) {
                    method.setAccessible(true);
                    try {
                        return method.invoke(object);
                    } catch (InvocationTargetException thrown) {
                        throw thrown.getCause();
                    }
                }
            }
        }
        throw new NoSuchMethodException(name);
    }

    private static Field field(Class<?> type, String name) throws NoSuchFieldException {
        for (Class<?> declaring = type; declaring != null; declaring = declaring.getSuperclass()) {
            try {
                Field field = declaring.getDeclaredField(name);
                field.setAccessible(true);
                return field;
            } catch (NoSuchFieldException inherited) {
                // Declared by a class above.
            }
        }
        throw new NoSuchFieldException(name);
    }
}
