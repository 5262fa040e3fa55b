"""Use cases for load runs."""
