package main

import (
	"bufio"
	"context"
	"encoding/json"
	"os"
	"time"

	"go.opentelemetry.io/contrib/samplers/jaegerremote"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// sampled has the sampler that polls, as OTEL_TRACES_SAMPLER_ARG describes it. For each line of its input, a name, it
// waits until a span of that name is recorded, and prints how many of each of these names are.
func sampled(ctx context.Context, names []string) {
	sampler := jaegerremote.New(os.Getenv("OTEL_SERVICE_NAME"))
	provider := sdk.NewTracerProvider(sdk.WithSampler(sdk.ParentBased(sampler)), sdk.WithBatcher(exporter(ctx)))
	tracer := provider.Tracer("a.library")
	recorded := func(name string) bool {
		_, span := tracer.Start(ctx, name, trace.WithNewRoot())
		defer span.End()
		return span.IsRecording()
	}
	for input := bufio.NewScanner(os.Stdin); input.Scan(); {
		deadline := time.Now().Add(20 * time.Second)
		for !recorded(input.Text()) && time.Now().Before(deadline) {
			time.Sleep(20 * time.Millisecond)
		}
		counts := map[string]int{}
		for _, name := range names {
			counts[name] = 0
			for range 200 {
				if recorded(name) {
					counts[name]++
				}
			}
		}
		check(json.NewEncoder(os.Stdout).Encode(counts))
	}
	check(provider.Shutdown(ctx))
}
