"""A lightweight tracer provider that does most of its work off the request path."""
