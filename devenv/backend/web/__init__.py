"""A small HTTP/1.1 server on asyncio and httptools: what the receiver, the query APIs and the pages share."""

from devenv.backend.web.guard import Guard
from devenv.backend.web.listener import Limits, Listener
from devenv.backend.web.message import Handler, Request, Response
from devenv.backend.web.router import Route, Router

__all__ = ["Guard", "Handler", "Limits", "Listener", "Request", "Response", "Route", "Router"]
