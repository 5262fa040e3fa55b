"""Whether tracing itself is sound: the Instrumentation Score, and devenv's own findings beside it."""
