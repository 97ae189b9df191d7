// Answers questions about memory with real Flink, one JSON object a line: on standard input the questions, on
// standard output the answers, in the same order and in the form of tests/data/flink/*.jsonl.
//
// Nothing here is compiled against Flink: one compiled program asks whatever release is on the class path, from
// 1.9 to 2.3, and what differs between releases is found by reflection. A line {"time": N} times the derivation
// of the TaskManager questions asked so far, N rounds over all of them, in process and warm.
package answers;

import com.google.gson.Gson;
import com.google.gson.GsonBuilder;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;

import java.io.BufferedReader;
import java.io.FileDescriptor;
import java.io.FileInputStream;
import java.io.FileOutputStream;
import java.io.InputStreamReader;
import java.io.OutputStreamWriter;
import java.io.PrintWriter;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

final class Main {
    private static final Gson JSON = new GsonBuilder().serializeNulls().disableHtmlEscaping().create();

    /** How deep a chain of causes is told. */
    private static final int CAUSES = 8;

    public static void main(String[] arguments) throws Exception {
        // Whatever Flink or a library prints must not come between the answers.
        System.setOut(System.err);
        Logs.capture();
        BufferedReader questions =
                new BufferedReader(new InputStreamReader(new FileInputStream(FileDescriptor.in), StandardCharsets.UTF_8));
        PrintWriter answers =
                new PrintWriter(new OutputStreamWriter(new FileOutputStream(FileDescriptor.out), StandardCharsets.UTF_8), false);
        String line;
        while ((line = questions.readLine()) != null) {
            JsonObject question = JsonParser.parseString(line).getAsJsonObject();
            answers.println(JSON.toJson(question.has("time") ? Timing.measure(question.get("time").getAsInt()) : answer(question)));
            if (!questions.ready()) {
                answers.flush();
            }
        }
        answers.flush();
    }

    private static Map<String, Object> answer(JsonObject question) {
        Map<String, Object> answer = new LinkedHashMap<>();
        Logs.begin();
        try {
            answer.put("result", result(question));
        } catch (Throwable thrown) {
            // The recorded answers of 1.9 leave the causes out.
            boolean isLegacy = question.has("totalMB") || question.has("heapBytes");
            answer.put("error", isLegacy ? described(thrown) : error(thrown));
        }
        answer.put("logs", Logs.end());
        return answer;
    }

    private static Map<String, Object> result(JsonObject question) throws Throwable {
        if (question.has("op")) {
            return Auxiliary.result(question);
        }
        Object configuration = Flink.configuration(question.getAsJsonObject("config"));
        String mode = question.get("mode").getAsString();
        switch (mode) {
            case "container":
            case "java":
            case "runtime":
                return Legacy.result(mode, question, configuration);
            default:
        }
        Environment.set(question.getAsJsonObject("env"));
        try {
            boolean kubernetes = mode.equals("kubernetes");
            if (question.get("role").getAsString().equals("jobmanager")) {
                return JobManager.result(configuration, kubernetes);
            }
            Timing.remember(configuration, kubernetes, question.has("env"));
            return TaskManager.result(configuration, kubernetes);
        } finally {
            Environment.set(null);
        }
    }

    static Map<String, Object> error(Throwable thrown) {
        Map<String, Object> error = described(thrown);
        List<Object> causes = new ArrayList<>();
        for (Throwable cause = thrown.getCause(); cause != null && causes.size() < CAUSES; cause = cause.getCause()) {
            causes.add(described(cause));
        }
        error.put("causes", causes);
        return error;
    }

    private static Map<String, Object> described(Throwable thrown) {
        Map<String, Object> described = new LinkedHashMap<>();
        described.put("class", thrown.getClass().getName());
        described.put("message", thrown.getMessage());
        return described;
    }
}
