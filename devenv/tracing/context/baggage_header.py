"""W3C Baggage (https://www.w3.org/TR/baggage/): parsing, formatting, and unchanged propagation."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from urllib.parse import quote, unquote

from opentelemetry import baggage
from opentelemetry.context import Context

MAX_BYTES = 8192
MAX_MEMBERS = 180

# The context's key of the baggage, found through the public API.
BAGGAGE_KEY: str = next(iter(baggage.set_baggage("k", "v", Context())))

_TOKEN = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"  # noqa: S105 - the grammar's token
_OCTETS = r"[\x21\x23-\x2b\x2d-\x3a\x3c-\x5b\x5d-\x7e]*"
_PROPERTY = rf"[ \t]*;[ \t]*{_TOKEN}(?:[ \t]*=[ \t]*{_OCTETS})?"
_member = re.compile(rf"({_TOKEN})[ \t]*=[ \t]*({_OCTETS})((?:{_PROPERTY})*)").fullmatch
_SAFE = "!#$&'()*+-./:<=>?@[]^_`{|}~"


class Received(dict[str, object]):
    """Baggage as received, with its header: unless it is changed, the header is propagated as it is.

    Attributes:
        header: The valid members, properties included.
    """

    __slots__ = ("header",)

    def __init__(self, entries: Mapping[str, object], header: str) -> None:
        super().__init__(entries)
        self.header = header


def parse(headers: Iterable[str]) -> Received | None:
    """Read the combined header fields; members that violate the grammar or the limits are left out.

    Returns:
        The percent-decoded entries; None if no valid member is left.
    """
    entries: dict[str, object] = {}
    kept: list[str] = []
    size = 0
    for part in ",".join(headers).split(","):
        member = part.strip(" \t")
        match = _member(member) if member else None
        if match is None:
            continue
        size += len(member) + 1
        if size - 1 > MAX_BYTES or len(kept) >= MAX_MEMBERS:
            break
        value = match[2]
        entries[match[1]] = unquote(value) if "%" in value else value
        kept.append(member)
    return Received(entries, ",".join(kept)) if kept else None


def format_header(entries: Mapping[str, object]) -> str:
    """Return the header of baggage entries; the header of unchanged received baggage stays as it is.

    Names that are not tokens, and members beyond the limits, are left out.
    """
    if isinstance(entries, Received):
        return entries.header
    members: list[str] = []
    size = 0
    for key, value in entries.items():
        if not re.fullmatch(_TOKEN, str(key)):
            continue
        encoded = quote(str(value), safe=_SAFE, errors="replace")
        member = f"{key}={encoded}"
        size += len(member) + 1
        if size - 1 > MAX_BYTES or len(members) >= MAX_MEMBERS:
            break
        members.append(member)
    return ",".join(members)
