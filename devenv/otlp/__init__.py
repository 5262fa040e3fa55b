"""OTLP: messages, wire format and JSON."""
