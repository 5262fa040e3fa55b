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


def find(
    store: Store, query: Criteria, answer: Callable[[list[Snapshot]], Response], turns: Turns
) -> Response | Coroutine[None, None, Response]:
    """Return ``answer`` of the encoded traces that match.

    A short search is done at once; a long one takes turns with other connections.
    """
    steps = search(store, query)
    found: list[Snapshot] = []
    for trace in steps:
        if trace is None:
            return _go_on(store, steps, found, answer, turns)
        found.append(snapshot(trace, store.scopes))
    return answer(found)


async def _go_on(
    store: Store,
    steps: Iterator[StoredTrace | None],
    found: list[Snapshot],
    answer: Callable[[list[Snapshot]], Response],
    turns: Turns,
) -> Response:
    turn = turns.start()
    await turn.pause()
    for trace in steps:
        if trace is None:
            await turn.pause()
        else:
            found.append(snapshot(trace, store.scopes))
    return answer(found)


def size(found: list[Snapshot]) -> int:
    """Return the number of bytes of encoded spans."""
    return sum(len(taken.raw) for taken in found)


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
