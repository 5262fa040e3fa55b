"""The file of a checkpoint: one record, whose body says for which segment it is.

The segment stays the truth: without its checkpoint, or with one that is damaged, it is read instead.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator, Sequence
from mmap import mmap

from devenv.backend.storage.framing import HEAD_BYTES, Damaged, framed, records
from devenv.backend.storage.packing import BodyReader, check_positions, equal_slices, words
from devenv.backend.storage.span_records import decode_sets
from devenv.backend.store.additions import OperationMembers
from devenv.backend.store.checkpoints import Block, Checkpoint, LatePart, ServiceEntries
from devenv.backend.store.packs import AVAILABLE
from devenv.backend.store.scopes import Key
from devenv.immutable import immutable

CHECKPOINT = b"C"
VERSION = 1
"""To be raised if the body changes: a checkpoint of another version is left out."""
_VERSION = struct.Struct("<I")
# After the version: number and size of the segment, place of its last record, what follows the scopes' last number;
# numbers of scopes, bytes of sets, own traces, traces, truncated ones, services, late parts, blocks, places of records
# of logs.
_HEAD = struct.Struct("<IQQI9I")
# Number, length of each part of the key, spans.
_SCOPE = struct.Struct("<6I")
# Length of the name, traces, operations.
_SERVICE = struct.Struct("<3I")
# Length of the name, kinds, members.
_OPERATION = struct.Struct("<3I")
# Trace, scope, spans, bytes.
_LATE = struct.Struct("<4I")
# Whether it is compressed, bytes, members.
_BLOCK = struct.Struct("<3I")
_ID = 16
_MOST_SCOPES = 1 << 31


@immutable()
class SegmentEnd:
    """What tells a segment from another one: its number, its size, and the place and the head of its last record.

    ``logs`` has the places of the records that are needed for log records.
    """

    number: int
    size: int
    last: int
    head: bytes
    logs: Sequence[int]


def encode(end: SegmentEnd, found: Checkpoint) -> bytes:
    """Return the content of a file."""
    sets = json.dumps(found.sets).encode()
    scopes, entries, blocks = found.scopes, found.entries, found.blocks
    following = max((number + 1 for number, _, _ in scopes), default=0)
    lists = (found.truncated, entries, found.late, blocks, end.logs)
    numbers = (len(scopes), len(sets), found.own, len(found.ids), *map(len, lists))
    parts = [
        _VERSION.pack(VERSION),
        _HEAD.pack(end.number, end.size, end.last, following, *numbers),
        end.head,
        words("I", end.logs),
        sets,
        *(_SCOPE.pack(number, *map(len, key), spans) for number, key, spans in scopes),
        *(part for _, key, _ in scopes for part in key),
        *found.ids,
        words("Q", found.starts),
        words("Q", found.ends),
        words("Q", found.longest),
        words("I", found.spans),
        words("I", found.services),
        words("I", found.truncated),
    ]
    for each in entries:
        name = each.name.encode("utf-8", "surrogatepass")
        parts += [_SERVICE.pack(len(name), len(each.joined), len(each.operations)), name, words("I", each.joined)]
        for operation in each.operations:
            parts.append(_OPERATION.pack(len(operation.name), operation.kinds, len(operation.members)))
            parts += [operation.name, words("I", operation.members)]
    parts += [_LATE.pack(late.trace, late.scope, late.count, len(late.payload)) for late in found.late]
    parts += [late.payload for late in found.late]
    parts += [_BLOCK.pack(block.compressed, len(block.content), len(block.members)) for block in blocks]
    parts += [words("I", block.members) + words("I", block.sizes) for block in blocks]
    parts += [block.content for block in blocks]
    return framed(CHECKPOINT, parts)


class UnusableHereError(ValueError):
    """A checkpoint of another version of devenv, or one that needs a library that is not installed."""


class CheckpointReader:
    """The content of a file, checked.

    Args:
        content: is read until :meth:`checkpoint` has returned.

    Attributes:
        end: of the segment.
        following: the number after those of its scopes.

    Raises:
        Damaged: If it is not that of a checkpoint.
        UnusableHereError: If it is that of another version.
    """

    def __init__(self, content: bytes | mmap) -> None:
        found = list(records(content))
        if len(found) != 1 or found[0].kind != CHECKPOINT:
            raise Damaged("not one record")
        self._reader = reader = BodyReader(content, found[0].begin, found[0].end)
        (version,) = reader.unpack(_VERSION)
        if version != VERSION:
            raise UnusableHereError(f"version {version}")
        number, size, last, self.following, *self._numbers = reader.unpack(_HEAD)
        if self.following > _MOST_SCOPES:
            raise Damaged("numbers of scopes beyond all")
        head = reader.take(HEAD_BYTES)
        self.end = SegmentEnd(number, size, last, head, reader.words("I", self._numbers[-1]))

    def checkpoint(self) -> Checkpoint:
        """Return it.

        Raises:
            Damaged: If its parts do not fit each other.
            UnusableHereError: If its blocks cannot be opened.
        """
        reader = self._reader
        scopes, size, own, count, truncated, services, late, blocks, _ = self._numbers
        sets = decode_sets(reader.take(size))
        found = Checkpoint(
            scopes=list(self._scopes(scopes)),
            sets=sets,
            own=own,
            ids=equal_slices(reader.take(count * _ID), _ID),
            starts=reader.words("Q", count),
            ends=reader.words("Q", count),
            longest=reader.words("Q", count),
            spans=reader.words("I", count),
            services=reader.words("I", count),
            truncated=reader.words("I", truncated),
            entries=[self._entries() for _ in range(services)],
            late=list(self._late(late)),
            blocks=list(self._blocks(blocks)),
        )
        if reader.left:
            raise Damaged("longer than it says")
        _check(found)
        if not AVAILABLE and any(block.compressed for block in found.blocks):
            raise UnusableHereError("compressed")
        return found

    def _scopes(self, count: int) -> Iterator[tuple[int, Key, int]]:
        take = self._reader.take
        heads = [self._reader.unpack(_SCOPE) for _ in range(count)]
        if len({number for number, *_ in heads}) < count:
            raise Damaged("two scopes of one number")
        for number, resource, resource_url, scope, scope_url, spans in heads:
            if number >= self.following:
                raise Damaged("a scope beyond the last one")
            yield number, (take(resource), take(resource_url), take(scope), take(scope_url)), spans

    def _entries(self) -> ServiceEntries:
        reader = self._reader
        size, joined, operations = reader.unpack(_SERVICE)
        name, traces = _name(reader.take(size)), reader.words("I", joined)
        found = []
        for _ in range(operations):
            size, kinds, members = reader.unpack(_OPERATION)
            found.append(OperationMembers(reader.take(size), kinds, reader.words("I", members)))
        return ServiceEntries(name, traces, found)

    def _late(self, count: int) -> Iterator[LatePart]:
        heads = [self._reader.unpack(_LATE) for _ in range(count)]
        for trace, scope, spans, size in heads:
            yield LatePart(trace, scope, spans, self._reader.take(size))

    def _blocks(self, count: int) -> Iterator[Block]:
        reader = self._reader
        heads = [reader.unpack(_BLOCK) for _ in range(count)]
        lists = [(reader.words("I", members), reader.words("I", members)) for _, _, members in heads]
        for (compressed, size, _), (members, sizes) in zip(heads, lists, strict=True):
            yield Block(bool(compressed), reader.take(size), members, sizes)


def _check(found: Checkpoint) -> None:
    own, count = found.own, len(found.ids)
    if own > count or len(set(found.ids)) < count:
        raise Damaged("a trace twice")
    check_positions(found.services, len(found.sets))
    check_positions(found.truncated, count)
    for each in found.entries:
        check_positions(each.joined, count)
        for operation in each.operations:
            check_positions(operation.members, count)
    for late in found.late:
        if not own <= late.trace < count or late.scope >= len(found.scopes):
            raise Damaged("late spans of another trace")
    stored = [at for block in found.blocks for at in block.members]
    check_positions(stored, own)
    if len(stored) != own or len(set(stored)) != own or not all(len(block.members) for block in found.blocks):
        raise Damaged("a trace that is not in one block")
    for block in found.blocks:
        if not block.compressed and sum(block.sizes) != len(block.content):
            raise Damaged("a block of another length")


def _name(encoded: bytes) -> str:
    try:
        return encoded.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError as error:
        raise Damaged("a service's name is not text") from error
