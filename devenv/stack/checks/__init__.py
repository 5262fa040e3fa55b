"""Checks that need the whole merged stack: references, conflicts and the tracing setup."""
