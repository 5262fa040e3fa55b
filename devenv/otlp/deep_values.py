"""Attribute values that are nested deeper than the decoder of protobuf allows, made shallower layer by layer.

The decoder allows 100 levels of messages, up to three for each nested value. So the values from :data:`STORED_DEPTH` on
are stored as the text of their JSON, whatever form they were sent in.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from devenv.otlp import messages

MAX_DEPTH = 100
"""A value may be nested so deep; a span or log record with a deeper one is refused."""

STORED_DEPTH = 30
"""Levels that are stored as values."""

MAX_BYTES = 256 * 1024
"""Size of a span or log record whose deep values are looked at."""

TOO_DEEP = "MaxDepth"
"""In what the decoder says of a message with too many levels."""

UNIT = 1024
"""Bytes that take as long to copy, which happens once per level, as a value takes to read."""


class TooDeep(ValueError):
    """A value is nested deeper than :data:`MAX_DEPTH`, or it would take too long to find out."""


@dataclass(slots=True)
class DeepValues:
    """Makes spans and log records shallower, as many as take some 20 ms: the caller reads a batch at once.

    Attributes:
        left: values that may still be read; a large one counts several times.
    """

    left: int = 4000

    def shallower(self, span: bytes) -> bytes:
        """Return an encoded span that the decoder can read.

        Raises:
            TooDeep: If a value is too deep.
            google.protobuf.message.DecodeError: If it is not a span.
        """
        with _bounded(span):
            found = messages.LayeredSpan.FromString(span)
            found.attributes[:] = [self._pair(pair, 0) for pair in found.attributes]
            found.events[:] = [self._part(event, messages.LayeredEvent) for event in found.events]
            found.links[:] = [self._part(link, messages.LayeredLink) for link in found.links]
        encoded: bytes = found.SerializeToString()
        return encoded

    def record(self, record: bytes) -> bytes:
        """Return an encoded log record that the decoder can read; raises as :meth:`shallower`."""
        with _bounded(record):
            found = messages.LayeredLogRecord.FromString(record)
            if found.body:
                found.body = self._value(found.body, 0)
            found.attributes[:] = [self._pair(pair, 0) for pair in found.attributes]
        encoded: bytes = found.SerializeToString()
        return encoded

    def description(self, encoded: bytes, message: Any) -> bytes:
        """Return an encoded resource or scope that the decoder can read.

        Args:
            encoded: It, as it was sent.
            message: ``messages.LayeredResource`` or ``messages.LayeredScope``.

        Raises:
            TooDeep: If a value is too deep.
            google.protobuf.message.DecodeError: If it is not such a message.
        """
        with _bounded(b""):
            return self._part(encoded, message)

    def _part(self, encoded: bytes, message: Any) -> bytes:
        found = message.FromString(encoded)
        found.attributes[:] = [self._pair(pair, 0) for pair in found.attributes]
        shallow: bytes = found.SerializeToString()
        return shallow

    def _pair(self, encoded: bytes, depth: int) -> bytes:
        pair = messages.LayeredPair.FromString(encoded)
        pair.value = self._value(pair.value, depth)
        shallow: bytes = pair.SerializeToString()
        return shallow

    def _value(self, encoded: bytes, depth: int) -> bytes:
        value = self._read(encoded)
        kind = value.WhichOneof("value")
        if kind not in _NESTED:
            return encoded
        if depth >= STORED_DEPTH:
            value.string_value = json.dumps(self._plain(value, depth), ensure_ascii=False).encode("utf-8", "replace")
        else:
            below: Callable[[bytes, int], bytes] = self._value if kind == "array_value" else self._pair
            items = messages.LayeredItems.FromString(getattr(value, kind))
            items.values[:] = [below(item, depth + 1) for item in items.values]
            setattr(value, kind, items.SerializeToString())
        shallow: bytes = value.SerializeToString()
        return shallow

    def _plain(self, value: Any, depth: int) -> Any:
        """The value as ordinary JSON has it; bytes in base64."""
        if depth > MAX_DEPTH:
            raise TooDeep(f"values are nested more than {MAX_DEPTH} deep")
        kind = value.WhichOneof("value")
        if kind is None:
            return None
        given = getattr(value, kind)
        if kind == "array_value":
            items = messages.LayeredItems.FromString(given).values
            return [self._plain(self._read(item), depth + 1) for item in items]
        if kind == "kvlist_value":
            pairs = map(messages.LayeredPair.FromString, messages.LayeredItems.FromString(given).values)
            return {_text(pair.key): self._plain(self._read(pair.value), depth + 1) for pair in pairs}
        if kind == "bytes_value":
            return base64.b64encode(given).decode("ascii")
        return _text(given) if isinstance(given, bytes) else given

    def _read(self, encoded: bytes) -> Any:
        self.left -= 1 + len(encoded) // UNIT
        if self.left < 0:
            raise TooDeep("too many values beside deep ones")
        return messages.LayeredValue.FromString(encoded)


@contextmanager
def _bounded(encoded: bytes) -> Iterator[None]:
    if len(encoded) > MAX_BYTES:
        raise TooDeep(f"deep values in more than {MAX_BYTES} bytes")
    try:
        yield
    except RecursionError as error:
        raise TooDeep("values are nested too deep") from error


_NESTED = frozenset({"array_value", "kvlist_value"})


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace")
