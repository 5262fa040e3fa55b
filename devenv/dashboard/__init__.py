"""Web pages over a source of traces."""

from devenv.dashboard.pages import page_routes

__all__ = ["page_routes"]
