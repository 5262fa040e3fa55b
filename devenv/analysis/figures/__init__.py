"""Figures from spans: self time, time on the critical path, and rate, errors and durations by operation."""
