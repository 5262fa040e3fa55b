"""Sends the requests of a run on schedule and records each one."""
