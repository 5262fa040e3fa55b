"""Search over the stored log records."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import takewhile
from typing import Any

from devenv.backend.logs.decoding import decoded
from devenv.backend.logs.records import StoredRecord
from devenv.backend.logs.store import LogStore
from devenv.backend.store.decoding import Steps
from devenv.immutable import immutable
from devenv.otlp.values import plain, text
from devenv.traces.jaeger_text import as_text
from devenv.traces.logs.source import LogQuery

# Records that are looked at, and that are decoded, between two pauses: about a millisecond of work.
_LOOKS = 4096
_DECODES = 128
_FOREVER = 1 << 64

Position = tuple[int, int]


@immutable()
class Matches:
    """Records that match, oldest first, whether there are more, older ones, and the number of the next to arrive."""

    records: list[StoredRecord]
    more: bool
    arrived: int


def search(store: LogStore, query: LogQuery) -> Steps[Matches]:
    """Find the newest ``limit`` records that match.

    Raises:
        ValueError: If an ID or the position is not one.
    """
    before = parse_position(query.before)
    span_id = bytes.fromhex(query.span_id) if query.span_id else b""
    arrived = _arrived(store)
    last = arrived if query.arrived_before is None else min(arrived, query.arrived_before)
    candidates = yield from _candidates(store, query, last)
    candidates.sort(key=_order)
    found: list[StoredRecord] = []
    plain_match = not (query.text or query.attributes or span_id)
    needle = query.text.lower().encode("utf-8", "replace") if query.text.isascii() else b""
    looked = 0
    while candidates:
        record = candidates.pop()
        if before is not None and _order(record) >= before:
            continue
        if not plain_match:
            looked += 1
            if looked % _DECODES == 0:
                yield
            # What the encoded bytes do not contain, the record does not.
            if span_id not in record.payload or (needle and needle not in record.payload.lower()):
                continue
            if not _meets(record, query, span_id):
                continue
        if len(found) == query.limit:
            return Matches(found[::-1], more=True, arrived=arrived)
        found.append(record)
    return Matches(found[::-1], more=False, arrived=arrived)


def position(record: StoredRecord) -> str:
    """Return where a record is among all, as text."""
    return f"{record.time}.{record.order}"


def parse_position(given: str) -> Position | None:
    """Return what :func:`position` wrote; ``None`` for the empty text.

    Raises:
        ValueError: If it is something else.
    """
    if not given:
        return None
    time, _, order = given.partition(".")
    if not (time.isascii() and time.isdecimal() and order.isascii() and order.isdecimal() and len(given) < 50):
        raise ValueError(f"expected the `next` of an earlier answer, found {given[:64]!r}")
    return int(time), int(order)


def _arrived(store: LogStore) -> int:
    """Return the number of the next record, as far as the stored ones tell."""
    return max((service.owned[-1].order for service in store.services.values() if service.owned), default=-1) + 1


def _since(store: LogStore, query: LogQuery) -> Iterator[StoredRecord]:
    """The records from a number on, without those before them, which may be many."""
    for name in dict.fromkeys(query.services or store.services):
        if (service := store.services.get(name)) is not None:
            # At once, because the store may change while the caller pauses.
            yield from list(takewhile(lambda record: record.order >= query.arrived_from, reversed(service.owned)))


def _candidates(store: LogStore, query: LogQuery, arrived_before: int) -> Steps[list[StoredRecord]]:
    services = frozenset(query.services)
    source: Iterable[StoredRecord] = store.of_services(query.services)
    if query.trace_id is not None:
        source = store.of_trace(bytes.fromhex(query.trace_id.zfill(32)))
    elif query.arrived_from:
        source = _since(store, query)
    first, last, least = query.start_ns, query.end_ns or _FOREVER, query.severity
    found = []
    for looked, record in enumerate(source, 1):
        if looked % _LOOKS == 0:
            yield
        if not query.arrived_from <= record.order < arrived_before:
            continue
        if first <= record.time < last and record.severity >= least:
            if services and record.scope.service.name not in services:
                continue
            found.append(record)
    return found


def _order(record: StoredRecord) -> Position:
    return record.time, record.order


def _meets(record: StoredRecord, query: LogQuery, span_id: bytes) -> bool:
    found = decoded(record)
    if span_id and found.span_id != span_id:
        return False
    if query.text and query.text.lower() not in _said(found).lower():
        return False
    return all(_has(record, found, key, value) for key, value in query.attributes.items())


def _said(found: Any) -> str:
    return as_text(plain(found.body)) if found.HasField("body") else text(found.event_name)


def _has(record: StoredRecord, found: Any, key: str, value: str) -> bool:
    for pair in found.attributes:
        if text(pair.key) == key:
            return as_text(plain(pair.value)) == value
    scope = record.scope
    return any(key in each and as_text(each[key]) == value for each in (scope.attributes, scope.resource))
