"""What the trace backend keeps on disk: a journal of what its store adds, read again at the next start."""
