import java.io.IOException;
import java.lang.reflect.Field;
import java.lang.reflect.Method;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.MappedByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayDeque;
import java.util.Scanner;

/** A client of a shared pool that asks for each segment: arguments are the socket, the data file, how many, how large. */
public class JvmClient {
    private static final byte[] TEXT = "FlinkBuf".getBytes(StandardCharsets.US_ASCII);

    public static void main(String[] arguments) throws Exception {
        int count = Integer.parseInt(arguments[2]);
        int size = Integer.parseInt(arguments[3]);
        try (SocketChannel socket = SocketChannel.open(StandardProtocolFamily.UNIX)) {
            socket.connect(UnixDomainSocketAddress.of(arguments[0]));
            ByteBuffer hello = message(1);
            hello.putInt(1).put((byte) 2).putInt(0).putInt(Integer.MAX_VALUE).putShort((short) 0).putLong(0);
            hello.putShort((short) 3).put("jvm".getBytes(StandardCharsets.US_ASCII));
            send(socket, hello);
            expect(receive(socket), 128);
            ByteBuffer acquire = message(2);
            send(socket, acquire.putInt(1).putInt(count).put((byte) 1));
            ByteBuffer granted = receive(socket);
            expect(granted, 130);
            granted.getInt();
            if (granted.getInt() != count) {
                throw new IOException("not all were granted");
            }
            int[] segments = new int[count];
            long[] words = new long[count];
            for (int i = 0; i < count; i++) {
                segments[i] = granted.getInt();
                words[i] = granted.getLong();
            }
            try (FileChannel file =
                    FileChannel.open(Path.of(arguments[1]), StandardOpenOption.READ, StandardOpenOption.WRITE)) {
                MappedByteBuffer data = file.map(FileChannel.MapMode.READ_WRITE, 0, (long) count * size);
                ByteBuffer[] buffers = new ByteBuffer[count];
                for (int i = 0; i < count; i++) {
                    buffers[i] = data.slice(segments[i] * size, size);
                }
                int written = hasFlink() ? writeWithFlink(buffers, segments, size) : write(buffers, segments);
                say(written + " written");
                Scanner input = new Scanner(System.in);
                input.nextLine();
                ByteBuffer release = message(4);
                release.putInt(count);
                for (int i = 0; i < count; i++) {
                    release.putInt(segments[i]).putLong(words[i]);
                }
                send(socket, release);
                say("given back");
                input.nextLine();
            }
        }
    }

    private static int write(ByteBuffer[] buffers, int[] segments) {
        for (int i = 0; i < buffers.length; i++) {
            buffers[i].order(ByteOrder.BIG_ENDIAN).putInt(0, segments[i]).put(4, TEXT);
        }
        return buffers.length;
    }

    private static boolean hasFlink() {
        try {
            Class.forName("org.apache.flink.runtime.io.network.buffer.NetworkBufferPool");
            return true;
        } catch (ClassNotFoundException absent) {
            return false;
        }
    }

    /** Exchanges the segments of an unmodified network pool, and sends one buffer through a builder for each. */
    private static int writeWithFlink(ByteBuffer[] buffers, int[] segments, int size) throws Exception {
        String packageName = "org.apache.flink.runtime.io.network.buffer.";
        Class<?> poolClass = Class.forName(packageName + "NetworkBufferPool");
        Object pool = poolClass.getConstructor(int.class, int.class).newInstance(buffers.length, size);
        Field free = poolClass.getDeclaredField("availableMemorySegments");
        free.setAccessible(true);
        @SuppressWarnings("unchecked")
        ArrayDeque<Object> queue = (ArrayDeque<Object>) free.get(pool);
        queue.clear();
        Method wrap = Class.forName("org.apache.flink.core.memory.MemorySegmentFactory")
                .getMethod("wrapOffHeapMemory", ByteBuffer.class);
        for (ByteBuffer buffer : buffers) {
            queue.add(wrap.invoke(null, buffer));
        }
        Object local = method(pool, "createBufferPool", int.class, int.class).invoke(pool, 1, buffers.length);
        method(local, "setNumBuffers", int.class).invoke(local, buffers.length);
        Object[] consumers = new Object[buffers.length];
        for (int i = 0; i < buffers.length; i++) {
            Object builder = method(local, "requestBufferBuilder").invoke(local);
            Field field = builder.getClass().getDeclaredField("memorySegment");
            field.setAccessible(true);
            Object segment = field.get(builder);
            long address = (long) method(segment, "getAddress").invoke(segment);
            ByteBuffer record = ByteBuffer.allocate(12).putInt(indexOf(address, buffers, segments)).put(TEXT).flip();
            consumers[i] = method(builder, "createBufferConsumer").invoke(builder);
            method(builder, "appendAndCommit", ByteBuffer.class).invoke(builder, record);
            method(builder, "finish").invoke(builder);
            method(builder, "close").invoke(builder);
        }
        int seen = 0;
        for (Object consumer : consumers) {
            Object buffer = method(consumer, "build").invoke(consumer);
            seen += (int) method(buffer, "readableBytes").invoke(buffer) == 12 ? 1 : 0;
            method(buffer, "recycleBuffer").invoke(buffer);
            method(consumer, "close").invoke(consumer);
        }
        method(local, "lazyDestroy").invoke(local);
        int back = (int) method(pool, "getNumberOfAvailableMemorySegments").invoke(pool);
        return Math.min(seen, back);
    }

    private static int indexOf(long address, ByteBuffer[] buffers, int[] segments) throws Exception {
        Field field = java.nio.Buffer.class.getDeclaredField("address");
        for (int i = 0; i < buffers.length; i++) {
            if (UNSAFE.getLong(buffers[i], UNSAFE.objectFieldOffset(field)) == address) {
                return segments[i];
            }
        }
        throw new IOException("a buffer that is none of the pool's");
    }

    private static final sun.misc.Unsafe UNSAFE = unsafe();

    private static sun.misc.Unsafe unsafe() {
        try {
            Field field = sun.misc.Unsafe.class.getDeclaredField("theUnsafe");
            field.setAccessible(true);
            return (sun.misc.Unsafe) field.get(null);
        } catch (ReflectiveOperationException impossible) {
            throw new IllegalStateException(impossible);
        }
    }

    private static Method method(Object object, String name, Class<?>... parameters) throws Exception {
        for (Class<?> type = object.getClass(); type != null; type = type.getSuperclass()) {
            try {
                Method method = type.getDeclaredMethod(name, parameters);
                method.setAccessible(true);
                return method;
            } catch (NoSuchMethodException above) {
                // A superclass may have it.
            }
        }
        throw new NoSuchMethodException(object.getClass() + "." + name);
    }

    private static ByteBuffer message(int kind) {
        ByteBuffer message = ByteBuffer.allocate(1 << 16).order(ByteOrder.LITTLE_ENDIAN);
        return message.putInt(0).put((byte) kind);
    }

    private static void send(SocketChannel socket, ByteBuffer message) throws IOException {
        message.putInt(0, message.position() - 4).flip();
        while (message.hasRemaining()) {
            socket.write(message);
        }
    }

    private static ByteBuffer receive(SocketChannel socket) throws IOException {
        int length = read(socket, 4).getInt();
        return read(socket, length);
    }

    private static ByteBuffer read(SocketChannel socket, int length) throws IOException {
        ByteBuffer bytes = ByteBuffer.allocate(length).order(ByteOrder.LITTLE_ENDIAN);
        while (bytes.hasRemaining()) {
            if (socket.read(bytes) < 0) {
                throw new IOException("the agent went");
            }
        }
        return bytes.flip();
    }

    private static void expect(ByteBuffer message, int kind) throws IOException {
        if ((message.get() & 0xff) != kind) {
            throw new IOException("an answer of another kind: " + new String(message.array(), StandardCharsets.UTF_8));
        }
    }

    private static void say(String what) {
        System.out.println("\n> " + what);
    }
}
