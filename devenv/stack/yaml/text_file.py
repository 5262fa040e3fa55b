"""Reads a file's text, with a message of its own for each way in which that can fail."""

from __future__ import annotations

import os
import re
from pathlib import Path

from devenv.errors import Location, StackFileError

MAXIMUM_BYTES = 8 * 1024 * 1024
"""A larger file is no stack file; the bound also ends the reading of an endless device."""

# YAML 1.2's printable characters but for U+0085, U+2028 and U+2029: the parser takes these for line ends, as 1.1 did.
_REFUSED = re.compile("[^\t\n\r\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def display(path: Path) -> str:
    """``path`` as messages name it: relative where it is below the current directory."""
    try:
        here = Path.cwd()
    except FileNotFoundError:  # the current directory was removed: only absolute names mean something
        return str(path)
    absolute = Path(os.path.normpath(here / path))
    return str(absolute.relative_to(here)) if absolute.is_relative_to(here) else str(absolute)


def read_text(path: Path) -> str:
    r"""The text of ``path`` without byte order mark, with line ends as ``\n``.

    Raises:
        StackFileError: it is missing, a directory, unreadable, too large, binary, or not UTF-8.
    """
    data = _read_bytes(path)
    text = plain_text(_decode(data, display(path)))
    refused = _REFUSED.search(text)
    if refused:
        character = f"U+{ord(refused.group()):04X}"
        hint = (
            f'in double quotes, write it as "\\u{ord(refused.group()):04x}"' if ord(refused.group()) <= 0xFFFF else ""
        )
        place = place_of(text, refused.start(), display(path))
        raise StackFileError(f"character {character} is not allowed", location=place, found=character, hint=hint)
    return text


def place_of(text: str, offset: int, file: str) -> Location:
    """Line and column of ``offset`` in ``text``."""
    line = text.count("\n", 0, offset) + 1
    column = offset - (text.rfind("\n", 0, offset) + 1) + 1
    return Location(file, line, column)


def plain_text(text: str) -> str:
    r"""``text`` without byte order mark, with line ends as ``\n``."""
    return text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")


def _read_bytes(path: Path) -> bytes:
    place = Location(display(path))
    try:
        with path.open("rb") as stream:
            data = stream.read(MAXIMUM_BYTES + 1)
    except FileNotFoundError as error:
        raise StackFileError(
            "no such file", location=place, hint="name another with -f, or see `devenv stacks`"
        ) from error
    except IsADirectoryError as error:
        raise StackFileError(
            "this is a directory, not a file", location=place, hint="name the compose.yaml in it"
        ) from error
    except PermissionError as error:
        raise StackFileError(
            "no permission to read this file", location=place, hint="check its owner and mode"
        ) from error
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        raise StackFileError(f"cannot be read: {error}", location=place) from error
    if len(data) > MAXIMUM_BYTES:
        raise StackFileError("larger than 8 MiB: this is no stack file", location=place)
    return data


def _decode(data: bytes, file: str) -> str:
    """Decodes UTF-8 strictly; UTF-16 is named, because editors produce it unasked."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise StackFileError("encoded as UTF-16", location=Location(file), expected="UTF-8", hint="save it as UTF-8")
    if b"\0" in data:
        raise StackFileError("a binary file", location=Location(file), expected="YAML text")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        before = plain_text(data[: error.start].decode("utf-8"))
        place = place_of(before, len(before), file)
        raise StackFileError(
            f"byte 0x{data[error.start]:02x} is not UTF-8", location=place, expected="UTF-8", hint="save it as UTF-8"
        ) from error
