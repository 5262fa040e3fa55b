"""Orchestration: observes an engine, plans the steps from state to target, and runs them."""
