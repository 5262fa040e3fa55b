"""Accounts on SQLite, and an audit log that a queue writes in the background."""
