"""The head of a response as a client reads it, and the rule for the end of its body."""

from __future__ import annotations

from collections.abc import Mapping

from devenv.immutable import immutable


class NotHttp(ValueError):
    """The bytes are not the head of an HTTP response; the message is the first line."""


@immutable()
class ResponseHead:
    """Status line and headers.

    Attributes:
        status: the status code.
        reason: the rest of the status line, the code included, such as ``404 Not Found``.
        headers: by lowercase name; of a repeated header, the last value.
    """

    status: int
    reason: str
    headers: Mapping[str, str]

    @classmethod
    def parse(cls, head: bytes) -> ResponseHead:
        """Parse a head. Bytes after its empty line are ignored, and so are interim responses (status 1xx) before it.

        Raises:
            NotHttp: If the first line is not a status line.
        """
        head = head.lstrip(b"\r\n")  # RFC 9112, 2.2
        while True:
            lines, _, rest = head.partition(b"\r\n\r\n")
            found = cls._parse_one(lines.decode("latin-1"))
            if found.status >= 200 or not rest:
                return found
            head = rest

    @classmethod
    def _parse_one(cls, lines: str) -> ResponseHead:
        status_line, *fields = lines.split("\r\n")
        version, _, reason = status_line.partition(" ")
        code = reason[:3]
        if not version.startswith("HTTP/") or not (code.isascii() and code.isdigit()):
            raise NotHttp(status_line)
        pairs = (field.partition(":") for field in fields)
        return cls(int(code), reason, {name.strip().lower(): value.strip() for name, _, value in pairs})

    @property
    def content_length(self) -> int | None:
        """The stated length of the body in bytes; ``None`` if there is none, or one that is not a number."""
        value = self.headers.get("content-length", "")
        return int(value) if value.isascii() and value.isdigit() else None

    @property
    def ends_with_connection(self) -> bool:
        """Whether the head states no length, so that the body ends with the connection (RFC 9112, 6.3)."""
        return "content-length" not in self.headers and "transfer-encoding" not in self.headers
