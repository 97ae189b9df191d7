// Asks GlobalConfiguration what it makes of texts. Argument: the name of the file. Standard input: the texts in
// base64, one a line. Prints for each text a line: "=", and then its options sorted by key, each as " KEY:VALUE" in
// base64; or "!", and the class of the innermost cause.
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Base64;
import java.util.Map;
import java.util.Scanner;
import java.util.TreeMap;
import org.apache.flink.configuration.GlobalConfiguration;

public class FlinkConfiguration {
    public static void main(String[] arguments) throws Exception {
        Path directory = Files.createTempDirectory("flink-configuration");
        Path file = directory.resolve(arguments[0]);
        Scanner lines = new Scanner(System.in, StandardCharsets.US_ASCII);
        while (lines.hasNextLine()) {
            Files.write(file, Base64.getDecoder().decode(lines.nextLine()));
            StringBuilder answer = new StringBuilder();
            try {
                Map<String, String> options = GlobalConfiguration.loadConfiguration(directory.toString()).toMap();
                answer.append('=');
                for (Map.Entry<String, String> option : new TreeMap<>(options).entrySet()) {
                    answer.append(' ').append(encoded(option.getKey())).append(':').append(encoded(option.getValue()));
                }
            } catch (Throwable thrown) {
                Throwable cause = thrown;
                while (cause.getCause() != null) {
                    cause = cause.getCause();
                }
                answer.setLength(0);
                answer.append('!').append(cause.getClass().getName());
            }
            System.out.println(answer);
        }
        Files.deleteIfExists(file);
        Files.delete(directory);
    }

    private static String encoded(String text) {
        return Base64.getEncoder().encodeToString(text.getBytes(StandardCharsets.UTF_8));
    }
}
