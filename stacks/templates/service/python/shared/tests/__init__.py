"""Tests of the service; they need pytest and httpx in addition to the service's packages."""
