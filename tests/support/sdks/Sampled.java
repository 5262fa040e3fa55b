import io.opentelemetry.javaagent.shaded.io.opentelemetry.api.GlobalOpenTelemetry;
import io.opentelemetry.javaagent.shaded.io.opentelemetry.api.trace.*;
import java.io.BufferedReader;
import java.io.InputStreamReader;

/** For each line of its input, a name: waits until a span of that name is recorded, and prints how many of each are. */
public class Sampled {
    static final Tracer TRACER = GlobalOpenTelemetry.getTracer("a.library");

    static boolean recorded(String name) {
        Span span = TRACER.spanBuilder(name).setNoParent().startSpan();
        boolean found = span.isRecording();
        span.end();
        return found;
    }

    public static void main(String[] names) throws Exception {
        BufferedReader input = new BufferedReader(new InputStreamReader(System.in));
        for (String line = input.readLine(); line != null; line = input.readLine()) {
            long deadline = System.nanoTime() + 20_000_000_000L;
            while (!recorded(line) && System.nanoTime() < deadline) {
                Thread.sleep(20);
            }
            StringBuilder counts = new StringBuilder();
            for (String name : names) {
                int count = 0;
                for (int number = 0; number < 200; number++) {
                    count += recorded(name) ? 1 : 0;
                }
                counts.append(counts.length() == 0 ? "" : ",").append("\"" + name + "\":" + count);
            }
            System.out.println("{" + counts + "}");
        }
    }
}
