"""Use cases, one module a verb: they return documents and emit events, and print nothing."""
