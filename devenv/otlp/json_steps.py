"""OTLP requests in JSON, as batches of encoded spans, read piece by piece.

A part of the request that is small is decoded in one call; a larger one is read member by member, a span being the
smallest part. So the memory is that of one piece, and others can be served between two of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from devenv.otlp.batches import CHUNK_BYTES, Batch
from devenv.otlp.columns import MAX_SPAN_BYTES
from devenv.otlp.json_fields import checked, objects
from devenv.otlp.json_requests import (
    CHUNK_SPANS,
    REFUSED,
    SPANS,
    JsonSignal,
    described_resource,
    described_scope,
    resource_batches,
)
from devenv.otlp.json_scanner import PIECE, Extent, Scanner
from devenv.otlp.wire import TooLarge, Undecodable

_URLS = ("schemaUrl", "schema_url")
# A description of a service, and the values of one span: far above the limits of all SDKs.
_MAX_DESCRIPTION = 1024 * 1024
_MAX_VALUES = 50_000

Steps = Iterator[Batch | None]


class JsonRequest:
    """An ExportTraceServiceRequest (or TracesData) in JSON, or another signal's; ``body`` may be a ``bytearray``."""

    def __init__(self, body: bytes, signal: JsonSignal = SPANS) -> None:
        self._scanner = Scanner(body)
        self._signal = signal
        self._size = len(body)

    def steps(self) -> Steps:
        """Yield the batches, and None at each point where the caller may let others run; may be called again.

        Raises:
            Undecodable: If the body is not such a request; raised at the first part that is not.
            TooLarge: If it has more values than one request may have.
        """
        scanner = self._scanner
        scanner.start_again()
        start = scanner.space(0)
        if not scanner.is_a(b"{", start):
            raise Undecodable("JSON: not an object")
        document = self._whole((0, self._size))
        if document is not None:
            with checked():
                parts = objects(document, *self._signal.resources)
            for part in parts:
                yield from resource_batches(part, self._signal)
            return
        yield from scanner.count()
        members, end = yield from scanner.members(start, self._signal.resources)
        if scanner.space(end) != self._size:
            raise Undecodable(f"JSON: text after the document, at byte {end}")
        for extent in self._items(members, self._signal.resources):
            if extent is None:
                yield None
            else:
                yield from self._resource(extent)

    def _resource(self, extent: Extent) -> Steps:
        document = self._whole(extent)
        if document is not None:
            yield from resource_batches(document, self._signal)
            return
        names = ("resource", *_URLS, *self._signal.scopes)
        members, _ = yield from self._scanner.members(self._object(extent), names)
        with checked():
            resource, url = described_resource(self._described(members, ("resource", *_URLS)))
        for item in self._items(members, self._signal.scopes):
            if item is None:
                yield None
            else:
                yield from self._scope(item, resource, url)

    def _scope(self, extent: Extent, resource: bytes, url: bytes) -> Steps:
        names = ("scope", *_URLS, *self._signal.items)
        members, _ = yield from self._scanner.members(self._object(extent), names)
        with checked():
            scope, scope_url = described_scope(self._described(members, ("scope", *_URLS)))
        items: list[bytes] = []
        size = 0
        for item in self._items(members, self._signal.items):
            if item is None:
                yield None
                continue
            items.append(self._item(item))
            size += item[1] - item[0]
            if len(items) == CHUNK_SPANS or size >= CHUNK_BYTES:
                yield Batch(resource, url, scope, scope_url, items)
                items, size = [], 0
        if items:
            yield Batch(resource, url, scope, scope_url, items)

    def _item(self, extent: Extent) -> bytes:
        start, end = extent
        if end - start > PIECE:
            text = self._scanner.body[start:end] if end - start <= MAX_SPAN_BYTES else None
            if text is None or sum(map(text.count, (b",", b"[", b"{"))) > _MAX_VALUES:
                return REFUSED
        self._object(extent)
        try:
            document = self._scanner.load(extent)
        except RecursionError:
            return REFUSED
        with checked():
            return self._signal.encode(document)

    def _whole(self, extent: Extent) -> Any:
        """The object of this extent; None if it has to be read member by member."""
        if extent[1] - extent[0] > PIECE:
            return None
        try:
            document = self._scanner.load(extent)
        except RecursionError:
            return None
        if not isinstance(document, dict):
            raise Undecodable(f"OTLP JSON: {self._signal.resources[0]} is not a list of objects")
        return document

    def _described(self, members: dict[str, Extent], names: tuple[str, ...]) -> dict[str, Any]:
        found = {name: members[name] for name in names if name in members}
        if any(end - start > _MAX_DESCRIPTION for start, end in found.values()):
            raise TooLarge(f"a resource or scope larger than {_MAX_DESCRIPTION} bytes")
        try:
            return {name: self._scanner.load(extent) for name, extent in found.items()}
        except RecursionError as error:
            raise Undecodable("JSON: nested too deep") from error

    def _items(self, members: dict[str, Extent], names: tuple[str, ...]) -> Iterator[Extent | None]:
        scanner = self._scanner
        for name in names:
            extent = members.get(name)
            if extent is None or scanner.is_null(extent):
                continue
            if not scanner.is_a(b"[", extent[0]):
                raise Undecodable(f"OTLP JSON: {names[0]} is not a list of objects")
            yield from scanner.items(extent)
            return

    def _object(self, extent: Extent) -> int:
        if not self._scanner.is_a(b"{", extent[0]):
            raise Undecodable("OTLP JSON: an object was expected")
        return extent[0]
