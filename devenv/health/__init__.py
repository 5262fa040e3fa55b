"""Readiness: probes and the waiter. Import the entry points from :mod:`devenv.health.waiter`."""
