"""OTLP over gRPC: the port, and the server behind it that starts with the first client."""
