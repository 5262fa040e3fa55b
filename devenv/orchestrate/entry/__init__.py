"""Which service of a stack is its entry point."""
