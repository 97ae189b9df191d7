// Runs sequences of steps through released Flink's own pools: on standard input one step a line, on standard output one
// line for each, with what came of the step and every figure afterwards. `e2e/src/pool_diff` writes the steps, and
// runs the same ones through ours.
//
// A sequence begins with a step that makes a pool (`network`, `manager`), and ends where the next one begins.
package pools;

import java.io.BufferedReader;
import java.io.FileDescriptor;
import java.io.FileInputStream;
import java.io.FileOutputStream;
import java.io.InputStreamReader;
import java.io.OutputStreamWriter;
import java.io.PrintWriter;
import java.nio.charset.StandardCharsets;

final class Main {
    public static void main(String[] arguments) throws Exception {
        // Whatever Flink or a library prints must not come between the answers.
        System.setOut(System.err);
        BufferedReader steps =
                new BufferedReader(new InputStreamReader(new FileInputStream(FileDescriptor.in), StandardCharsets.UTF_8));
        PrintWriter answers =
                new PrintWriter(new OutputStreamWriter(new FileOutputStream(FileDescriptor.out), StandardCharsets.UTF_8), false);
        Sequence sequence = null;
        String line;
        while ((line = steps.readLine()) != null) {
            Step step = Step.parse(line);
            String outcome;
            try {
                switch (step.name) {
                    case "network":
                        sequence = new NetworkSequence(step);
                        outcome = "ok";
                        break;
                    case "manager":
                        ManagerSequence manager = new ManagerSequence(step);
                        sequence = manager;
                        outcome = manager.isRefused() ? "argument" : "ok";
                        break;
                    default:
                        outcome = sequence.run(step);
                }
            } catch (Throwable thrown) {
                outcome = Errors.described(thrown);
            }
            answers.println(outcome + sequence.figures());
            if (!steps.ready()) {
                answers.flush();
            }
        }
        answers.flush();
    }
}
