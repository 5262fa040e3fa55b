"""Decodes OTLP JSON without a store, for ``POST /api/transform``."""

from __future__ import annotations

from devenv.backend import columns, otlp_json
from devenv.backend.spans import DecodedTrace, decode_trace
from devenv.backend.store import Store

_ROOM = 1 << 40


def transform(body: bytes) -> list[DecodedTrace]:
    """The traces in an OTLP JSON document, in order of appearance.

    Raises:
        Undecodable: it is no such document.
        TooLarge: it holds more than can be taken apart.
    """
    # A store of its own, for the length of one request, is the grouping by trace that is wanted here.
    store = Store(_ROOM)
    for batch in otlp_json.batches(otlp_json.parse(body)):
        store.add(batch, columns.decode(batch.spans))
    return [decode_trace(trace, store.scopes) for trace in store.traces.values()]
