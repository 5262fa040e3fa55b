"""Sending the requests of a run on schedule, and recording each one."""
