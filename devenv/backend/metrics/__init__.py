"""Metrics: the newest value and the last 15 minutes of each series, within a number of series."""
