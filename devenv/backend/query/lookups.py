"""Look-ups in a store that both query dialects share."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterator

from devenv.backend.query.search import Criteria, search
from devenv.backend.store.decoding import KINDS, Snapshot, snapshot
from devenv.backend.store.records import StoredTrace
from devenv.backend.store.store import Store
from devenv.http.server.message import Response
from devenv.http.server.turns import Turns
from devenv.otlp.values import text


class FoundTraces:
    """The traces of a search: each snapshot is taken when it is read, and a trace that is evicted by then is left out.

    Its answer may take seconds to write. A snapshot keeps the spans as they were, while the store replaces those of
    each trace that grows: with all of them taken at once, a few searches would use several times the store's memory.
    """

    def __init__(self, store: Store) -> None:
        self._scopes = store.scopes
        self._traces: list[StoredTrace] = []

    def add(self, trace: StoredTrace) -> None:
        """Add a trace."""
        self._traces.append(trace)

    def __len__(self) -> int:
        return len(self._traces)

    def __iter__(self) -> Iterator[Snapshot]:
        return (snapshot(trace, self._scopes) for trace in self._traces if trace.alive)

    @property
    def size(self) -> int:
        """The number of bytes of encoded spans now."""
        return sum(len(trace.raw) for trace in self._traces)


Found = FoundTraces | list[Snapshot]


def find(
    store: Store, query: Criteria, answer: Callable[[FoundTraces], Response], turns: Turns
) -> Response | Coroutine[None, None, Response]:
    """Return ``answer`` of the encoded traces that match.

    A short search is done at once; a long one takes turns with other connections.
    """
    steps = search(store, query)
    found = FoundTraces(store)
    for trace in steps:
        if trace is None:
            return _go_on(steps, found, answer, turns)
        found.add(trace)
    return answer(found)


async def _go_on(
    steps: Iterator[StoredTrace | None],
    found: FoundTraces,
    answer: Callable[[FoundTraces], Response],
    turns: Turns,
) -> Response:
    turn = turns.start()
    await turn.pause()
    for trace in steps:
        if trace is None:
            await turn.pause()
        else:
            found.add(trace)
    return answer(found)


def size(found: Found) -> int:
    """Return the number of bytes of encoded spans."""
    return found.size if isinstance(found, FoundTraces) else sum(len(taken.raw) for taken in found)


def operations(store: Store, service: str, kind: str = "") -> list[tuple[str, str]]:
    """Return (name, kind) of a service's spans, sorted; an unspecified kind is empty."""
    known = store.services.get(service)
    if known is None:
        return []
    found = [
        (text(name), KINDS[bit])
        for name, operation in known.operations.items()
        for bit in range(len(KINDS))
        if operation.kinds >> bit & 1
    ]
    return sorted(pair for pair in found if kind in {"", pair[1]})
