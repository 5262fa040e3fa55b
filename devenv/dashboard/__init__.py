"""The web pages over what the backend holds."""

from devenv.dashboard.pages import page_routes

__all__ = ["page_routes"]
