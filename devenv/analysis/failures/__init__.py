"""What failed: which span of a trace was the first, and what failed because of it."""
