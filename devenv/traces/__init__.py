"""Clients for the trace backend: Jaeger's two query dialects, and OTLP export of devenv's own spans."""
