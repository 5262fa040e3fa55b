"""A stack's own telemetry: what it is, and how its spans get to devenv's trace backend, too."""
