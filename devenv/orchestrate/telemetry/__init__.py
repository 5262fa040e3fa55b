"""The telemetry that a stack has of its own: what it is, and how devenv's trace backend stands beside it."""
