"""Running an existing program with tracing."""
