"""Decodes OTLP JSON without a store, for ``POST /api/transform``."""

from __future__ import annotations

from devenv.backend.store.decoding import Snapshot, snapshot
from devenv.backend.store.store import Store
from devenv.http.server.turns import Turn
from devenv.otlp import columns
from devenv.otlp.json_steps import JsonRequest

MAX_BYTES = 16 * 1024 * 1024
"""The largest document: its result is in memory as a whole."""
_ROOM = 1 << 40


async def transform(body: bytes, turn: Turn) -> list[Snapshot]:
    """Return the traces in an OTLP JSON document, in order of appearance.

    Raises:
        Undecodable: If it is not such a document.
        TooLarge: If it contains more than one request may.
    """
    # A temporary store groups the spans by trace.
    store = Store(_ROOM)
    for batch in JsonRequest(body).steps():
        if batch is not None:
            store.add(batch, columns.decode(batch.spans))
        await turn.pause()
    return [snapshot(trace, store.scopes) for trace in store.traces.values()]
