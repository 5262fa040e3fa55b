"""The web frameworks and their clients that have hooks of their own, one module each."""
