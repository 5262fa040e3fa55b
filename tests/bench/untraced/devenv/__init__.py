"""Stands in for devenv where `overhead.py` measures the sample's services with no tracing in them."""
