"""Requests and responses as values."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

JSON = "application/json"
TEXT = "text/plain; charset=utf-8"
HTML = "text/html; charset=utf-8"

# More parameters than any client of Jaeger sends, repeated traceIDs included; beyond it parsing stops with an error.
MAX_PARAMETERS = 20_000


@dataclass(slots=True)
class Request:
    """One request, its body complete.

    ``path`` is as sent, without decoding; ``headers`` has lower-case names, repeated ones joined by ``, ``.
    """

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes = b""
    arguments: Mapping[str, str] = field(default_factory=dict)
    version: str = "1.1"

    def parameters(self) -> Parameters:
        """The query string, decoded.

        Raises:
            ValueError: it has more than ``MAX_PARAMETERS`` fields.
        """
        return Parameters(parse_qsl(self.query, keep_blank_values=True, max_num_fields=MAX_PARAMETERS))


class Parameters:
    """Decoded query parameters; a name may occur several times."""

    def __init__(self, pairs: list[tuple[str, str]]) -> None:
        self._values: dict[str, list[str]] = {}
        for name, value in pairs:
            self._values.setdefault(name, []).append(value)

    def first(self, *names: str) -> str:
        """The first value that is not empty under the first of ``names`` that has one; empty where there is none."""
        return self.named(*names)[1]

    def named(self, *names: str) -> tuple[str, str]:
        """As :meth:`first`, with the name under which the value stood."""
        for name in names:
            for value in self._values.get(name, ())[:1]:
                if value:
                    return name, value
        return names[0], ""

    def every(self, name: str) -> list[str]:
        """All values of ``name`` in order."""
        return self._values.get(name, [])


@dataclass(slots=True)
class Response:
    """What goes back. A body that is an iterator is sent in chunks as the client takes them.

    An empty chunk is a pause: other connections are served before the iterator is asked again.
    """

    status: int = 200
    body: bytes | Iterator[bytes] = b""
    content_type: str = JSON
    headers: tuple[tuple[str, str], ...] = ()
    close: bool = False

    @classmethod
    def json(cls, document: Any, status: int = 200) -> Response:
        """A JSON document in one piece."""
        return cls(status, dumps(document))

    @classmethod
    def text(cls, text: str, status: int = 200) -> Response:
        """Plain text."""
        return cls(status, text.encode(), TEXT)

    @classmethod
    def html(cls, text: str, status: int = 200, headers: tuple[tuple[str, str], ...] = ()) -> Response:
        """A page."""
        return cls(status, text.encode("utf-8", "replace"), HTML, headers)

    @classmethod
    def redirect(cls, location: str) -> Response:
        """Sends the client elsewhere on this server."""
        return cls(302, b"", TEXT, (("Location", location),))


Handler = Callable[[Request], "Response | Awaitable[Response]"]


def dumps(document: Any) -> bytes:
    """JSON in bytes, compact; a lone surrogate can then not break the encoding because all is ASCII."""
    return json.dumps(document, separators=(",", ":")).encode("ascii")
