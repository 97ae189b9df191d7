// Steps on a network pool and its local pools.
//
// Put right, because the specification of ours names them as mistakes not to copy: a refused creation gives its count
// back, and reserved segments are counted. A segment that a local pool fetches while a listener waits is handed to the
// listener at once, as if somebody had taken it and given it back.
package pools;

import org.apache.flink.core.memory.MemorySegment;
import org.apache.flink.runtime.io.network.buffer.Buffer;
import org.apache.flink.runtime.io.network.buffer.BufferBuilder;
import org.apache.flink.runtime.io.network.buffer.BufferListener;
import org.apache.flink.runtime.io.network.buffer.LocalBufferPool;

import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.concurrent.Callable;
import java.util.concurrent.CompletableFuture;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

final class NetworkSequence extends Sequence {
    private static final Pattern PERCENT = Pattern.compile("\\[(\\d+)%\\]");

    private final OrderedPool global;
    private final Map<Integer, LocalBufferPool> pools = new TreeMap<>();
    private final Map<Integer, Held> held = new TreeMap<>();
    private final Map<Integer, Listener> listeners = new TreeMap<>();
    private final Map<Integer, CompletableFuture<?>> futures = new TreeMap<>();
    private final Map<Integer, CompletableFuture<?>> globalFutures = new TreeMap<>();

    NetworkSequence(Step step) {
        global = new OrderedPool(step.number("segments"), step.number("bytes"), this::serveListeners);
    }

    /** Something that somebody has, and how it is given back. */
    private interface Held {
        void giveBack() throws Exception;
    }

    private final class Listener implements BufferListener {
        private final int label;
        private final boolean accepts;
        private String seen = "waiting";

        Listener(int label, boolean accepts) {
            this.label = label;
            this.accepts = accepts;
        }

        @Override
        public boolean notifyBufferAvailable(Buffer buffer) {
            seen = accepts ? "accepted" : "refused";
            if (accepts) {
                hold(label, buffer);
            }
            return accepts;
        }

        @Override
        public void notifyBufferDestroyed() {
            seen = "destroyed";
        }
    }

    @Override
    String run(Step step) throws Throwable {
        String outcome = once(step);
        serveListeners();
        return outcome;
    }

    private String once(Step step) throws Throwable {
        switch (step.name) {
            case "create":
                return create(step);
            case "unpooled":
                return exclusive(step.number("held"), withoutWaiting(() -> global.requestUnpooledMemorySegments(step.number("number"))));
            case "recycle-unpooled":
                return recycleExclusive(step.list("held"));
            case "pooled":
                return pooled(step.number("held"), global.requestPooledMemorySegment());
            case "pooled-blocking":
                return pooledBlocking(step);
            case "retain":
                return retain(step);
            case "recycle":
                return recycle(step);
            case "recycle-many":
                return recycleMany(step);
            case "future-of-network":
                globalFutures.put(step.number("future"), global.getAvailableFuture());
                return "ok";
            case "usage-notice":
                return usageNotice();
            case "destroy-all":
                global.asOne(global::destroyAllBufferPools);
                return "ok";
            case "destroy":
                global.destroy();
                return "ok";
            default:
                LocalBufferPool pool = pools.get(step.number("pool"));
                return pool == null ? NOTHING : onPool(step, pool);
        }
    }

    private String create(Step step) throws Exception {
        Object required = Reflection.get(global, "numTotalRequiredBuffers");
        try {
            pools.put(step.number("pool"), (LocalBufferPool) global.createBufferPool(
                    step.number("required"), step.number("max"), step.number("channels"), step.number("per-channel"),
                    step.number("overdraft")));
            return "ok";
        } catch (IllegalArgumentException refused) {
            // Flink forgets to.
            Reflection.set(global, "numTotalRequiredBuffers", required);
            throw refused;
        }
    }

    private String onPool(Step step, LocalBufferPool pool) throws Throwable {
        switch (step.name) {
            case "destroy-pool":
                global.asOne(pool::lazyDestroy);
                return "ok";
            case "segment":
                return segment(step, pool, pool.requestMemorySegment());
            case "segment-blocking":
                return segment(step, pool, withoutWaiting(pool::requestMemorySegmentBlocking));
            case "segments":
                return segments(step, pool);
            case "bursts":
                return bursts(step, pool);
            case "buffer":
                Buffer buffer = pool.requestBuffer();
                if (buffer == null) {
                    return "none";
                }
                hold(step.number("held"), buffer);
                return "given";
            case "builder":
                return builder(step, step.has("channel")
                        ? pool.requestBufferBuilder(step.number("channel"))
                        : pool.requestBufferBuilder());
            case "builder-blocking":
                return builder(step, withoutWaiting(() -> step.has("channel")
                        ? pool.requestBufferBuilderBlocking(step.number("channel"))
                        : pool.requestBufferBuilderBlocking()));
            case "resize":
                global.asOne(() -> pool.setNumBuffers(step.number("size")));
                return "ok";
            case "overdraft":
                pool.setMaxOverdraftBuffersPerGate(step.number("overdraft"));
                return "ok";
            case "reserve":
                return reserve(step.number("number"), pool);
            case "listener":
                Listener listener = new Listener(step.number("held"), step.text("answer").equals("accept"));
                boolean isAdded = pool.addBufferListener(listener);
                if (isAdded) {
                    listeners.put(step.number("held"), listener);
                }
                return String.valueOf(isAdded);
            case "future":
                futures.put(step.number("future"), pool.getAvailableFuture());
                return "ok";
            default:
                throw new IllegalStateException("no such step: " + step.name);
        }
    }

    /** Has a call that would wait end as an interrupted one does. */
    private static <T> T withoutWaiting(Callable<T> call) throws Exception {
        Thread.currentThread().interrupt();
        try {
            return call.call();
        } finally {
            Thread.interrupted();
        }
    }

    private String reserve(int number, LocalBufferPool pool) throws Exception {
        int requested = pool.getNumberOfRequestedMemorySegments();
        withoutWaiting(() -> {
            pool.reserveSegments(number);
            return null;
        });
        if (requested < number) {
            // Flink forgets to.
            Reflection.set(pool, "numberOfRequestedMemorySegments", number);
        }
        return "ok";
    }

    /** Hands what lies in a pool to the listeners that wait for it. */
    private void serveListeners() {
        if (listeners.isEmpty()) {
            return;
        }
        for (LocalBufferPool pool : pools.values()) {
            while (!((Collection<?>) Reflection.get(pool, "registeredListeners")).isEmpty()
                    && pool.getNumberOfAvailableMemorySegments() > 0) {
                pool.recycle(pool.requestMemorySegment());
            }
        }
    }

    private String segment(Step step, LocalBufferPool pool, MemorySegment segment) {
        if (segment == null) {
            return "none";
        }
        hold(step.number("held"), pool, segment);
        return "given";
    }

    private static List<MemorySegment> takeMany(LocalBufferPool pool, int number) {
        List<MemorySegment> segments = new ArrayList<>();
        while (segments.size() < number) {
            MemorySegment segment = pool.requestMemorySegment();
            if (segment == null) {
                break;
            }
            segments.add(segment);
        }
        return segments;
    }

    private String segments(Step step, LocalBufferPool pool) {
        List<MemorySegment> segments = takeMany(pool, step.number("number"));
        int next = step.number("held");
        for (MemorySegment segment : segments) {
            hold(next++, pool, segment);
        }
        return "given=" + segments.size();
    }

    private String bursts(Step step, LocalBufferPool pool) {
        int given = 0;
        for (int time = 0; time < step.number("times"); time++) {
            List<MemorySegment> burst = takeMany(pool, step.number("number"));
            given += burst.size();
            for (MemorySegment segment : burst) {
                pool.recycle(segment);
                serveListeners();
            }
        }
        return "given=" + given;
    }

    private void hold(int label, LocalBufferPool pool, MemorySegment segment) {
        held.put(label, new Held() {
            @Override
            public void giveBack() {
                pool.recycle(segment);
            }
        });
    }

    private void hold(int label, Buffer buffer) {
        held.put(label, new HeldBuffer(buffer));
    }

    private static final class HeldBuffer implements Held {
        private final Buffer buffer;

        HeldBuffer(Buffer buffer) {
            this.buffer = buffer;
        }

        @Override
        public void giveBack() {
            buffer.recycleBuffer();
        }
    }

    private String builder(Step step, BufferBuilder builder) {
        if (builder == null) {
            return "none";
        }
        held.put(step.number("held"), new Held() {
            @Override
            public void giveBack() {
                builder.close();
            }
        });
        return "given";
    }

    private final class Exclusive implements Held {
        private final MemorySegment segment;

        Exclusive(MemorySegment segment) {
            this.segment = segment;
        }

        @Override
        public void giveBack() {
            global.recycleUnpooledMemorySegments(List.of(segment));
        }
    }

    private String exclusive(int label, Collection<MemorySegment> segments) {
        int next = label;
        for (MemorySegment segment : segments) {
            held.put(next++, new Exclusive(segment));
        }
        return "given=" + segments.size();
    }

    private String recycleExclusive(List<Integer> labels) {
        List<MemorySegment> segments = new ArrayList<>();
        for (Integer label : labels) {
            if (held.get(label) instanceof Exclusive) {
                segments.add(((Exclusive) held.remove(label)).segment);
            }
        }
        if (segments.isEmpty()) {
            return NOTHING;
        }
        global.recycleUnpooledMemorySegments(segments);
        return "ok";
    }

    private String pooled(int label, MemorySegment segment) {
        if (segment == null) {
            return "none";
        }
        held.put(label, new Held() {
            @Override
            public void giveBack() {
                global.recyclePooledMemorySegment(segment);
            }
        });
        return "given";
    }

    private String pooledBlocking(Step step) throws Exception {
        List<MemorySegment> segments =
                withoutWaiting(() -> global.requestPooledMemorySegmentsBlocking(step.number("number")));
        int next = step.number("held");
        for (MemorySegment segment : segments) {
            pooled(next++, segment);
        }
        return "given=" + segments.size();
    }

    private String retain(Step step) {
        if (!(held.get(step.number("of")) instanceof HeldBuffer)) {
            return NOTHING;
        }
        hold(step.number("held"), ((HeldBuffer) held.get(step.number("of"))).buffer.retainBuffer());
        return "ok";
    }

    private String recycle(Step step) throws Exception {
        Held given = held.remove(step.number("held"));
        if (given == null) {
            return NOTHING;
        }
        given.giveBack();
        return "ok";
    }

    private String recycleMany(Step step) throws Exception {
        // What a listener gets meanwhile is not meant.
        List<Held> many = new ArrayList<>();
        for (int label = step.number("held"); label < step.number("held") + step.number("number"); label++) {
            Held given = held.remove(label);
            if (given != null) {
                many.add(given);
            }
        }
        for (Held given : many) {
            given.giveBack();
            serveListeners();
        }
        return "recycled=" + many.size();
    }

    private String usageNotice() throws Throwable {
        Optional<?> notice = (Optional<?>) Reflection.call(global, "getUsageWarning");
        if (!notice.isPresent()) {
            return "none";
        }
        String text = (String) notice.get();
        Matcher percent = PERCENT.matcher(text);
        return (text.contains("back to normal") ? "normal" : "exceeded") + " percent="
                + (percent.find() ? percent.group(1) : "?");
    }

    @Override
    String figures() {
        StringBuilder text = new StringBuilder();
        boolean isDestroyed = global.isDestroyed();
        text.append("; network total=").append(global.getTotalNumberOfMemorySegments());
        // A segment that comes back after the end lies in a queue that nobody looks at.
        text.append(" available=").append(isDestroyed ? 0 : global.getNumberOfAvailableMemorySegments());
        text.append(" used=").append(isDestroyed ? 0 : global.getNumberOfUsedMemorySegments());
        text.append(" pools=").append(global.getNumberOfRegisteredBufferPools());
        text.append(" required=").append(Reflection.get(global, "numTotalRequiredBuffers"));
        text.append(" percent=").append(global.getEstimatedRequestedSegmentsUsage());
        text.append(" is-available=").append(isDestroyed ? "-" : isDone(global.getAvailableFuture()));
        text.append(" is-destroyed=").append(isDestroyed);
        pools.forEach((label, pool) -> figures(text.append("; pool ").append(label), pool));
        text.append("; held number=").append(held.size());
        held.forEach((label, given) -> {
            if (given instanceof HeldBuffer) {
                text.append("; buffer ").append(label).append(" references=").append(((HeldBuffer) given).buffer.refCnt());
            }
        });
        listeners.forEach((label, listener) -> text.append("; listener ").append(label).append(" seen=").append(listener.seen));
        futures.forEach((label, future) -> text.append("; future ").append(label).append(" done=").append(isDone(future)));
        globalFutures.forEach((label, future) -> text.append("; future-of-network ").append(label).append(" done=")
                .append(isDestroyed ? "-" : isDone(future)));
        return text.toString();
    }

    private static void figures(StringBuilder text, LocalBufferPool pool) {
        int size = pool.getNumBuffers();
        int requested = pool.getNumberOfRequestedMemorySegments();
        text.append(" required=").append(pool.getNumberOfRequiredMemorySegments());
        text.append(" size=").append(size);
        text.append(" requested=").append(requested);
        text.append(" lying=").append(pool.getNumberOfAvailableMemorySegments());
        text.append(" used=").append(pool.bestEffortGetNumOfUsedBuffers());
        text.append(" overdraft=").append(Math.max(0, requested - size));
        text.append(" max-overdraft=").append(pool.getMaxOverdraftBuffersPerGate());
        text.append(" is-available=").append(isDone(pool.getAvailableFuture()));
        text.append(" is-destroyed=").append(pool.isDestroyed());
        text.append(" channels=");
        int[] counts = (int[]) Reflection.get(pool, "subpartitionBuffersCount");
        for (int channel = 0; channel < counts.length; channel++) {
            text.append(channel == 0 ? "" : ",").append(counts[channel]);
        }
    }

    private static boolean isDone(CompletableFuture<?> future) {
        return future.isDone();
    }
}
