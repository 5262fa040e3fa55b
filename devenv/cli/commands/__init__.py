"""Commands by theme; each one parses, builds options, calls a use case and renders its result."""
