"""Filters of traces: a tree of conditions on spans and whole traces, its two forms, and its evaluation."""
