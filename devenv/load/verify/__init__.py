"""Verification of a run: look up its requests in the trace backend and assign each one a class."""
