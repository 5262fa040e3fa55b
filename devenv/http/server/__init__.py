"""A small HTTP/1.1 server on asyncio and httptools: shared by the receiver, the query APIs and the pages."""

from devenv.http.server.capacity import Capacity
from devenv.http.server.guard import Guard
from devenv.http.server.limits import Limits
from devenv.http.server.listener import Listener
from devenv.http.server.message import Handler, HttpRequest, Response
from devenv.http.server.router import Route, Router

__all__ = ["Capacity", "Guard", "Handler", "HttpRequest", "Limits", "Listener", "Response", "Route", "Router"]
