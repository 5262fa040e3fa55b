"""Decodes OTLP JSON without a store, for ``POST /api/transform``."""

from __future__ import annotations

import asyncio

from devenv.backend.query.shared_span_ids import separate
from devenv.backend.store.decoding import DecodedTrace, decode, snapshot
from devenv.backend.store.store import Store
from devenv.otlp import columns, messages
from devenv.otlp.json_steps import JsonRequest

MAX_BYTES = 16 * 1024 * 1024
"""The largest document: its result is in memory as a whole."""
_ROOM = 1 << 40


async def transform(body: bytes) -> list[DecodedTrace]:
    """Return the traces in an OTLP JSON document, in order of appearance, their spans as ``messages.OpaqueSpan``.

    Raises:
        Undecodable: If it is not such a document.
        TooLarge: If it contains more than one request may.
    """
    # A temporary store groups the spans by trace.
    store = Store(_ROOM)
    for batch in JsonRequest(body).steps():
        if batch is not None:
            store.add(batch, columns.decode(batch.spans))
        await asyncio.sleep(0)
    found = []
    for trace in store.traces.values():
        found.append(separate(decode(*snapshot(trace, store.scopes), messages.OpaqueSpan)))
        await asyncio.sleep(0)
    return found
