// Exchanges values with another implementation of Flink's paged views. Arguments, as often as wanted: a directory; the
// size of a page; the length of its header. In the directory lie "values", one a line; "pages" and "spill", where the
// other side wrote them. Reads both through Flink's views and compares each value; then writes the values to
// "flink-pages" and "flink-spill".
//
// A file of pages holds for each page its used bytes, header included, as 4 bytes big-endian, and then the whole page.
import java.io.BufferedInputStream;
import java.io.BufferedOutputStream;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.EOFException;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import org.apache.flink.core.memory.DataInputView;
import org.apache.flink.core.memory.DataOutputView;
import org.apache.flink.core.memory.MemorySegment;
import org.apache.flink.core.memory.MemorySegmentFactory;
import org.apache.flink.runtime.io.disk.iomanager.ChannelReaderInputView;
import org.apache.flink.runtime.io.disk.iomanager.ChannelWriterOutputView;
import org.apache.flink.runtime.io.disk.iomanager.FileIOChannel;
import org.apache.flink.runtime.io.disk.iomanager.IOManagerAsync;
import org.apache.flink.runtime.memory.AbstractPagedInputView;
import org.apache.flink.runtime.memory.AbstractPagedOutputView;

public class FlinkPages {
    public static void main(String[] arguments) throws Exception {
        for (int at = 0; at < arguments.length; at += 3) {
            exchange(
                    Path.of(arguments[at]),
                    Integer.parseInt(arguments[at + 1]),
                    Integer.parseInt(arguments[at + 2]));
        }
    }

    private static void exchange(Path directory, int size, int header) throws Exception {
        List<String> values = Files.readAllLines(directory.resolve("values"), StandardCharsets.US_ASCII);

        Input input = new Input(directory.resolve("pages"), size, header);
        compare(input, values);

        Output output = new Output(size, header);
        for (String value : values) {
            write(output, value);
        }
        output.save(directory.resolve("flink-pages"));

        spill(directory, size, values);
    }

    private static void spill(Path directory, int size, List<String> values) throws Exception {
        try (IOManagerAsync manager = new IOManagerAsync(directory.toString())) {
            // The manager chooses the names of its files.
            FileIOChannel.ID channel = manager.createChannel();
            Files.copy(directory.resolve("spill"), Path.of(channel.getPath()));
            ChannelReaderInputView reader =
                    new ChannelReaderInputView(manager.createBlockChannelReader(channel), segments(size), true);
            compare(reader, values);
            reader.close();

            channel = manager.createChannel();
            ChannelWriterOutputView writer =
                    new ChannelWriterOutputView(manager.createBlockChannelWriter(channel), segments(size), size);
            for (String value : values) {
                write(writer, value);
            }
            writer.close();
            Files.copy(Path.of(channel.getPath()), directory.resolve("flink-spill"));
        }
    }

    private static List<MemorySegment> segments(int size) {
        List<MemorySegment> segments = new ArrayList<>();
        for (int segment = 0; segment < 2; segment++) {
            segments.add(MemorySegmentFactory.allocateUnpooledSegment(size));
        }
        return segments;
    }

    private static void compare(DataInputView view, List<String> values) throws IOException {
        int line = 0;
        for (String expected : values) {
            line++;
            String read = read(view, expected);
            if (!read.equals(expected)) {
                throw new IllegalStateException("value " + line + ": expected " + expected + ", read " + read);
            }
        }
        try {
            view.readByte();
        } catch (EOFException end) {
            return;
        }
        throw new IllegalStateException("there is something behind the last value");
    }

    private static void write(DataOutputView view, String value) throws IOException {
        String[] words = value.split(" ", 2);
        String text = words[1];
        switch (words[0]) {
            case "bool" -> view.writeBoolean(text.equals("true"));
            case "u8", "i8" -> view.writeByte(Integer.parseInt(text));
            case "u16" -> view.writeChar(Integer.parseInt(text));
            case "i16" -> view.writeShort(Integer.parseInt(text));
            case "i32" -> view.writeInt(Integer.parseInt(text));
            case "i64" -> view.writeLong(Long.parseLong(text));
            case "f32" -> view.writeFloat(Float.intBitsToFloat(Integer.parseUnsignedInt(text, 16)));
            case "f64" -> view.writeDouble(Double.longBitsToDouble(Long.parseUnsignedLong(text, 16)));
            case "bytes" -> view.write(HexFormat.of().parseHex(text));
            case "utf" -> view.writeUTF(text(text));
            case "line" -> view.writeBytes(text(text) + "\n");
            case "skip" -> view.skipBytesToWrite(Integer.parseInt(text));
            default -> throw new IllegalArgumentException(value);
        }
    }

    private static String read(DataInputView view, String expected) throws IOException {
        String[] words = expected.split(" ", 2);
        String kind = words[0];
        return kind + " " + switch (kind) {
            case "bool" -> view.readBoolean();
            case "u8" -> view.readUnsignedByte();
            case "i8" -> view.readByte();
            case "u16" -> (int) view.readChar();
            case "i16" -> view.readShort();
            case "i32" -> view.readInt();
            case "i64" -> view.readLong();
            case "f32" -> String.format("%08x", Float.floatToRawIntBits(view.readFloat()));
            case "f64" -> String.format("%016x", Double.doubleToRawLongBits(view.readDouble()));
            case "bytes" -> {
                byte[] bytes = new byte[words[1].length() / 2];
                view.readFully(bytes);
                yield HexFormat.of().formatHex(bytes);
            }
            case "utf" -> units(view.readUTF());
            case "line" -> units(view.readLine());
            case "skip" -> {
                view.skipBytesToRead(Integer.parseInt(words[1]));
                yield words[1];
            }
            default -> throw new IllegalArgumentException(expected);
        };
    }

    // A text of UTF-16 units, each as 4 hexadecimal digits.
    private static String text(String units) {
        StringBuilder text = new StringBuilder();
        for (int at = 0; at < units.length(); at += 4) {
            text.append((char) Integer.parseInt(units.substring(at, at + 4), 16));
        }
        return text.toString();
    }

    private static String units(String text) {
        StringBuilder units = new StringBuilder();
        for (char unit : text.toCharArray()) {
            units.append(String.format("%04x", (int) unit));
        }
        return units.toString();
    }

    private static final class Input extends AbstractPagedInputView {
        private final List<MemorySegment> pages = new ArrayList<>();
        private final List<Integer> limits = new ArrayList<>();
        private int current;

        Input(Path file, int size, int header) throws IOException {
            super(header);
            try (DataInputStream stream = new DataInputStream(new BufferedInputStream(Files.newInputStream(file)))) {
                while (stream.available() > 0) {
                    limits.add(stream.readInt());
                    pages.add(MemorySegmentFactory.wrap(stream.readNBytes(size)));
                }
            }
            seekInput(pages.get(0), header, limits.get(0));
        }

        @Override
        protected MemorySegment nextSegment(MemorySegment segment) throws EOFException {
            if (current + 1 == pages.size()) {
                throw new EOFException();
            }
            return pages.get(++current);
        }

        @Override
        protected int getLimitForSegment(MemorySegment segment) {
            return limits.get(current);
        }
    }

    private static final class Output extends AbstractPagedOutputView {
        private final List<MemorySegment> pages = new ArrayList<>();
        private final List<Integer> used = new ArrayList<>();

        Output(int size, int header) {
            super(MemorySegmentFactory.allocateUnpooledSegment(size), size, header);
        }

        @Override
        protected MemorySegment nextSegment(MemorySegment segment, int position) {
            pages.add(segment);
            used.add(position);
            return MemorySegmentFactory.allocateUnpooledSegment(getSegmentSize());
        }

        void save(Path file) throws IOException {
            nextSegment(getCurrentSegment(), getCurrentPositionInSegment());
            try (DataOutputStream stream = new DataOutputStream(new BufferedOutputStream(Files.newOutputStream(file)))) {
                for (int page = 0; page < pages.size(); page++) {
                    stream.writeInt(used.get(page));
                    stream.write(pages.get(page).getArray());
                }
            }
        }
    }
}
