// Flink's network pool, with an order where chance decides in Flink:
// - The local pools lie in sets by their identity hashes; here the sets remember the order of creation.
// - Those who wait for a segment are told in the order that CompletableFuture happens to have, the last one first; here
//   the first one is the first. And they are told when all segments are back that come back together, and when a
//   redistribution is over, not in the middle of it.
// - A redistribution has every pool look for a segment, in the order of the walk; here only those look whose size it
//   changes, and the others wait for their turn among those who wait.
// Nothing else is changed: the code that runs is Flink's.
package pools;

import org.apache.flink.core.memory.MemorySegment;
import org.apache.flink.runtime.io.network.buffer.BufferPool;
import org.apache.flink.runtime.io.network.buffer.LocalBufferPool;
import org.apache.flink.runtime.io.network.buffer.NetworkBufferPool;

import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.concurrent.CompletableFuture;

final class OrderedPool extends NetworkBufferPool {
    /** What is to be done whenever a local pool may have got a segment. */
    private final Runnable afterEachChange;
    private final ArrayDeque<Runnable> deferred = new ArrayDeque<>();
    private boolean isBusy;
    /** The pool that a redistribution has come to, and the size that it had. */
    private LocalBufferPool visited;
    private int sizeOfVisited;
    private CompletableFuture<?> known;
    private OrderedFuture ordered;

    OrderedPool(int segments, int segmentBytes, Runnable afterEachChange) {
        super(segments, segmentBytes, Duration.ofSeconds(30));
        this.afterEachChange = afterEachChange;
        Reflection.set(this, "allBufferPools", new LinkedHashSet<LocalBufferPool>());
        Reflection.set(this, "resizableBufferPools", new ResizablePools());
    }

    @Override
    public CompletableFuture<?> getAvailableFuture() {
        CompletableFuture<?> future = super.getAvailableFuture();
        if (future.isDone()) {
            return future;
        }
        if (future != known) {
            OrderedFuture next = new OrderedFuture();
            future.thenRun(next::fire);
            known = future;
            ordered = next;
        }
        return ordered;
    }

    /** Does something as a whole: those who wait are told afterwards. */
    void asOne(Runnable operation) {
        boolean wasBusy = isBusy;
        isBusy = true;
        try {
            operation.run();
        } finally {
            end(wasBusy);
        }
    }

    private void end(boolean wasBusy) {
        isBusy = wasBusy;
        if (!isBusy) {
            tell();
        }
    }

    @Override
    public MemorySegment requestPooledMemorySegment() {
        boolean isLeftAlone = visited != null && visited.getNumBuffers() == sizeOfVisited;
        return isLeftAlone ? null : super.requestPooledMemorySegment();
    }

    @Override
    public void destroyBufferPool(BufferPool pool) {
        // What lay in it is back, and the redistribution is another thing.
        boolean wasBusy = isBusy;
        end(false);
        super.destroyBufferPool(pool);
        isBusy = wasBusy;
    }

    /** Tells those who wait, the first one first. */
    private final class OrderedFuture extends CompletableFuture<Void> {
        private final List<Runnable> waiting = new ArrayList<>();

        @Override
        public CompletableFuture<Void> thenRun(Runnable action) {
            if (isDone()) {
                return super.thenRun(action);
            }
            waiting.add(action);
            return CompletableFuture.completedFuture(null);
        }

        void fire() {
            complete(null);
            deferred.addAll(waiting);
            if (!isBusy) {
                tell();
            }
        }
    }

    private void tell() {
        for (Runnable action = deferred.poll(); action != null; action = deferred.poll()) {
            action.run();
            afterEachChange.run();
        }
    }

    /** The pools that a redistribution walks: it is over when a walk is. */
    private final class ResizablePools extends LinkedHashSet<LocalBufferPool> {
        private static final long serialVersionUID = 1;

        @Override
        public Iterator<LocalBufferPool> iterator() {
            Iterator<LocalBufferPool> pools = super.iterator();
            boolean wasBusy = isBusy;
            isBusy = true;
            return new Iterator<LocalBufferPool>() {
                @Override
                public boolean hasNext() {
                    visited = null;
                    afterEachChange.run();
                    if (pools.hasNext()) {
                        return true;
                    }
                    end(wasBusy);
                    return false;
                }

                @Override
                public LocalBufferPool next() {
                    visited = pools.next();
                    sizeOfVisited = visited.getNumBuffers();
                    return visited;
                }
            };
        }
    }
}
