"""Runs a plan on an engine: the executor, the calls of its steps, events and results."""
