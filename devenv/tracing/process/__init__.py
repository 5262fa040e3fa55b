"""What belongs to the process: its resource attributes, its end, and replaced functions."""
