"""What the receiver does with the requests of a signal: how their items are found, checked and stored."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Generic, Protocol, TypeVar

from devenv.backend.large_bodies import AT_ONCE, MEDIUM
from devenv.backend.store.scopes import parse
from devenv.immutable import immutable
from devenv.otlp.batches import Batch, batches, steps
from devenv.otlp.deep_values import DeepValues
from devenv.otlp.json_requests import JsonSignal
from devenv.otlp.json_steps import JsonRequest


class Checked(Protocol):
    """The checked items of a batch."""

    @property
    def rejected(self) -> int:
        """Number of items that cannot be stored."""


C = TypeVar("C", bound=Checked)


@immutable()
class SignalTexts:
    """The words of a signal for its clients.

    Attributes:
        rejected: name of the number of rejected items in a response in JSON.
        unusable: which items are rejected because of what they are.
        refused: which items are rejected because the store has no room for them.
        nothing: what a body in JSON without any item may have been meant to be.
    """

    rejected: str
    unusable: str
    refused: str
    nothing: str


@immutable()
class Signal(Generic[C]):
    """One signal.

    Attributes:
        json: its names in JSON.
        check: returns the items of a batch as ``add`` stores them; raises Undecodable if one is not such an item.
        add: stores the items of a batch, and returns the number of rejected ones.
        texts: its words.
        at_once: bytes of encoded items that are checked and stored in one step of a few milliseconds.
    """

    json: JsonSignal
    check: Callable[[list[bytes]], C]
    add: Callable[[Batch, C], int]
    texts: SignalTexts
    at_once: int = AT_ONCE

    def store(self, items: list[tuple[Batch, C]]) -> tuple[int, set[str]]:
        """Store checked batches; return the number of rejected items, and the reasons."""
        rejected = 0
        reasons = set()
        for batch, checked in items:
            if checked.rejected:
                reasons.add(self.texts.unusable)
            refused = self.add(batch, checked)
            if refused:
                reasons.add(self.texts.refused)
            rejected += checked.rejected + refused
        return rejected, reasons


class Body(Generic[C]):
    """A decompressed body of a signal; ``encoded`` in protobuf, else in JSON."""

    def __init__(self, body: bytes, signal: Signal[C], *, encoded: bool) -> None:
        self._body = body
        self._signal = signal
        self._json = None if encoded else JsonRequest(body, signal.json)

    def steps(self) -> Iterator[tuple[Batch, C] | None]:
        """Yield its batches, checked, and None at each point where others may run; may be called again.

        Raises:
            Undecodable, TooLarge: If a part is not valid; raised at the first such part.
        """
        known = None
        deep = DeepValues()
        for batch in self._batches():
            if batch is None:
                yield None
                continue
            if (batch.resource, batch.scope) != known:
                parse(batch, deep)
                known = (batch.resource, batch.scope)
            yield batch, self._signal.check(batch.spans)

    def _batches(self) -> Iterator[Batch | None]:
        if self._json is not None:
            found: Iterator[Batch | None] = self._json.steps()
        else:
            found = batches(self._body) if len(self._body) <= MEDIUM else steps(self._body)
        return found if self._signal.at_once >= AT_ONCE else _smaller(found, self._signal.at_once)


def _smaller(found: Iterator[Batch | None], most: int) -> Iterator[Batch | None]:
    """The batches in parts of ``most`` bytes, or of one item."""
    for batch in found:
        if batch is None:
            yield None
            continue
        first = size = 0
        for place, item in enumerate(batch.spans):
            size += len(item)
            if size >= most:
                yield replace(batch, spans=batch.spans[first : place + 1])
                first, size = place + 1, 0
        if first < len(batch.spans):
            yield replace(batch, spans=batch.spans[first:])
