"""Duration metrics of requests, calls and statements by OTLP, off unless OTEL_METRICS_EXPORTER asks for them."""
