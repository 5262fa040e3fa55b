"""Comparison of traces."""
