"""Text from outside, with every character shown that would steer a terminal instead of being printed.

Names, messages and log lines come from services, traces and files of others. Escape sequences in them can set the
title, write to the clipboard (OSC 52) or clear the screen; bidirectional controls reorder what the reader sees; line
breaks forge rows.
"""

from __future__ import annotations

import re

_UNSAFE = (
    "\x7f-\x9f"  # DEL and C1, of which U+009B and U+009D start sequences
    "\u00ad\u061c\u200b\u200e\u200f"  # invisible characters and marks of direction
    "\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"  # line separators, bidirectional controls, annotations
    "\ud800-\udfff\U000e0000-\U000e007f"  # lone surrogates, which no encoding has, and invisible tags
)
_CONTROL = re.compile(f"[\x00-\x08\x0a-\x1f{_UNSAFE}]")
_IN_JSON = re.compile(f"[{_UNSAFE}]")
_SGR = re.compile("(\x1b\\[[0-9;:]*m)")
_NAMED = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}


def visible(text: str) -> str:
    """Return the text with control characters escaped as in a string literal; tabs are kept."""
    return _CONTROL.sub(_escaped, text)


def visible_in_cell(text: str) -> str:
    """Return the text as :func:`visible` does, with tabs escaped too: a cell has a width."""
    return visible(text).replace("\t", "\\t")


def visible_in_json(text: str) -> str:
    """Return JSON with the characters escaped that JSON allows in a string and a terminal obeys; its value is kept."""
    return _IN_JSON.sub(_json_escaped, text)


def coloured(text: str) -> str:
    """Return a line with its colours (SGR sequences) kept and reset at its end, and everything else visible."""
    parts = _SGR.split(text)
    shown = "".join(part if number % 2 else visible(part) for number, part in enumerate(parts))
    return shown + "\x1b[0m" if len(parts) > 1 else shown


def colourless(text: str) -> str:
    """Return a line without its colours (SGR sequences)."""
    return _SGR.sub("", text)


def _escaped(found: re.Match[str]) -> str:
    character = found.group()
    number = ord(character)
    if number < 0x100:
        return _NAMED.get(character, f"\\x{number:02x}")
    return f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"


def _json_escaped(found: re.Match[str]) -> str:
    number = ord(found.group())
    if number < 0x10000:
        return f"\\u{number:04x}"
    high, low = divmod(number - 0x10000, 0x400)
    return f"\\u{0xD800 + high:04x}\\u{0xDC00 + low:04x}"
