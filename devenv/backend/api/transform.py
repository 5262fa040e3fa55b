"""Decodes OTLP JSON without a store, for ``POST /api/transform``."""

from __future__ import annotations

from devenv.backend.store.decoding import DecodedTrace, decode, snapshot
from devenv.backend.store.store import Store
from devenv.otlp import columns, json_requests, messages

_ROOM = 1 << 40


def transform(body: bytes) -> list[DecodedTrace]:
    """Return the traces in an OTLP JSON document, in order of appearance, their spans as ``messages.OpaqueSpan``.

    Raises:
        Undecodable: If it is not such a document.
        TooLarge: If it contains more than one request may.
    """
    # A temporary store groups the spans by trace.
    store = Store(_ROOM)
    for batch in json_requests.batches(json_requests.parse(body)):
        store.add(batch, columns.decode(batch.spans))
    return [decode(*snapshot(trace, store.scopes), messages.OpaqueSpan) for trace in store.traces.values()]
