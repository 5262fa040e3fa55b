"""The bodies of the records of scopes and of spans.

Spans lie as the store has them in memory, trace by trace, with what its indexes need as arrays of numbers: a reader
decodes no span, and its work is per trace and not per span.
"""

from __future__ import annotations

import json
import struct
import sys
from array import array
from collections.abc import Sequence
from itertools import accumulate, pairwise

from devenv.backend.storage.framing import Damaged
from devenv.backend.store.additions import BatchAddition, OperationMembers
from devenv.backend.store.scopes import Key
from devenv.otlp.batches import Batch

# Scope; bytes of the sets of services; numbers of traces, operations, and of the three lists of positions.
_HEAD = struct.Struct("<7I")
# Length of the name, kinds, members.
_OPERATION = struct.Struct("<3I")
_SCOPE = struct.Struct("<5I")
_ID = 16
_SWAPPED = sys.byteorder == "big"


def encode_scope(number: int, key: Key) -> list[bytes]:
    """Return the body, in parts, of the record that gives a scope its number in this segment."""
    return [_SCOPE.pack(number, *map(len, key)), *key]


def decode_scope(body: memoryview) -> tuple[int, Batch]:
    """Return the number of a scope and a batch of it without spans.

    Raises:
        Damaged: If it is not such a record.
    """
    reader = _Reader(body)
    number, *sizes = reader.unpack(_SCOPE)
    resource, resource_url, scope, scope_url = (bytes(reader.take(size)) for size in sizes)
    return number, Batch(resource, resource_url, scope, scope_url, [])


def encode_spans(scope: int, addition: BatchAddition) -> list[bytes]:
    """Return the body, in parts, of the record of an addition."""
    operations = addition.operations
    sets = json.dumps(addition.sets).encode()
    lists = (addition.joined, addition.continued, addition.truncated)
    return [
        _HEAD.pack(scope, len(sets), len(addition.ids), len(operations), *map(len, lists)),
        sets,
        *addition.ids,
        _words("I", list(map(len, addition.payloads))),
        _words("I", addition.counts),
        _words("I", addition.services),
        _words("Q", addition.starts),
        _words("Q", addition.ends),
        _words("Q", addition.longest),
        *(_words("I", each) for each in lists),
        *(_OPERATION.pack(len(each.name), each.kinds, len(each.members)) for each in operations),
        *(each.name for each in operations),
        *(_words("I", each.members) for each in operations),
        *addition.payloads,
    ]


def decode_spans(body: memoryview) -> tuple[int, BatchAddition]:
    """Return the number of the scope and the addition.

    Raises:
        Damaged: If it is not such a record.
    """
    reader = _Reader(body)
    scope, size, count, operations, *lengths = reader.unpack(_HEAD)
    sets = _sets(bytes(reader.take(size)))
    joined_ids = bytes(reader.take(count * _ID))
    ids = [joined_ids[at : at + _ID] for at in range(0, len(joined_ids), _ID)]
    sizes, counts, services = (reader.words("I", count) for _ in range(3))
    starts, ends, longest = (reader.words("Q", count) for _ in range(3))
    joined, continued, truncated = (reader.words("I", length) for length in lengths)
    heads = [reader.unpack(_OPERATION) for _ in range(operations)]
    names = [bytes(reader.take(size)) for size, _, _ in heads]
    members = [
        OperationMembers(name, kinds, reader.words("I", size))
        for name, (_, kinds, size) in zip(names, heads, strict=True)
    ]
    payloads = _slices(reader.rest(), sizes)
    for positions in (joined, continued, truncated, *(each.members for each in members)):
        _check(positions, count)
    _check(services, len(sets))
    return scope, BatchAddition(
        ids, payloads, counts, starts, ends, longest, services, sets, members, joined, continued, truncated
    )


def _check(positions: Sequence[int], count: int) -> None:
    if positions and max(positions) >= count:
        raise Damaged("a position beyond its list")


def _sets(encoded: bytes) -> list[tuple[str, ...]]:
    try:
        sets = json.loads(encoded)
    except ValueError as error:
        raise Damaged("the services are not JSON") from error
    found = [tuple(names) for names in sets if names and all(isinstance(name, str) for name in names)]
    if len(found) != len(sets):
        raise Damaged("a trace without a service")
    return found


def _slices(content: bytes, sizes: Sequence[int]) -> list[bytes]:
    ends = list(accumulate(sizes, initial=0))
    if ends[-1] != len(content):
        raise Damaged("spans of another length")
    return [content[begin:end] for begin, end in pairwise(ends)]


def _words(code: str, numbers: Sequence[int]) -> bytes:
    words = array(code, numbers)
    if _SWAPPED:
        words.byteswap()
    return words.tobytes()


class _Reader:
    """Takes pieces off a record's body, none beyond its end."""

    def __init__(self, body: memoryview) -> None:
        self._body = body
        self._at = 0

    def take(self, size: int) -> memoryview:
        begin, self._at = self._at, self._at + size
        if self._at > len(self._body):
            raise Damaged("shorter than it says")
        return self._body[begin : self._at]

    def unpack(self, shape: struct.Struct) -> tuple[int, ...]:
        return shape.unpack(self.take(shape.size))

    def words(self, code: str, count: int) -> list[int]:
        words = array(code)
        words.frombytes(self.take(count * words.itemsize))
        if _SWAPPED:
            words.byteswap()
        return words.tolist()

    def rest(self) -> bytes:
        return bytes(self.take(len(self._body) - self._at))
