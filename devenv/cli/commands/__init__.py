"""Commands by theme; each parses, builds options, calls a use case and renders its result."""
