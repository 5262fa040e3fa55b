"""Use cases of traces: the canary, search, exchange, and programs traced into a project."""
