"""The bodies of the records of scopes and of spans.

Spans lie as the store has them in memory, trace by trace, with what its indexes need as arrays of numbers: a reader
decodes no span, and its work is per trace and not per span.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Sequence

from devenv.backend.storage.framing import Damaged
from devenv.backend.storage.packing import BodyReader, check_positions, equal_slices, words
from devenv.backend.store.additions import BatchAddition, OperationMembers, Pieces
from devenv.backend.store.scopes import Key
from devenv.otlp.batches import Batch

# Scope; bytes of the sets of services; numbers of traces, operations, and of the three lists of positions.
_HEAD = struct.Struct("<7I")
# Length of the name, kinds, members.
_OPERATION = struct.Struct("<3I")
_SCOPE = struct.Struct("<5I")
_ID = 16


def encode_scope(number: int, key: Key) -> list[bytes]:
    """Return the body, in parts, of the record that gives a scope its number in this segment."""
    return [_SCOPE.pack(number, *map(len, key)), *key]


def decode_scope(reader: BodyReader) -> tuple[int, Batch]:
    """Return the number of a scope and a batch of it without spans.

    Raises:
        Damaged: If it is not such a record.
    """
    number, *sizes = reader.unpack(_SCOPE)
    resource, resource_url, scope, scope_url = (reader.take(size) for size in sizes)
    return number, Batch(resource, resource_url, scope, scope_url, [])


def encode_spans(scope: int, addition: BatchAddition, payloads: Sequence[bytes]) -> list[bytes]:
    """Return the body, in parts, of the record of an addition, with the spans of its traces."""
    operations = addition.operations
    sets = json.dumps(addition.sets).encode()
    lists = (addition.joined, addition.continued, addition.truncated)
    return [
        _HEAD.pack(scope, len(sets), len(addition.ids), len(operations), *map(len, lists)),
        sets,
        *addition.ids,
        words("I", list(map(len, payloads))),
        words("I", addition.counts),
        words("I", addition.services),
        words("Q", addition.starts),
        words("Q", addition.ends),
        words("Q", addition.longest),
        *(words("I", each) for each in lists),
        *(_OPERATION.pack(len(each.name), each.kinds, len(each.members)) for each in operations),
        *(each.name for each in operations),
        *(words("I", each.members) for each in operations),
        *payloads,
    ]


def decode_spans(reader: BodyReader) -> tuple[int, BatchAddition, Pieces]:
    """Return the number of the scope, the addition, and the spans of its traces.

    Raises:
        Damaged: If it is not such a record.
    """
    scope, size, count, operations, *lengths = reader.unpack(_HEAD)
    sets = decode_sets(reader.take(size))
    ids = equal_slices(reader.take(count * _ID), _ID)
    sizes, counts, services = (reader.words("I", count) for _ in range(3))
    starts, ends, longest = (reader.words("Q", count) for _ in range(3))
    joined, continued, truncated = (reader.words("I", length) for length in lengths)
    heads = [reader.unpack(_OPERATION) for _ in range(operations)]
    names = [reader.take(size) for size, _, _ in heads]
    members = [
        OperationMembers(name, kinds, reader.words("I", size))
        for name, (_, kinds, size) in zip(names, heads, strict=True)
    ]
    pieces = reader.pieces(sizes)
    for positions in (joined, continued, truncated, *(each.members for each in members)):
        check_positions(positions, count)
    check_positions(services, len(sets))
    addition = BatchAddition(ids, counts, starts, ends, longest, services, sets, members, joined, continued, truncated)
    return scope, addition, pieces


def decode_sets(encoded: bytes) -> list[tuple[str, ...]]:
    """Return sets of services from JSON.

    Raises:
        Damaged: If it is not that.
    """
    try:
        sets = json.loads(encoded)
    except ValueError as error:
        raise Damaged("the services are not JSON") from error
    if not isinstance(sets, list):
        raise Damaged("the services are not a list")
    found = [tuple(names) for names in sets if names and all(isinstance(name, str) for name in names)]
    if len(found) != len(sets):
        raise Damaged("a trace without a service")
    return found
