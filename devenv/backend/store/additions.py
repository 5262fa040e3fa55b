"""What one batch adds to the store, trace by trace: enough to add it again without decoding a span."""

from __future__ import annotations

from array import array
from collections.abc import Collection, Iterator, Sequence
from mmap import mmap
from typing import Protocol

from devenv.backend.store.records import StoredOperation, StoredService, StoredTrace
from devenv.backend.store.scopes import Scope
from devenv.immutable import immutable

Kept = list[tuple[StoredTrace, bytes, int]]
"""Traces of a batch with their new spans, encoded as in a chunk, and the number of these; 0 if they were rejected."""


@immutable()
class OperationMembers:
    """A span name of a batch: the kinds it has occurred with, as bits, and its traces by their position."""

    name: bytes
    kinds: int
    members: Sequence[int]


@immutable()
class BatchAddition:
    """What a batch adds to the index, by trace; the first six lists have one item per trace. Times in ns.

    Attributes:
        counts: the numbers of spans; 0 if they were rejected.
        starts, ends, longest: of the whole trace as it was then, as in ``StoredTrace``.
        services: the services of the whole trace as it was then, as a position in ``sets``.
        sets: names of services, in the order of their arrival.
        operations: the span names; their traces, and all that follow, are positions in the lists.
        joined: traces that had no span of the scope's service before.
        continued: traces that began in an earlier segment.
        truncated: traces of which spans were rejected.
    """

    ids: Sequence[bytes]
    counts: Sequence[int]
    starts: Sequence[int]
    ends: Sequence[int]
    longest: Sequence[int]
    services: Sequence[int]
    sets: Sequence[tuple[str, ...]]
    operations: Sequence[OperationMembers]
    joined: Sequence[int]
    continued: Sequence[int] = ()
    truncated: Sequence[int] = ()

    def only(self, stay: Sequence[int]) -> BatchAddition:
        """Return the addition with these of its traces."""
        moved = {old: new for new, old in enumerate(stay)}

        def of(found: Sequence[int]) -> list[int]:
            return [moved[at] for at in found if at in moved]

        return BatchAddition(
            [self.ids[at] for at in stay],
            [self.counts[at] for at in stay],
            [self.starts[at] for at in stay],
            [self.ends[at] for at in stay],
            [self.longest[at] for at in stay],
            [self.services[at] for at in stay],
            self.sets,
            [OperationMembers(each.name, each.kinds, of(each.members)) for each in self.operations],
            of(self.joined),
            of(self.continued),
            of(self.truncated),
        )


@immutable()
class Pieces:
    """Pieces of ``content``, cut when they are asked for: so each of them is in the processor's cache."""

    content: bytes | mmap
    begins: list[int]
    sizes: array[int]

    def only(self, stay: Sequence[int]) -> Pieces:
        """Return these of the pieces."""
        return Pieces(self.content, [self.begins[at] for at in stay], array("I", [self.sizes[at] for at in stay]))

    def piece(self, at: int) -> bytes:
        """Return one of the pieces."""
        begin = self.begins[at]
        return self.content[begin : begin + self.sizes[at]]

    def __iter__(self) -> Iterator[bytes]:
        return (self.content[begin : begin + size] for begin, size in zip(self.begins, self.sizes, strict=True))


class Journal(Protocol):
    """Keeps what is added."""

    def add(self, scope: Scope, addition: BatchAddition, kept: Kept) -> None:
        """Keep it; returns without waiting for the disk.

        Args:
            scope: of the spans.
            addition: of the index.
            kept: its traces, each with its spans as in a chunk, without its head and the number of its scope.
        """


class Marks:
    """How long the index's lists of a service are before a batch is stored: what follows is the batch's."""

    def __init__(self, service: StoredService, names: Collection[bytes]) -> None:
        operations = service.operations
        self._service = service
        self._recent = len(service.recent)
        self._operations = {name: len(operations[name].recent) if name in operations else 0 for name in names}

    def addition(self, kept: Kept, segment: int) -> BatchAddition:
        """Return what the batch has added; ``segment`` is the current one."""
        traces = [trace for trace, _, _ in kept]
        position = {trace: at for at, trace in enumerate(traces)}
        sets: dict[tuple[StoredService, ...], int] = {}
        return BatchAddition(
            [trace.id for trace in traces],
            [count for _, _, count in kept],
            [trace.start for trace in traces],
            [trace.end for trace in traces],
            [trace.longest for trace in traces],
            [sets.setdefault(trace.services, len(sets)) for trace in traces],
            [tuple(service.name for service in each) for each in sets],
            [
                OperationMembers(name, operation.kinds, _positions(position, operation, mark))
                for name, mark in self._operations.items()
                if (operation := self._service.operations.get(name)) is not None
            ],
            [position[trace] for trace in self._service.recent[self._recent :]],
            [at for at, trace in enumerate(traces) if trace.segment != segment],
            [at for at, trace in enumerate(traces) if trace.truncated],
        )


def _positions(position: dict[StoredTrace, int], operation: StoredOperation, mark: int) -> list[int]:
    return [position[trace] for trace in operation.recent[mark:] if trace in position]
