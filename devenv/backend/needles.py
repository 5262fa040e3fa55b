"""Byte strings that an encoded trace must contain if one of its spans has an attribute.

Looking for bytes costs a hundredth of decoding. A needle may be present without a match, never absent with one, given
that encoders write numbers in their shortest form, as all do.
"""

from __future__ import annotations

import base64
import binascii
import struct
from contextlib import suppress

from devenv.backend.wire import varint

ERROR_STATUS = b"\x18\x02"  # field 3 of Status (code) with the value ERROR


def alternatives(value: str) -> tuple[bytes, ...]:
    """Encodings of any attribute value that Jaeger prints as ``value``; empty where they cannot be told."""
    if value == "" or value[0] in "[{":
        return ()
    found = [value.encode("utf-8", "replace")]
    if "\ufffd" in value:
        return ()
    if value in {"true", "false"}:
        found.append(b"\x10\x01" if value == "true" else b"\x10\x00")
    found += _numbers(value)
    with suppress(binascii.Error, ValueError):  # not base64: then no bytes are printed so
        found.append(base64.b64decode(value, validate=True))
    return tuple(found)


def _numbers(value: str) -> list[bytes]:
    found = []
    if value.lstrip("-").isdecimal() and value.isascii() and len(value) < 21:
        found.append(b"\x18" + varint(int(value) & 0xFFFF_FFFF_FFFF_FFFF))
    try:
        number = float(value)
    except ValueError:
        return found
    if number == 0 or number != number:
        return [*found, b"\x21"]
    return [*found, b"\x21" + struct.pack("<d", number)]
