"""Constant-arrival-rate load: schedule, client, recorder, runs, and the account of every request's trace."""
