"""Tests of the service; they need pytest and httpx beside what the service itself needs."""
