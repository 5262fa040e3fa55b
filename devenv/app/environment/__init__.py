"""Use cases for an environment: start it, inspect it, stop it."""
