"""The entry point: a reverse proxy to the other services, and two routes that combine them."""
