"""The process: its resource attributes, its exit, and replaced functions."""
