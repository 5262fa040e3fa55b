"""Use cases of an environment: start it, look at it, stop it."""
