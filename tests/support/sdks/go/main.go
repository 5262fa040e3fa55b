// Makes the spans of tests/support/sdks/spans.py with OpenTelemetry's SDK of Go, exports them by the environment's
// settings, and prints their IDs.
package main

import (
	"context"
	"encoding/json"
	"log"
	"os"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

const start = 1_700_000_000_123_456_789

func at(offset int64) time.Time { return time.Unix(0, start+offset) }

func values() []attribute.KeyValue {
	return []attribute.KeyValue{
		attribute.String("text", "größe ☃ 😀 \"<&>\""),
		attribute.String("empty", ""),
		attribute.Bool("yes", true),
		attribute.Bool("no", false),
		attribute.Int64("zero", 0),
		attribute.Int64("beyond", 1<<53+1),
		attribute.Int64("least", -1<<63),
		attribute.Float64("part", 0.1),
		attribute.Float64("small", 5e-324),
		attribute.Float64("whole", 2),
		attribute.StringSlice("texts", []string{"a", "", "ü"}),
		attribute.BoolSlice("flags", []bool{true, false}),
		attribute.Int64Slice("numbers", []int64{1, 1<<53 + 1}),
		attribute.Float64Slice("parts", []float64{1.5, -2.25}),
		attribute.StringSlice("nothing", []string{}),
		attribute.String("long", long()),
		attribute.ByteSlice("bytes", []byte("\x00\xff\x80a")),
		attribute.ByteSlice("no bytes", []byte{}),
		attribute.KeyValue{Key: "null"},
		attribute.Slice("mixed", attribute.Int64Value(1), attribute.StringValue("<a>"), attribute.BoolValue(true),
			attribute.Value{}, attribute.ByteSliceValue([]byte("\xff")), attribute.SliceValue(attribute.Float64Value(0.5))),
		attribute.String("", "a key is never empty"),
	}
}

func long() string {
	text := make([]byte, 5000)
	for i := range text {
		text[i] = 'x'
	}
	return string(text)
}

func remote(traceID string, spanID string, state string) trace.SpanContext {
	one, err := trace.TraceIDFromHex(traceID)
	check(err)
	other, err := trace.SpanIDFromHex(spanID)
	check(err)
	parsed, err := trace.ParseTraceState(state)
	check(err)
	return trace.NewSpanContext(trace.SpanContextConfig{
		TraceID: one, SpanID: other, TraceState: parsed, TraceFlags: trace.FlagsSampled, Remote: true,
	})
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func exporter(ctx context.Context) *otlptrace.Exporter {
	var client otlptrace.Client
	if os.Getenv("OTEL_EXPORTER_OTLP_PROTOCOL") == "grpc" {
		client = otlptracegrpc.NewClient()
	} else {
		client = otlptracehttp.NewClient()
	}
	made, err := otlptrace.New(ctx, client)
	check(err)
	return made
}

func main() {
	ctx := context.Background()
	if len(os.Args) > 1 {
		sampled(ctx, os.Args[1:])
		return
	}
	provider := sdk.NewTracerProvider(sdk.WithBatcher(exporter(ctx)))
	tracer := provider.Tracer("a.library", trace.WithInstrumentationVersion("1.2.3"))
	ids := map[string]string{}
	parent := remote("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331", "vendor=1,other=a:b")
	under := trace.ContextWithRemoteSpanContext(ctx, parent)

	rootContext, root := tracer.Start(under, "root", trace.WithSpanKind(trace.SpanKindServer),
		trace.WithTimestamp(at(0)), trace.WithAttributes(values()...))
	_, child := tracer.Start(rootContext, "größe", trace.WithSpanKind(trace.SpanKindClient),
		trace.WithTimestamp(at(1_000_001)), trace.WithLinks(
			trace.Link{SpanContext: remote("0102030405060708090a0b0c0d0e0f10", "1112131415161718", "l=1"), Attributes: values()},
			trace.Link{SpanContext: remote("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331", "")}))
	child.AddEvent("first", trace.WithTimestamp(at(1_500_001)), trace.WithAttributes(values()...))
	child.AddEvent("größe", trace.WithTimestamp(at(1_600_002)))
	child.SetStatus(codes.Error, "warum ☃")
	child.End(trace.WithTimestamp(at(2_000_002)))
	ids["größe"] = child.SpanContext().SpanID().String()
	for number, kind := range []trace.SpanKind{trace.SpanKindInternal, trace.SpanKindProducer, trace.SpanKindConsumer} {
		name := []string{"internal", "producer", "consumer"}[number]
		_, span := tracer.Start(rootContext, name, trace.WithSpanKind(kind), trace.WithTimestamp(at(3_000_003)))
		if name == "producer" {
			span.SetStatus(codes.Ok, "")
		}
		span.End(trace.WithTimestamp(at(3_000_004)))
		ids[name] = span.SpanContext().SpanID().String()
	}
	_, empty := provider.Tracer("").Start(rootContext, "", trace.WithTimestamp(at(3_000_003)))
	empty.AddEvent("", trace.WithTimestamp(at(3_000_003)))
	empty.End(trace.WithTimestamp(at(3_000_004)))
	ids[""] = empty.SpanContext().SpanID().String()
	root.End(trace.WithTimestamp(at(9_999_999)))
	ids["root"] = root.SpanContext().SpanID().String()
	check(provider.Shutdown(ctx))
	check(json.NewEncoder(os.Stdout).Encode(ids))
}
