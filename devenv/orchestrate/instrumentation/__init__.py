"""Tracing put into services from outside: which service is what, and what is added to it."""
