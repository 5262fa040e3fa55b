"""Traces in memory, the indexes over them and what is evicted."""
