// The errors of Flink's pools by class, with the numbers in their messages.
package pools;

import org.apache.flink.runtime.execution.CancelTaskException;
import org.apache.flink.runtime.memory.MemoryAllocationException;
import org.apache.flink.runtime.memory.MemoryReservationException;

import java.util.regex.Matcher;
import java.util.regex.Pattern;

final class Errors {
    private static final Pattern INSUFFICIENT = Pattern.compile(
            "Insufficient number of network buffers: required (\\d+), but only (\\d+) available.*"
                    + "currently set to (\\d+) of (\\d+) bytes each.*",
            Pattern.DOTALL);
    private static final Pattern PAGES = Pattern.compile("Could not allocate (\\d+) pages");
    private static final Pattern RESERVATION =
            Pattern.compile("Could not allocate (\\d+) bytes, only (\\d+) bytes are remaining.*", Pattern.DOTALL);

    static String described(Throwable thrown) {
        String message = String.valueOf(thrown.getMessage());
        for (Throwable cause = thrown; cause != null; cause = cause.getCause()) {
            if (cause instanceof InterruptedException) {
                return "interrupted";
            }
        }
        if (thrown instanceof CancelTaskException) {
            return "cancelled";
        }
        if (thrown instanceof IllegalArgumentException) {
            return "argument";
        }
        if (thrown instanceof IllegalStateException) {
            return "state";
        }
        if (thrown instanceof MemoryAllocationException) {
            Matcher pages = PAGES.matcher(message);
            String cause = thrown.getCause() == null ? "" : " cause=(" + described(thrown.getCause()) + ")";
            return pages.matches() ? "allocation pages=" + pages.group(1) + cause : "allocation" + cause;
        }
        Matcher reservation = RESERVATION.matcher(message);
        if (thrown instanceof MemoryReservationException && reservation.matches()) {
            return "reservation wanted=" + reservation.group(1) + " available=" + reservation.group(2);
        }
        Matcher insufficient = INSUFFICIENT.matcher(message);
        if (insufficient.matches()) {
            return "insufficient required=" + insufficient.group(1) + " available=" + insufficient.group(2) + " total="
                    + insufficient.group(3) + " bytes=" + insufficient.group(4);
        }
        return (thrown.getClass().getName() + ": " + message).replace('\n', ' ');
    }
}
