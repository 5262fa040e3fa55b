"""Use cases of load runs."""
