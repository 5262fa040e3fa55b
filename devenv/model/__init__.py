"""Frozen values shared by all layers: the stack, observed state, plan, spans, runs and the JSON contract."""
