"""What both query dialects and the pages read from a store."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from devenv.backend.scopes import Scope
from devenv.backend.search import Query, search
from devenv.backend.spans import KINDS, snapshot
from devenv.backend.store import Store
from devenv.backend.values import text

Snapshot = tuple[bytes, bytes, bool, dict[int, Scope]]


async def find(store: Store, query: Query) -> list[Snapshot]:
    """The traces that match, not decoded yet; other connections are served while a long search runs."""
    found: list[Snapshot] = []
    for trace in search(store, query):
        if trace is None:
            await asyncio.sleep(0)
        else:
            found.append(snapshot(trace, store.scopes))
    return found


def snapshots(store: Store, trace_ids: Iterable[bytes]) -> list[Snapshot]:
    """Those of the traces that are in the store."""
    found = (store.get(trace_id) for trace_id in trace_ids)
    return [snapshot(trace, store.scopes) for trace in found if trace is not None]


def operations(store: Store, service: str, kind: str = "") -> list[tuple[str, str]]:
    """(name, kind) of a service's spans, sorted; kind is empty where unspecified."""
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
