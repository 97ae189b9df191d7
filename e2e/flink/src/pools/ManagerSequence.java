// Steps on the memory manager of a slot.
//
// Put right: at a page whose owner has nothing any more, Flink ends a list that is released, clears it, and forgets the
// pages behind.
package pools;

import org.apache.flink.core.memory.MemorySegment;
import org.apache.flink.runtime.memory.MemoryManager;
import org.apache.flink.runtime.memory.OpaqueMemoryResource;
import org.apache.flink.util.function.LongFunctionWithException;

import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

final class ManagerSequence extends Sequence {
    private final MemoryManager manager;
    private final Map<Integer, Owner> owners = new TreeMap<>();
    private final Map<Integer, MemorySegment> pages = new TreeMap<>();
    private final Map<Integer, OpaqueMemoryResource<Handle>> leases = new TreeMap<>();
    private final List<Handle> handles = new ArrayList<>();

    ManagerSequence(Step step) {
        MemoryManager created = null;
        try {
            created = MemoryManager.create(step.bytes("size"), step.number("page"));
        } catch (IllegalArgumentException refused) {
            // Told by the answer.
        }
        manager = created;
    }

    boolean isRefused() {
        return manager == null;
    }

    private static final class Owner {}

    /** A shared resource. */
    private static final class Handle implements AutoCloseable {
        private final long bytes;
        private boolean isClosed;

        Handle(long bytes) {
            this.bytes = bytes;
        }

        @Override
        public void close() {
            isClosed = true;
        }
    }

    private static final class Refused extends Exception {
        private static final long serialVersionUID = 1;
    }

    @Override
    String run(Step step) throws Throwable {
        if (manager == null) {
            return NOTHING;
        }
        try {
            return onManager(step);
        } catch (Refused refused) {
            return "refused";
        }
    }

    private String onManager(Step step) throws Exception {
        switch (step.name) {
            case "allocate":
                return allocate(step);
            case "release":
                MemorySegment page = pages.remove(step.number("page"));
                if (page == null) {
                    return NOTHING;
                }
                boolean isFreed = page.isFreed();
                manager.release(page);
                return isFreed ? "again" : "ok";
            case "release-list":
                return releaseList(step.list("pages"));
            case "release-all":
                manager.releaseAll(owner(step));
                return "ok";
            case "reserve-bytes":
                manager.reserveMemory(owner(step), step.bytes("bytes"));
                return "ok";
            case "release-bytes":
                return releaseBytes(owner(step), step.bytes("bytes"));
            case "release-all-bytes":
                manager.releaseAllMemory(owner(step));
                return "ok";
            case "pages-of":
                return "pages=" + manager.computeNumberOfPages(fraction(step));
            case "bytes-of":
                return "bytes=" + manager.computeMemorySize(fraction(step));
            case "shared":
                return lease(step.number("lease"), handles.size(), manager.getSharedMemoryResourceForManagedMemory(
                        step.text("type"), initializer(step), fraction(step)));
            case "external":
                return lease(step.number("lease"), handles.size(), manager.getExternalSharedMemoryResource(
                        step.text("type"), initializer(step), step.bytes("bytes")));
            case "close":
                OpaqueMemoryResource<Handle> resource = leases.remove(step.number("lease"));
                if (resource == null) {
                    return NOTHING;
                }
                resource.close();
                return resource.getResourceHandle().isClosed ? "closed" : "ok";
            case "shutdown":
                boolean isShutDown = manager.isShutdown();
                manager.shutdown();
                return isShutDown ? "again" : "ok";
            default:
                throw new IllegalArgumentException("no such step: " + step.name);
        }
    }

    private Owner owner(Step step) {
        return owners.computeIfAbsent(step.number("owner"), label -> new Owner());
    }

    private static double fraction(Step step) {
        return Double.parseDouble(step.text("fraction"));
    }

    private String allocate(Step step) throws Exception {
        int next = step.number("page");
        List<MemorySegment> allocated = manager.allocatePages(owner(step), step.number("number"));
        for (MemorySegment page : allocated) {
            pages.put(next++, page);
        }
        return "given=" + allocated.size();
    }

    private String releaseList(List<Integer> labels) {
        List<MemorySegment> list = new ArrayList<>();
        for (Integer label : labels) {
            MemorySegment page = pages.remove(label);
            if (page != null) {
                list.add(page);
            }
        }
        if (list.isEmpty()) {
            return NOTHING;
        }
        List<MemorySegment> all = List.copyOf(list);
        manager.release(list);
        all.forEach(manager::release);
        return "ok left=" + list.size();
    }

    private String releaseBytes(Owner owner, long bytes) {
        Object reserved = ((Map<?, ?>) Reflection.get(manager, "reservedMemory")).get(owner);
        long surplus = bytes - (reserved == null ? 0 : (Long) reserved);
        manager.releaseMemory(owner, bytes);
        // Flink tells its log.
        return surplus > 0 ? "surplus=" + surplus : "ok";
    }

    private LongFunctionWithException<Handle, Exception> initializer(Step step) {
        boolean isRefused = step.text("initializer").equals("refuses");
        return bytes -> {
            if (isRefused) {
                throw new Refused();
            }
            Handle handle = new Handle(bytes);
            handles.add(handle);
            return handle;
        };
    }

    private String lease(int label, int handlesBefore, OpaqueMemoryResource<Handle> resource) {
        leases.put(label, resource);
        int handle = handles.indexOf(resource.getResourceHandle());
        String kind = handle < handlesBefore ? "known" : "opened";
        return kind + " size=" + resource.getSize() + " handle=" + handle;
    }

    @Override
    String figures() {
        if (manager == null) {
            return "; refused";
        }
        StringBuilder text = new StringBuilder();
        text.append("; manager size=").append(manager.getMemorySize());
        text.append(" page=").append(manager.getPageSize());
        text.append(" available=").append(manager.availableMemory());
        text.append(" is-empty=").append(manager.verifyEmpty());
        text.append(" is-shut-down=").append(manager.isShutdown());
        Map<?, ?> allocated = (Map<?, ?>) Reflection.get(manager, "allocatedSegments");
        Map<?, ?> reserved = (Map<?, ?>) Reflection.get(manager, "reservedMemory");
        owners.forEach((label, owner) -> {
            Object segments = allocated.get(owner);
            Object bytes = reserved.get(owner);
            int count = segments == null ? 0 : ((Collection<?>) segments).size();
            if (count > 0 || bytes != null) {
                text.append("; owner ").append(label).append(" pages=").append(count);
                text.append(" reserved=").append(bytes == null ? 0 : bytes);
            }
        });
        pages.forEach((label, page) -> text.append("; page ").append(label).append(" is-freed=").append(page.isFreed()));
        leases.forEach((label, lease) -> text.append("; lease ").append(label).append(" size=").append(lease.getSize()));
        for (int index = 0; index < handles.size(); index++) {
            text.append("; handle ").append(index).append(" bytes=").append(handles.get(index).bytes);
            text.append(" is-closed=").append(handles.get(index).isClosed);
        }
        return text.toString();
    }
}
