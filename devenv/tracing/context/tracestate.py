"""`tracestate` by W3C Trace Context Level 2 (https://www.w3.org/TR/trace-context-2/#tracestate-header).

OpenTelemetry's own class reads keys by Level 1's grammar, where a key such as `1rojo` or `a@b@c` is not allowed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from opentelemetry.trace.span import TraceState

MEMBERS = 32
_KEY = r"[a-z0-9][a-z0-9_\-*/@]{0,255}"
_VALUE = r"[\x20-\x2b\x2d-\x3c\x3e-\x7e]{0,255}[\x21-\x2b\x2d-\x3c\x3e-\x7e]"
_is_key = re.compile(_KEY).fullmatch
_is_value = re.compile(_VALUE).fullmatch
_member = re.compile(f"({_KEY})=({_VALUE})").fullmatch


class LevelTwoState(TraceState):
    """An immutable list of members, the most recent first; each change returns a new one."""

    def __init__(self, entries: Sequence[tuple[str, str]] | None = None) -> None:
        super().__init__()
        for key, value in entries or ():
            if len(self._dict) < MEMBERS and key not in self._dict and _valid(key, value):
                self._dict[key] = value

    def add(self, key: str, value: str) -> TraceState:
        """Return a copy with a new first member; unchanged if it is invalid or its key already exists."""
        return self if key in self._dict else self.update(key, value)

    def update(self, key: str, value: str) -> TraceState:
        """Return a copy with a new or changed first member; if the list is full, the last one is removed."""
        if not _valid(key, value):
            return self
        others = [item for item in self._dict.items() if item[0] != key]
        return LevelTwoState([(key, value), *others[: MEMBERS - 1]])

    def delete(self, key: str) -> TraceState:
        """Return a copy without a member."""
        if key not in self._dict:
            return self
        return LevelTwoState([item for item in self._dict.items() if item[0] != key])

    @classmethod
    def from_header(cls, header_list: Iterable[str]) -> TraceState:
        """Read one or more header fields; an invalid list returns an empty state."""
        return parse(header_list) or cls()


def parse(headers: Iterable[str]) -> LevelTwoState | None:
    """Return the state of the combined header fields (RFC 9110, 5.3), in order.

    Empty members are skipped; if a key is repeated, the first member, which is the most recent, is kept.

    Returns:
        The state; None if it is invalid: a member violates the grammar, or there are more than 32.
    """
    found: dict[str, str] = {}
    count = 0
    for member in ",".join(headers).split(","):
        trimmed = member.lstrip(" \t").rstrip(" \t")
        if not trimmed:
            continue
        match = _member(trimmed)
        count += 1
        if match is None or count > MEMBERS:
            return None
        found.setdefault(match[1], match[2])
    return LevelTwoState(list(found.items())) if found else None


def _valid(key: object, value: object) -> bool:
    return isinstance(key, str) and isinstance(value, str) and bool(_is_key(key) and _is_value(value))
