"""Use cases, one module per command: they return documents and emit events; they print nothing."""
