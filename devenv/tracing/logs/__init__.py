"""Export of log records by OTLP, off unless OTEL_LOGS_EXPORTER asks for it."""
