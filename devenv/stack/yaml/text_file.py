"""Reads the text of a file, with a specific message for each kind of failure."""

from __future__ import annotations

import os
import re
from pathlib import Path

from devenv.disk import NotRegularFileError, read_regular_file
from devenv.errors import Location, StackFileError

MAXIMUM_BYTES = 8 * 1024 * 1024
"""Larger files are rejected."""

# All but YAML 1.2's printable characters, and U+0085, U+2028 and U+2029, line ends to the parser (as in 1.1).
_REFUSED = re.compile("[^\t\n\r\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def display(path: Path) -> str:
    """Return ``path`` for messages: relative if it is inside the current directory."""
    try:
        here = Path.cwd()
    except FileNotFoundError:  # the current directory was removed: only absolute paths are valid
        return str(path)
    absolute = Path(os.path.normpath(here / path))
    return str(absolute.relative_to(here)) if absolute.is_relative_to(here) else str(absolute)


def read_text(path: Path) -> str:
    r"""Return the text of ``path`` without byte order mark, with ``\n`` as line ends.

    Raises:
        StackFileError: If it is missing, not a regular file, unreadable, too large, binary or not UTF-8.
    """
    return checked_text(_read_bytes(path), display(path))


def checked_text(data: bytes, file: str) -> str:
    r"""Return the text of ``data`` without byte order mark, with ``\n`` as line ends; ``file`` names it in messages.

    Raises:
        StackFileError: If it is too large, binary or not UTF-8.
    """
    if len(data) > MAXIMUM_BYTES:
        raise StackFileError("larger than 8 MiB: not a stack file", location=Location(file))
    text = plain_text(_decode(data, file))
    refused = _REFUSED.search(text)
    if refused:
        character = f"U+{ord(refused.group()):04X}"
        hint = (
            f'in double quotes, write it as "\\u{ord(refused.group()):04x}"' if ord(refused.group()) <= 0xFFFF else ""
        )
        place = place_of(text, refused.start(), file)
        raise StackFileError(f"invalid character {character}", location=place, found=character, hint=hint)
    return text


def place_of(text: str, offset: int, file: str) -> Location:
    """Return the line and column of ``offset`` in ``text``."""
    line = text.count("\n", 0, offset) + 1
    column = offset - (text.rfind("\n", 0, offset) + 1) + 1
    return Location(file, line, column)


def plain_text(text: str) -> str:
    r"""Return ``text`` without byte order mark, with ``\n`` as line ends."""
    return text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")


def _read_bytes(path: Path) -> bytes:
    place = Location(display(path))
    try:
        data = read_regular_file(path, MAXIMUM_BYTES + 1)
    except FileNotFoundError as error:
        raise StackFileError(
            "no such file", location=place, hint="pass another file with -f, or run `devenv stacks`"
        ) from error
    except IsADirectoryError as error:
        raise StackFileError(
            "this is a directory, not a file", location=place, hint="pass the compose.yaml in it"
        ) from error
    except NotRegularFileError as error:
        raise StackFileError(
            "not a regular file (a FIFO, socket or device)", location=place, hint="write its content to a file"
        ) from error
    except PermissionError as error:
        raise StackFileError(
            "no permission to read this file", location=place, hint="check its owner and permissions"
        ) from error
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        raise StackFileError(f"cannot read the file: {error}", location=place) from error
    return data


def _decode(data: bytes, file: str) -> str:
    """Decode UTF-8 strictly; UTF-16 has its own message, because some editors write it by default."""
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
