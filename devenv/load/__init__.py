"""Constant-arrival-rate load: schedule, client, recorder, runs, and the verification of every request's trace."""
