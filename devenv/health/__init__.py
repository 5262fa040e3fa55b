"""Readiness: probes, and the waiter, whose entry points are in :mod:`devenv.health.waiter`."""
