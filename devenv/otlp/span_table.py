"""Many encoded spans, decoded by one call into C: each field is a column with one entry per span.

Protobuf reads n spans put together as one message whose fields are repeated. It does not tell which entry belongs to
which span, and encoders omit zeros. So marks are put after each span: one entry in each field, with random contents
that no sender knows. Zeros are marks too where all spans have a field that is not zero, and take half the time.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, TypeVar

from google.protobuf.message import DecodeError

from devenv.immutable import immutable
from devenv.otlp import messages
from devenv.otlp.wire import bytes_field, fixed64_field, varint, varint_field

T = TypeVar("T")

MARK = os.urandom(16)
"""Ends the attributes of a span."""
_NUMBER = int.from_bytes(os.urandom(8), "little") | 1
_SMALL = _NUMBER & 0x7FFFFFFF
_ZEROS = b"".join(
    [
        bytes_field(2, b""),
        bytes_field(4, MARK),
        bytes_field(5, b""),
        varint_field(6, 0),
        fixed64_field(7, 0),
        fixed64_field(8, 0),
        bytes_field(9, MARK),
        varint(16 << 3 | 5) + bytes(4),
    ]
)
_MARKS = bytes_field(4, MARK) + bytes_field(9, MARK)
_MARKS = b"".join(
    [
        *(bytes_field(number, MARK) for number in (2, 3, 4, 5, 9, 11, 13, 15)),
        varint_field(6, _SMALL),
        fixed64_field(7, _NUMBER),
        fixed64_field(8, _NUMBER),
        varint(16 << 3 | 5) + _SMALL.to_bytes(4, "little"),
    ]
)


@immutable()
class SpanTable:
    """n spans, field by field; times in ns.

    Attributes:
        attributes: encoded, those of all spans, with ``MARK`` after each span's.
        rare: the positions of spans that have more than these fields: a trace state, a status, events or links.
        dropped: whether one of the spans counts dropped attributes, events or links.
    """

    span_ids: list[bytes]
    parents: list[bytes]
    names: list[bytes]
    kinds: list[int]
    starts: list[int]
    ends: list[int]
    flags: list[int]
    attributes: list[bytes]
    rare: frozenset[int]
    dropped: bool


class _Misread(ValueError):
    """The columns do not have one mark per span."""


def span_table(payloads: Sequence[bytes]) -> SpanTable | None:
    """Return encoded spans as a table; ``None`` if one of them is not readable by itself."""
    try:
        return _usual(payloads) or _read(payloads)
    except (DecodeError, _Misread):
        return None


def _usual(payloads: Sequence[bytes]) -> SpanTable | None:
    """Return spans that have an ID, a name, a kind and times each, and nothing rare; ``None`` if they do not."""
    found = messages.MarkedSpans.FromString(_ZEROS.join([*payloads, b""]))
    if found.trace_state or found.events or found.links or any(found.status):
        return None
    if found.dropped_attributes or found.dropped_events or found.dropped_links:
        return None
    count = len(payloads)
    none = [0] * count
    ids, names = _between(found.span_id, [b""] * count), _between(found.name, [b""] * count)
    kinds, starts, ends = _between(found.kind, none), _between(found.start, none), _between(found.end, none)
    flags = none if len(found.flags) == count else _between(found.flags, none)
    attributes = found.attributes[:]
    if not (ids and names and kinds and starts and ends and flags) or attributes.count(MARK) != count:
        return None
    parents = _column(found.parent_span_id, [MARK] * count, b"")
    return SpanTable(ids, parents, names, kinds, starts, ends, flags, attributes, frozenset(), dropped=False)


def _between(field: Any, zeros: list[T]) -> list[T]:
    """One entry per span, with zeros as marks; empty if a span has none, several or a zero."""
    entries: list[T] = field[:]
    # As many of each, in turn: then no zero is an entry.
    if len(entries) != 2 * len(zeros) or entries[1::2] != zeros or not all(found := entries[::2]):
        return []
    return found


def _read(payloads: Sequence[bytes]) -> SpanTable:
    found = messages.MarkedSpans.FromString(_MARKS.join([*payloads, b""]))
    count = len(payloads)
    marks = [MARK] * count
    small, large = [_SMALL] * count, [_NUMBER] * count
    attributes = found.attributes[:]
    if attributes.count(MARK) != count:
        raise _Misread
    rare = {
        position
        for column in (found.trace_state, found.events, found.links, found.status)
        if (entries := column[:]) != marks
        for position in _holders(entries, count)
    }
    dropped = any(map(any, (found.dropped_attributes, found.dropped_events, found.dropped_links)))
    return SpanTable(
        _column(found.span_id, marks, b""),
        _column(found.parent_span_id, marks, b""),
        _column(found.name, marks, b""),
        _column(found.kind, small, 0),
        _column(found.start, large, 0),
        _column(found.end, large, 0),
        _column(found.flags, small, 0),
        attributes,
        frozenset(rare),
        dropped,
    )


def _column(field: Any, marks: list[T], default: T) -> list[T]:
    """One entry per span: of a field that occurs twice, the last one counts."""
    entries: list[T] = field[:]
    if len(entries) == 2 * len(marks) and entries[1::2] == marks:  # all spans have it
        return entries[::2]
    if entries == marks:  # none has it
        return [default] * len(marks)
    mark = marks[0]
    found = []
    last = default
    for entry in entries:
        if entry == mark:
            found.append(last)
            last = default
        else:
            last = entry
    if len(found) != len(marks):
        raise _Misread
    return found


def _holders(entries: list[bytes], count: int) -> set[int]:
    """The positions of the spans that have an entry with contents: SDKs write an empty status."""
    found = set()
    position = 0
    for entry in entries:
        if entry == MARK:
            position += 1
        elif entry:
            found.add(position)
    if position != count:
        raise _Misread
    return found
