"""Jaeger's query APIs, legacy and v3, and devenv's own."""
