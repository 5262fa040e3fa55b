"""What each server is asked, and the answers of the applications: the same for every framework."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from opentelemetry import trace

CALLER = "b7ad6b7169203331"
TRACE = "0af7651916cd43dd8448eb211c80319c"
HOST = "shop.test"
CLIENT = ("10.0.0.1", 40000)
SERVER = ("10.0.0.2", 8000)


@dataclass(frozen=True)
class Situation:
    """One request. `leaves`: the client goes after the first part of the body."""

    path: str
    query: str = ""
    method: str = "GET"
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    websocket: bool = False
    leaves: bool = False

    def fields(self) -> dict[str, str]:
        """All header fields, with lowercase names."""
        length = {"content-length": str(len(self.body))} if self.body else {}
        return {"host": HOST, "user-agent": "agent/1", **length, **self.headers}


SITUATIONS: Mapping[str, Situation] = {
    "200 below a caller": Situation("/ok", headers={"traceparent": f"00-{TRACE}-{CALLER}-01"}),
    "404": Situation("/nowhere"),
    "500 by an exception": Situation("/fails"),
    "403 by the framework's exception": Situation("/refused"),
    "503 without an exception": Situation("/busy"),
    "redirect": Situation("/moved"),
    "stream": Situation("/streamed"),
    "disconnect in a stream": Situation("/endless", leaves=True),
    "websocket": Situation("/ws", websocket=True),
    "background task": Situation("/background"),
    "sub-application": Situation("/below/inner/7"),
    "middleware that fails": Situation("/middleware"),
    "path and query parameters": Situation("/items/7", "page=2&page=3"),
    "secrets": Situation("/ok", "page=1&token=abc&X-Amz-Signature=abc", headers={"authorization": "Bearer abc"}),
    "upload": Situation("/upload", method="POST", body=b"x" * 100_000),
    "unknown method": Situation("/ok", method="BREW"),
}


def work(name: str = "work") -> object:
    """Return a block with a span of the program's own, by OpenTelemetry's interface."""
    return trace.get_tracer("app").start_as_current_span(name)


def broken() -> None:
    """Fail as a program does.

    Raises:
        ValueError: Always.
    """
    raise ValueError("broken on purpose")
