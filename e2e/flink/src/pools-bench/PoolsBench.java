// What released Flink's pools take, warm and in process: one line for each figure, a name and a number. `make bench`
// reads them; `e2e/src/bin/bench/segment_pools` does the same things with ours, in the same words.
//
// Of one thread the fastest round counts, because whatever else the machine does only ever adds time. Of several threads
// the median counts, because in the fastest one they may just not have met.
//
// It stands in Flink's own package, because the budget of the memory manager is visible only there.
package org.apache.flink.runtime.memory;

import org.apache.flink.core.memory.MemorySegment;
import org.apache.flink.core.memory.MemorySegmentFactory;
import org.apache.flink.runtime.io.network.buffer.BufferPool;
import org.apache.flink.runtime.io.network.buffer.NetworkBufferPool;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicInteger;

public final class PoolsBench {
    private static final int SEGMENT_BYTES = 32 << 10;
    private static final int WARM_UPS = 15;
    private static final int ROUNDS = 31;
    /** How many segments go from one thread to the other at a time. */
    private static final int HANDFUL = 64;
    /** How many handfuls may be under way. */
    private static final int CELLS = 8;

    /** Keeps what is read in use. */
    static volatile long sum;

    /** Does something so many times. */
    private interface Work {
        void run(int times) throws Exception;
    }

    private final int divisor;
    private final int many;
    private final ExecutorService threads = Executors.newCachedThreadPool(task -> {
        Thread thread = new Thread(task);
        thread.setDaemon(true);
        return thread;
    });

    private PoolsBench(int divisor) {
        this.divisor = divisor;
        this.many = 500_000 / divisor;
    }

    public static void main(String[] arguments) throws Exception {
        PoolsBench bench = new PoolsBench(Integer.parseInt(arguments[1]));
        switch (arguments[0]) {
            case "network":
                bench.networkPool();
                break;
            case "local":
                bench.localPool();
                bench.creation();
                break;
            case "manager":
                bench.memoryManager();
                break;
            case "records":
                bench.records();
                break;
            case "turns":
                bench.turns();
                break;
            default:
                throw new IllegalArgumentException("no such part: " + arguments[0]);
        }
    }

    private static void tell(String figure, double value) {
        System.out.println(String.format(Locale.ROOT, "%s %.4f", figure, value));
    }

    private static double median(List<Double> values) {
        values.sort(null);
        return values.get(values.size() / 2);
    }

    /** The nanoseconds of one time, done on this thread. */
    private static double alone(int times, Work work) throws Exception {
        double fastest = Double.MAX_VALUE;
        for (int round = 0; round < WARM_UPS + ROUNDS; round++) {
            long start = System.nanoTime();
            work.run(times);
            long end = System.nanoTime();
            if (round >= WARM_UPS) {
                fastest = Math.min(fastest, (end - start) / (double) times);
            }
        }
        return fastest;
    }

    /** The nanoseconds of one time when threads do it at once, each so many times, from the first start to the last end. */
    private double atOnce(int times, List<Work> works) throws Exception {
        List<Double> rounds = new ArrayList<>();
        for (int round = 0; round < WARM_UPS + ROUNDS; round++) {
            AtomicInteger missing = new AtomicInteger(works.size());
            List<Future<long[]>> spans = new ArrayList<>();
            for (Work work : works) {
                spans.add(threads.submit(() -> {
                    missing.decrementAndGet();
                    while (missing.get() > 0) {
                        Thread.yield();
                    }
                    long start = System.nanoTime();
                    work.run(times);
                    return new long[] {start, System.nanoTime()};
                }));
            }
            long start = Long.MAX_VALUE;
            long end = Long.MIN_VALUE;
            for (Future<long[]> span : spans) {
                start = Math.min(start, span.get()[0]);
                end = Math.max(end, span.get()[1]);
            }
            if (round >= WARM_UPS) {
                rounds.add((end - start) / (double) times);
            }
        }
        return median(rounds);
    }

    private static void segments(BufferPool pool, int times) {
        for (int time = 0; time < times; time++) {
            pool.recycle(pool.requestMemorySegment());
        }
    }

    /** Has so many segments lie in the pool, so that nothing goes to the network pool and back. */
    private static BufferPool filled(BufferPool pool, int size, int lying) {
        pool.setNumBuffers(size);
        List<MemorySegment> segments = new ArrayList<>();
        while (segments.size() < lying) {
            segments.add(pool.requestMemorySegment());
        }
        segments.forEach(pool::recycle);
        return pool;
    }

    private void localPool() throws Exception {
        NetworkBufferPool network = new NetworkBufferPool(2048, SEGMENT_BYTES);
        BufferPool pool = filled(network.createBufferPool(16, 1024), 1024, 1024);
        tell("pools.local.segment", alone(many, times -> segments(pool, times)));
        tell("pools.local.buffer", alone(many, times -> {
            for (int time = 0; time < times; time++) {
                pool.requestBuffer().recycleBuffer();
            }
        }));
        tell("pools.handoff", handOff(pool::requestMemorySegment, pool::recycle));
        for (int number : new int[] {1, 2, 4, 8}) {
            List<Work> works = new ArrayList<>();
            while (works.size() < number) {
                works.add(times -> segments(pool, times));
            }
            tell("pools.threads." + number, atOnce(many / number, works) / number);
        }
        BufferPool channels = filled(network.createBufferPool(16, 256, 4, 10, 5), 256, 128);
        tell("pools.local.builder", alone(many, times -> {
            for (int time = 0; time < times; time++) {
                channels.requestBufferBuilder(time % 4).close();
            }
        }));
        network.destroyAllBufferPools();
        network.destroy();
    }

    private interface Giver {
        void giveBack(MemorySegment segment);
    }

    /** Gives the processor away when the other thread takes long, because it may be waiting for this one. */
    private static void pause(int tries) {
        if (tries < 100) {
            Thread.onSpinWait();
        } else {
            Thread.yield();
        }
    }

    /** One thread takes segments, the other one gives them back; between them cells that are filled and emptied in turn. */
    private double handOff(Callable<MemorySegment> taker, Giver giver) throws Exception {
        MemorySegment[][] cells = new MemorySegment[CELLS][HANDFUL];
        // The two counters are kept apart, since each is written by one thread.
        AtomicInteger[] counters = new AtomicInteger[64];
        Arrays.setAll(counters, place -> new AtomicInteger());
        AtomicInteger filled = counters[0];
        AtomicInteger emptied = counters[63];
        Work take = times -> {
            for (int handful = 0; handful < times / HANDFUL; handful++) {
                int number = filled.getPlain();
                for (int tries = 0; number - emptied.getAcquire() >= CELLS; tries++) {
                    pause(tries);
                }
                MemorySegment[] cell = cells[Math.floorMod(number, CELLS)];
                int tries = 0;
                for (int place = 0; place < HANDFUL; ) {
                    cell[place] = taker.call();
                    if (cell[place] != null) {
                        place++;
                    } else {
                        // All are on their way back.
                        pause(tries++);
                    }
                }
                filled.setRelease(number + 1);
            }
        };
        Work give = times -> {
            for (int handful = 0; handful < times / HANDFUL; handful++) {
                int number = emptied.getPlain();
                for (int tries = 0; filled.getAcquire() == number; tries++) {
                    pause(tries);
                }
                for (MemorySegment segment : cells[Math.floorMod(number, CELLS)]) {
                    giver.giveBack(segment);
                }
                emptied.setRelease(number + 1);
            }
        };
        return atOnce(many, List.of(take, give));
    }

    /** Creates a local pool where there are many, and destroys it. */
    private void creation() throws Exception {
        NetworkBufferPool network = new NetworkBufferPool(16384, 512);
        for (int pool = 0; pool < 1000; pool++) {
            network.createBufferPool(2, 64);
        }
        int rounds = 200 / divisor;
        List<Double> times = new ArrayList<>();
        for (int round = 0; round < 2 * rounds; round++) {
            long start = System.nanoTime();
            BufferPool pool = network.createBufferPool(2, 64);
            long end = System.nanoTime();
            pool.lazyDestroy();
            if (round >= rounds) {
                times.add((end - start) / 1e3);
            }
        }
        tell("pools.create", median(times));
        network.destroyAllBufferPools();
        network.destroy();
    }

    private void memoryManager() throws Exception {
        UnsafeMemoryBudget budget = new UnsafeMemoryBudget(1L << 30);
        tell("pools.bytes", alone(many, times -> {
            for (int time = 0; time < times; time++) {
                budget.reserveMemory(SEGMENT_BYTES);
                budget.releaseMemory(SEGMENT_BYTES);
            }
        }));
        MemoryManager manager = MemoryManager.create(256L << 20, SEGMENT_BYTES);
        Object owner = new Object();
        tell("pools.reserve", alone(many, times -> {
            for (int time = 0; time < times; time++) {
                manager.reserveMemory(owner, SEGMENT_BYTES);
                manager.releaseMemory(owner, SEGMENT_BYTES);
            }
        }));
        double pages = alone(50 / divisor, times -> {
            for (int time = 0; time < times; time++) {
                manager.release(manager.allocatePages(owner, 1024));
            }
        });
        tell("pools.pages", pages / 1e3);
    }

    /** Pages without an end: after the last one comes the first. */
    private static final class Round {
        private final MemorySegment[] pages = new MemorySegment[16];
        private int current;

        Round() {
            Arrays.setAll(pages, place -> MemorySegmentFactory.allocateUnpooledOffHeapMemory(SEGMENT_BYTES));
        }

        MemorySegment next() {
            current = (current + 1) % pages.length;
            return pages[current];
        }
    }

    private static final class Output extends AbstractPagedOutputView {
        private final Round round;

        Output(Round round) {
            super(round.next(), SEGMENT_BYTES, 0);
            this.round = round;
        }

        @Override
        protected MemorySegment nextSegment(MemorySegment current, int used) {
            return round.next();
        }
    }

    private static final class Input extends AbstractPagedInputView {
        private final Round round;

        Input(Round round) {
            super(round.next(), SEGMENT_BYTES, 0);
            this.round = round;
        }

        @Override
        protected MemorySegment nextSegment(MemorySegment current) {
            return round.next();
        }

        @Override
        protected int getLimitForSegment(MemorySegment segment) {
            return SEGMENT_BYTES;
        }
    }

    /** Records of 64 bytes: two longs, two integers, and 40 bytes that stand together. */
    private void records() throws Exception {
        byte[] rest = new byte[40];
        Output output = new Output(new Round());
        tell("pools.output", alone(many, times -> {
            for (int time = 0; time < times; time++) {
                output.writeLong(time);
                output.writeInt(time);
                output.write(rest, 0, rest.length);
                output.writeInt(time);
                output.writeLong(time);
            }
        }));
        Input input = new Input(new Round());
        tell("pools.input", alone(many, times -> {
            long read = 0;
            for (int time = 0; time < times; time++) {
                read += input.readLong();
                read += input.readInt();
                input.readFully(rest, 0, rest.length);
                read += input.readInt();
                read += input.readLong();
            }
            sum = read;
        }));
    }

    /** What a read takes through segments of both kinds in turns, over what it takes through those of one kind. */
    private void turns() throws Exception {
        MemorySegment[] heap = new MemorySegment[64];
        MemorySegment[] direct = new MemorySegment[64];
        MemorySegment[] both = new MemorySegment[64];
        for (int place = 0; place < both.length; place++) {
            heap[place] = MemorySegmentFactory.allocateUnpooledSegment(SEGMENT_BYTES);
            direct[place] = MemorySegmentFactory.allocateUnpooledOffHeapMemory(SEGMENT_BYTES);
            both[place] = place % 2 == 0 ? heap[place] : direct[place];
        }
        double oneKind = (reading(heap) + reading(direct)) / 2;
        tell("pools.turns", reading(both) / oneKind);
    }

    private double reading(MemorySegment[] segments) throws Exception {
        return alone(many, times -> {
            long read = 0;
            for (int time = 0; time < times; time++) {
                read += segments[time % segments.length].getLong(time * 8 % SEGMENT_BYTES);
            }
            sum = read;
        });
    }

    /** The constructor of the first pool of 2 GiB in this process, what it needs beside the segments, and a second pool. */
    private void networkPool() throws Exception {
        int segments = (int) ((2L << 30) / SEGMENT_BYTES / divisor);
        for (String figure : new String[] {"pools.network", "again"}) {
            long before = usedHeap();
            long start = System.nanoTime();
            NetworkBufferPool network = new NetworkBufferPool(segments, SEGMENT_BYTES);
            tell(figure, (System.nanoTime() - start) / 1e6);
            if (figure.equals("pools.network")) {
                tell("pools.beside", 100.0 * (usedHeap() - before) / ((double) segments * SEGMENT_BYTES));
            }
            sum += network.getNumberOfAvailableMemorySegments();
            network.destroy();
        }
    }

    /** After the collector has had its time, with which direct memory goes too. */
    private static long usedHeap() throws InterruptedException {
        for (int time = 0; time < 3; time++) {
            System.gc();
            Thread.sleep(50);
        }
        Runtime runtime = Runtime.getRuntime();
        return runtime.totalMemory() - runtime.freeMemory();
    }
}
