"""Look-ups in a store that both query dialects share."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator

from devenv.backend.query.search import Criteria, search
from devenv.backend.store.decoding import KINDS, snapshot
from devenv.backend.store.records import StoredTrace
from devenv.backend.store.scopes import Scope
from devenv.backend.store.store import Store
from devenv.http.server.message import Response
from devenv.otlp.values import text

Snapshot = tuple[bytes, bytes, bool, dict[int, Scope]]


def find(
    store: Store, query: Criteria, answer: Callable[[list[Snapshot]], Response]
) -> Response | Coroutine[None, None, Response]:
    """Return ``answer`` of the encoded traces that match.

    A short search is done at once; a long one takes turns with other connections.
    """
    steps = search(store, query)
    found: list[Snapshot] = []
    for trace in steps:
        if trace is None:
            return _go_on(store, steps, found, answer)
        found.append(snapshot(trace, store.scopes))
    return answer(found)


async def _go_on(
    store: Store,
    steps: Iterator[StoredTrace | None],
    found: list[Snapshot],
    answer: Callable[[list[Snapshot]], Response],
) -> Response:
    await asyncio.sleep(0)
    for trace in steps:
        if trace is None:
            await asyncio.sleep(0)
        else:
            found.append(snapshot(trace, store.scopes))
    return answer(found)


def size(found: list[Snapshot]) -> int:
    """Return the number of bytes of encoded spans."""
    return sum(len(taken[1]) for taken in found)


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
