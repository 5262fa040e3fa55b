"""Observe, plan, apply: from a stack and an engine to a running project, and back to nothing."""
