"""Edits a YAML text and leaves every other line unchanged: comments, order, anchors and quotes.

A dump of the parsed file would lose them, and its diff would hide the change.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

from devenv.errors import ConfigurationError
from devenv.stack.edit.pieces import Piece, read_pieces

KeyPath = Sequence[str | int]
_PLAIN = re.compile(r"[A-Za-z_/][\w./-]*(:[\w./-]+)*", re.ASCII)
_NOT_TEXT = frozenset({"true", "false", "yes", "no", "on", "off", "y", "n", "null"})
"""Words that YAML 1.1 or 1.2 reads as another type, in upper or lower case."""


def scalar(text: str) -> str:
    """Return ``text`` as a YAML value that every reader reads as that text, quoted if necessary."""
    return text if _PLAIN.fullmatch(text) and text.lower() not in _NOT_TEXT else json.dumps(text, ensure_ascii=False)


class YamlText:
    """A YAML text and its edits.

    Args:
        text: the file's text.
        file: the file's name, for messages.

    Attributes:
        text: the text after the edits so far.

    Raises:
        StackFileError: If the text is not YAML.
    """

    def __init__(self, text: str, file: str) -> None:
        self.file = file
        self.text = text
        self._newline = "\r\n" if "\r\n" in text else "\n"
        self._begin = 1 if text.startswith("\ufeff") else 0  # after a byte order mark
        self._root = read_pieces(text, file)

    def find(self, path: KeyPath) -> Piece | None:
        """Return the value at a path of keys and list indices, or None; aliases are not followed."""
        piece = self._root
        for step in path:
            if piece is None:
                return None
            if isinstance(step, int):
                piece = piece.items[step] if step < len(piece.items) else None
            else:
                piece = piece.entries.get(step)
        return piece

    def replace(self, path: KeyPath, text: str) -> None:
        """Replace a scalar, a flow value or an empty value.

        Raises:
            ConfigurationError: If the value does not exist, is an alias, has an anchor or a tag, or is a block.
        """
        piece = self._required(path)
        if piece.kind == "alias" or piece.anchored or (piece.kind in {"list", "mapping"} and not piece.flow):
            raise self._refused(path, piece, "a plain value")
        self._splice(piece.start, piece.end, f" {text}" if piece.empty else text)

    def add(self, path: KeyPath, key: str, value: str) -> None:
        """Add an entry to the mapping at ``path`` (the document for ``()``), after its last one.

        Args:
            path: of the mapping.
            key: the new key, as YAML.
            value: YAML; with several lines or a final newline, it is a block that starts at column 0.

        Raises:
            ConfigurationError: If the mapping does not exist, is an alias or already has the key, or if it is written
                in braces and the value has several lines.
        """
        mapping = self._collection(path, "mapping")
        if mapping is not None and key in mapping.entries:
            raise self._refused((*path, key), mapping.keys[key], "a key that does not exist yet")
        self._append(path, mapping, _entry(key, value))

    def insert_before(self, path: KeyPath, before: str, key: str, value: str) -> None:
        """Add an entry to the block mapping at ``path``, above the entry ``before`` and the comments that belong to it.

        A comment at the start of the file belongs to the file: the entry is added below it, with a blank line after it.

        Args:
            path: of the mapping.
            before: a key of the mapping.
            key: the new key, as YAML.
            value: YAML; with several lines, it is a block that starts at column 0.

        Raises:
            ConfigurationError: If the mapping or ``before`` does not exist, ``key`` exists, or the mapping has braces.
        """
        mapping = self._required(path)
        if key in mapping.entries:
            raise self._refused((*path, key), mapping.keys[key], "a key that does not exist yet")
        if mapping.kind != "mapping" or mapping.flow or before not in mapping.keys:
            raise self._refused(path, mapping, f"a block with the key {before}")
        at = max(self.text.rfind("\n", 0, mapping.keys[before].start) + 1, self._begin)
        indent = self.text[at : mapping.keys[before].start]
        if indent.strip(" "):  # after `---` or an explicit `?`
            raise self._refused((*path, before), mapping.keys[before], "a key at the beginning of a line")
        lines = [indent + line if line else "" for line in _entry(key, value)]
        at = self._above_comments(at)
        self._splice(at, at, self._newline.join([*lines, "", ""]))

    def _above_comments(self, at: int) -> int:
        """Start of the comment lines above the line at ``at``; ``at`` itself if they start the file."""
        found = at
        while found > self._begin:
            above = max(self.text.rfind("\n", 0, found - 1) + 1, self._begin)
            if not self.text[above:found].lstrip(" ").startswith("#"):
                return found
            found = above
        return at

    def append(self, path: KeyPath, value: str) -> None:
        """Add an item to the list at ``path``, after its last one.

        Args:
            path: of the list.
            value: YAML; with several lines, it is a block that starts at column 0.

        Raises:
            ConfigurationError: As for `add`.
        """
        sequence = self._collection(path, "list")
        first, *rest = value.splitlines()
        if sequence is None or not (sequence.flow and sequence.items):
            first = f"- {first}"
        self._append(path, sequence, [first, *(f"  {line}".rstrip() for line in rest)])

    def _append(self, path: KeyPath, collection: Piece | None, lines: list[str]) -> None:
        if collection is None:  # an empty document
            self._splice(len(self.text), len(self.text), self._newline.join([*lines, ""]))
        elif collection.entries or collection.items:
            if collection.flow:
                self._into_flow(path, collection, lines)
            else:
                self._after(collection, lines)
        else:
            self._first(path, collection, lines)

    def _into_flow(self, path: KeyPath, collection: Piece, lines: list[str]) -> None:
        if len(lines) > 1:
            raise self._refused(path, collection, "a block, because the new entry has several lines")
        last = (collection.items or tuple(collection.entries.values()))[-1]
        self._splice(last.end, last.end, f", {lines[0]}")

    def _after(self, collection: Piece, lines: list[str]) -> None:
        """Add lines after the block's last line, with a blank line before them if its entries are separated by one."""
        at = self._line_end(collection.end)
        indented = [" " * collection.column + line if line else "" for line in lines]
        gap = [""] if len(lines) > 1 and self._set_apart(collection) else []
        self._splice(at, at, self._newline + self._newline.join([*gap, *indented]))

    def _first(self, path: KeyPath, collection: Piece, lines: list[str]) -> None:
        """Replace an empty value, ``{}`` or ``[]`` by a block below the key; the key's comment stays next to it."""
        parent = self.find(path[:-1]) if path else None
        indent = parent.column + 2 if parent is not None else 0
        body = self._newline.join(" " * indent + line if line else "" for line in lines)
        if not path:
            self._splice(collection.start, collection.end, body)
            return
        start = len(self.text[: collection.start].rstrip(" "))
        line_end = self._line_end(collection.end)
        self._splice(start, line_end, self.text[collection.end : line_end] + self._newline + body)

    def _line_end(self, index: int) -> int:
        found = self.text.find(self._newline, index)
        return len(self.text) if found < 0 else found

    def _set_apart(self, collection: Piece) -> bool:
        keys = list(collection.keys.values())
        if len(keys) < 2:
            return False
        before = self.text[: keys[-1].start].rstrip(" ").removesuffix(self._newline)
        line = before[before.rfind("\n") + 1 :].strip()
        while line.startswith("#"):  # comments belong to the entry below them
            before = before[: before.rfind("\n")].removesuffix("\r")
            line = before[before.rfind("\n") + 1 :].strip()
        return not line

    def _collection(self, path: KeyPath, kind: str) -> Piece | None:
        if not path and self._root is None:
            return None
        piece = self._required(path)
        if piece.anchored and not (piece.entries or piece.items):
            raise self._refused(path, piece, f"a {kind} without an anchor")
        if piece.kind != kind and not piece.empty:
            raise self._refused(path, piece, f"a {kind}")
        return piece

    def _required(self, path: KeyPath) -> Piece:
        piece = self.find(path)
        if piece is None:
            raise ConfigurationError(f"{self.file}: no {_dotted(path)}", key=_dotted(path), expected="an existing key")
        return piece

    def _refused(self, path: KeyPath, piece: Piece, expected: str) -> ConfigurationError:
        return ConfigurationError(
            f"cannot edit {_dotted(path)} here",
            location=piece.location(self.file),
            key=_dotted(path),
            found=f"an alias, *{piece.text}" if piece.kind == "alias" else f"a {piece.kind}",
            expected=expected,
            hint="change it by hand",
        )

    def _splice(self, start: int, end: int, text: str) -> None:
        self.text = self.text[:start] + text + self.text[end:]
        self._root = read_pieces(self.text, self.file)


def _entry(key: str, value: str) -> list[str]:
    lines = value.splitlines()
    if len(lines) <= 1 and not value.endswith("\n"):
        return [f"{key}: {value}".rstrip()]
    return [f"{key}:", *(f"  {line}" if line else "" for line in lines)]


def _dotted(path: KeyPath) -> str:
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path).removeprefix(".")
