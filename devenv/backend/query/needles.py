"""Byte strings by which an encoded trace shows that one of its spans has an attribute.

Looking for bytes costs a hundredth of decoding. It relies on two habits that all encoders share: a message's fields
stand in the order of their numbers (key before value), and numbers take their shortest form. What is found is decoded
and compared all the same.
"""

from __future__ import annotations

import base64
import binascii
import math
import re
import struct
from contextlib import suppress

from devenv.otlp.wire import varint

ERROR_STATUS = b"\x18\x02"  # field 3 of Status (code) with the value ERROR
_VALUE = b"\x12"  # field 2 of KeyValue


class Needle:
    """Finds attributes ``key`` whose value Jaeger prints as ``value``."""

    def __init__(self, key: str, value: str) -> None:
        encoded = key.encode("utf-8", "replace")
        start = b"\x0a" + varint(len(encoded)) + encoded + _VALUE
        if "\ufffd" in key:
            start = b""
        # The values cannot all be told for lists, maps and text with replacement characters: then the key decides.
        untold = value == "" or value[0] in "[{" or "\ufffd" in value + key
        values = [b""] if untold else [re.escape(encoded) for encoded in _values(value)]
        # One pattern with a common beginning finds any of several values in the time of one.
        self._search = re.compile(re.escape(start) + b"(?:" + b"|".join(values) + b")").search

    def within(self, raw: bytes) -> bool:
        """Whether ``raw`` may hold such an attribute."""
        return self._search(raw) is not None


def _values(value: str) -> list[bytes]:
    text = value.encode("utf-8", "replace")
    found = [b"\x0a" + varint(len(text)) + text]
    if value in {"true", "false"}:
        found.append(b"\x10\x01" if value == "true" else b"\x10\x00")
    found += _numbers(value)
    with suppress(binascii.Error, ValueError):  # not base64: then no bytes are printed so
        data = base64.b64decode(value, validate=True)
        found.append(b"\x3a" + varint(len(data)) + data)
    return [varint(len(encoded)) + encoded for encoded in found]


def _numbers(value: str) -> list[bytes]:
    found = []
    if value.lstrip("-").isdecimal() and value.isascii() and len(value) < 21:
        found.append(b"\x18" + varint(int(value) & 0xFFFF_FFFF_FFFF_FFFF))
    try:
        number = float(value)
    except ValueError:
        return found
    if math.isnan(number):
        # NaN has many encodings; the quiet one is what programs produce.
        return [*found, b"\x21" + struct.pack("<d", math.nan), b"\x21" + struct.pack("<d", -math.nan)]
    both = (number, -number) if number == 0 else (number,)
    return [*found, *(b"\x21" + struct.pack("<d", each) for each in both)]
