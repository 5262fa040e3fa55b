"""A tracer provider that does as little as possible on the request's path."""
