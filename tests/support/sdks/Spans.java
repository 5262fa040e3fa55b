import static io.opentelemetry.javaagent.shaded.io.opentelemetry.api.common.AttributeKey.*;

import io.opentelemetry.javaagent.shaded.io.opentelemetry.api.GlobalOpenTelemetry;
import io.opentelemetry.javaagent.shaded.io.opentelemetry.api.common.*;
import io.opentelemetry.javaagent.shaded.io.opentelemetry.api.trace.*;
import io.opentelemetry.javaagent.shaded.io.opentelemetry.context.Context;
import java.time.Instant;
import java.util.List;
import java.util.Map;

/** Makes the spans of spans.py with the API that OpenTelemetry's agent of Java has, and prints their IDs. */
public class Spans {
    static Instant at(long offset) {
        return Instant.ofEpochSecond(1_700_000_000L, 123_456_789 + offset);
    }

    static Attributes values() {
        return Attributes.builder()
            .put(stringKey("text"), "größe ☃ 😀 \"<&>\"").put(stringKey("empty"), "")
            .put(booleanKey("yes"), true).put(booleanKey("no"), false)
            .put(longKey("zero"), 0L).put(longKey("beyond"), (1L << 53) + 1).put(longKey("least"), Long.MIN_VALUE)
            .put(doubleKey("part"), 0.1).put(doubleKey("small"), Double.MIN_VALUE).put(doubleKey("whole"), 2.0)
            .put(stringArrayKey("texts"), List.of("a", "", "ü")).put(booleanArrayKey("flags"), List.of(true, false))
            .put(longArrayKey("numbers"), List.of(1L, (1L << 53) + 1))
            .put(doubleArrayKey("parts"), List.of(1.5, -2.25)).put(stringArrayKey("nothing"), List.of())
            .put(stringKey("long"), "x".repeat(5000))
            .put(valueKey("bytes"), Value.of(new byte[] {0, -1, -128, 'a'}))
            .put(valueKey("no bytes"), Value.of(new byte[0])).put(valueKey("null"), Value.empty())
            .put(valueKey("map"), Value.of(Map.of("b", Value.of(1), "", Value.of(Map.of()))))
            .put(valueKey("mixed"), Value.of(Value.of(1), Value.of("<a>"), Value.of(true), Value.empty(),
                Value.of(new byte[] {-1}), Value.of(Value.of(0.5))))
            .put(stringKey(""), "a key is never empty").build();
    }

    static SpanContext remote(String trace, String span, TraceState state) {
        return SpanContext.createFromRemoteParent(trace, span, TraceFlags.getSampled(), state);
    }

    public static void main(String[] arguments) throws Exception {
        Tracer tracer = GlobalOpenTelemetry.get().getTracerProvider().tracerBuilder("a.library")
            .setInstrumentationVersion("1.2.3").build();
        // A trace state begins with what was put last.
        TraceState state = TraceState.builder().put("other", "a:b").put("vendor", "1").build();
        SpanContext parent = remote("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331", state);
        Span root = tracer.spanBuilder("root").setParent(Context.root().with(Span.wrap(parent)))
            .setSpanKind(SpanKind.SERVER).setAllAttributes(values()).setStartTimestamp(at(0)).startSpan();
        Context within = Context.root().with(root);
        TraceState linked = TraceState.builder().put("l", "1").build();
        Span child = tracer.spanBuilder("größe").setParent(within).setSpanKind(SpanKind.CLIENT)
            .setStartTimestamp(at(1_000_001))
            .addLink(remote("0102030405060708090a0b0c0d0e0f10", "1112131415161718", linked), values())
            .addLink(remote("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331", TraceState.getDefault()))
            .startSpan();
        child.addEvent("first", values(), at(1_500_001));
        child.addEvent("größe", at(1_600_002));
        child.setStatus(StatusCode.ERROR, "warum ☃");
        child.end(at(2_000_002));
        StringBuilder ids = new StringBuilder("{\"root\":\"" + root.getSpanContext().getSpanId() + "\"");
        ids.append(",\"gr\\u00f6\\u00dfe\":\"" + child.getSpanContext().getSpanId() + "\"");
        for (SpanKind kind : List.of(SpanKind.INTERNAL, SpanKind.PRODUCER, SpanKind.CONSUMER)) {
            String name = kind.name().toLowerCase();
            Span span = tracer.spanBuilder(name).setParent(within).setSpanKind(kind)
                .setStartTimestamp(at(3_000_003)).startSpan();
            if (kind == SpanKind.PRODUCER) {
                span.setStatus(StatusCode.OK);
            }
            span.end(at(3_000_004));
            ids.append(",\"" + name + "\":\"" + span.getSpanContext().getSpanId() + "\"");
        }
        Span empty = GlobalOpenTelemetry.getTracer("").spanBuilder("").setParent(within)
            .setStartTimestamp(at(3_000_003)).startSpan();
        empty.addEvent("", at(3_000_003));
        empty.end(at(3_000_004));
        // The SDK gives it a name.
        ids.append(",\"<unspecified span name>\":\"" + empty.getSpanContext().getSpanId() + "\"");
        root.end(at(9_999_999));
        System.out.println(ids.append("}"));
    }
}
