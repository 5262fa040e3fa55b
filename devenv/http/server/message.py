"""Requests and responses as values."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

JSON = "application/json"
TEXT = "text/plain; charset=utf-8"
HTML = "text/html; charset=utf-8"

# More parameters than any client of Jaeger sends, repeated traceIDs included; above it, parsing fails.
MAX_PARAMETERS = 20_000


@dataclass(slots=True)
class HttpRequest:
    """One request with its complete body.

    ``path`` is as sent, without decoding; ``headers`` has lowercase names, repeated ones joined by ``, ``.
    """

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes = b""
    arguments: Mapping[str, str] = field(default_factory=dict)
    version: str = "1.1"

    def parameters(self) -> Parameters:
        """Return the decoded query string.

        Raises:
            ValueError: If it has more than ``MAX_PARAMETERS`` fields.
        """
        return Parameters(parse_qsl(self.query, keep_blank_values=True, max_num_fields=MAX_PARAMETERS))


class Parameters:
    """Decoded query parameters; a name may occur several times."""

    def __init__(self, pairs: list[tuple[str, str]]) -> None:
        self._values: dict[str, list[str]] = {}
        for name, value in pairs:
            self._values.setdefault(name, []).append(value)

    def first(self, *names: str) -> str:
        """Return the first non-empty value of the first of ``names`` that has one; empty if none has."""
        return self.named(*names)[1]

    def named(self, *names: str) -> tuple[str, str]:
        """Return the same as :meth:`first`, with the name of the parameter before it."""
        for name in names:
            for value in self._values.get(name, ())[:1]:
                if value:
                    return name, value
        return names[0], ""

    def names(self) -> list[str]:
        """Return the names of all parameters."""
        return list(self._values)

    def every(self, name: str) -> list[str]:
        """Return all values of ``name`` in order."""
        return self._values.get(name, [])


@dataclass(slots=True)
class Response:
    """A response. A body that is not bytes is sent in chunks as the client reads them.

    Between two chunks other connections may be served; an empty chunk is only such a pause.
    """

    status: int = 200
    body: bytes | Iterator[bytes] | AsyncGenerator[bytes] = b""
    content_type: str = JSON
    headers: tuple[tuple[str, str], ...] = ()
    close: bool = False

    @classmethod
    def json(cls, document: Any, status: int = 200) -> Response:
        """Return a response with a JSON document."""
        return cls(status, dumps(document))

    @classmethod
    def text(cls, text: str, status: int = 200) -> Response:
        """Return a response with plain text."""
        return cls(status, text.encode(), TEXT)

    @classmethod
    def html(cls, text: str, status: int = 200, headers: tuple[tuple[str, str], ...] = ()) -> Response:
        """Return a response with an HTML page."""
        return cls(status, text.encode("utf-8", "replace"), HTML, headers)

    @classmethod
    def redirect(cls, location: str) -> Response:
        """Return a redirect to another path of this server."""
        return cls(302, b"", TEXT, (("Location", location),))


Handler = Callable[[HttpRequest], "Response | Awaitable[Response]"]


def dumps(document: Any) -> bytes:
    """Return compact JSON in ASCII, so that a lone surrogate cannot break the encoding."""
    return json.dumps(document, separators=(",", ":")).encode("ascii")


def own_path(target: bytes) -> str:
    """Return the path of a request target, also of one in the absolute form of proxies (RFC 9112, 3.2.2)."""
    if not target.startswith(b"/"):
        target = b"/" + target.partition(b"://")[2].partition(b"/")[2]
    return target.decode("latin-1")
