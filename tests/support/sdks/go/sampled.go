package main

import (
	"context"
	"encoding/json"
	"os"
	"time"

	"go.opentelemetry.io/contrib/samplers/jaegerremote"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// sampled makes spans of these names with the sampler that polls, which OTEL_TRACES_SAMPLER_ARG describes, and prints
// how many of each name were recorded; the first span that is recorded shows that the sampler has its strategy.
func sampled(ctx context.Context, names []string) {
	sampler := jaegerremote.New(os.Getenv("OTEL_SERVICE_NAME"))
	provider := sdk.NewTracerProvider(sdk.WithSampler(sdk.ParentBased(sampler)), sdk.WithBatcher(exporter(ctx)))
	tracer := provider.Tracer("a.library")
	recorded := func(name string) bool {
		_, span := tracer.Start(ctx, name, trace.WithNewRoot())
		defer span.End()
		return span.IsRecording()
	}
	for deadline := time.Now().Add(20 * time.Second); !recorded(names[0]) && time.Now().Before(deadline); {
		time.Sleep(20 * time.Millisecond)
	}
	counts := map[string]int{}
	for _, name := range names {
		for range 200 {
			if recorded(name) {
				counts[name]++
			}
		}
	}
	check(provider.Shutdown(ctx))
	check(json.NewEncoder(os.Stdout).Encode(counts))
}
