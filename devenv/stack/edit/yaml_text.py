"""Changes to a YAML file that leave every other line as its author wrote it: comments, order, anchors, quotes.

A dump of the parsed file would lose them, and a reader of the diff could not see what was changed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

from devenv.errors import ConfigurationError
from devenv.stack.edit.pieces import Piece, read_pieces

Path_ = Sequence[str | int]
_PLAIN = re.compile(r"[A-Za-z_/][\w./-]*(:[\w./-]+)*", re.ASCII)
_NOT_TEXT = frozenset({"true", "false", "yes", "no", "on", "off", "y", "n", "null"})
"""What YAML 1.1 or 1.2 reads as something else than text, whatever the case."""


def scalar(text: str) -> str:
    """``text`` as a value that every reader of YAML takes for that text: quoted where it has to be."""
    return text if _PLAIN.fullmatch(text) and text.lower() not in _NOT_TEXT else json.dumps(text, ensure_ascii=False)


class YamlText:
    """A YAML text that is edited in place.

    Args:
        text: the file's.
        file: its name, for messages.

    Attributes:
        text: as it stands after the edits so far.

    Raises:
        StackFileError: the text is not YAML.
    """

    def __init__(self, text: str, file: str) -> None:
        self.file = file
        self.text = text
        self._newline = "\r\n" if "\r\n" in text else "\n"
        self._begin = 1 if text.startswith("\ufeff") else 0  # behind a byte order mark
        self._root = read_pieces(text, file)

    def find(self, path: Path_) -> Piece | None:
        """The value at a path of keys and list indices, None where there is none; aliases are not followed."""
        piece = self._root
        for step in path:
            if piece is None:
                return None
            if isinstance(step, int):
                piece = piece.items[step] if step < len(piece.items) else None
            else:
                piece = piece.entries.get(step)
        return piece

    def replace(self, path: Path_, text: str) -> None:
        """Write another value where a scalar, a flow value or nothing stands.

        Raises:
            ConfigurationError: there is no such value, or it is an alias, has an anchor or a tag, or is a block.
        """
        piece = self._required(path)
        if piece.kind == "alias" or piece.anchored or (piece.kind in {"list", "mapping"} and not piece.flow):
            raise self._refused(path, piece, "a plain value")
        self._splice(piece.start, piece.end, f" {text}" if piece.empty else text)

    def add(self, path: Path_, key: str, value: str) -> None:
        """Add an entry to the mapping at ``path`` (the document's own for ``()``), behind its last one.

        Args:
            path: of the mapping.
            key: as it is to be written.
            value: YAML; of several lines or with a final newline, it is a block that begins at column 0.

        Raises:
            ConfigurationError: there is no such mapping, it is an alias, it has the key, or it is written in braces and
                the value has several lines.
        """
        mapping = self._collection(path, "mapping")
        if mapping is not None and key in mapping.entries:
            raise self._refused((*path, key), mapping.keys[key], "no such key yet")
        self._append(path, mapping, _entry(key, value))

    def insert_before(self, path: Path_, before: str, key: str, value: str) -> None:
        """Add an entry to the block mapping at ``path``, above the entry ``before`` and the comments that belong to it.

        A comment that begins the file is the file's: the entry goes below it. A blank line sets the new entry apart.

        Args:
            path: of the mapping.
            before: a key of it.
            key: as it is to be written.
            value: YAML; of several lines, it is a block that begins at column 0.

        Raises:
            ConfigurationError: there is no such mapping or key, it has the new key, or it is written in braces.
        """
        mapping = self._required(path)
        if key in mapping.entries:
            raise self._refused((*path, key), mapping.keys[key], "no such key yet")
        if mapping.kind != "mapping" or mapping.flow or before not in mapping.keys:
            raise self._refused(path, mapping, f"a block with the key {before}")
        at = max(self.text.rfind("\n", 0, mapping.keys[before].start) + 1, self._begin)
        indent = self.text[at : mapping.keys[before].start]
        if indent.strip(" "):  # behind `---` or an explicit `?`
            raise self._refused((*path, before), mapping.keys[before], "a key at the begin of a line")
        lines = [indent + line if line else "" for line in _entry(key, value)]
        at = self._above_comments(at)
        self._splice(at, at, self._newline.join([*lines, "", ""]))

    def _above_comments(self, at: int) -> int:
        """The begin of the comment lines above the line at ``at``; ``at`` itself where they begin the file."""
        found = at
        while found > self._begin:
            above = max(self.text.rfind("\n", 0, found - 1) + 1, self._begin)
            if not self.text[above:found].lstrip(" ").startswith("#"):
                return found
            found = above
        return at

    def append(self, path: Path_, value: str) -> None:
        """Add an item to the list at ``path``, behind its last one.

        Args:
            path: of the list.
            value: YAML; of several lines, it is a block that begins at column 0.

        Raises:
            ConfigurationError: as for `add`.
        """
        sequence = self._collection(path, "list")
        first, *rest = value.splitlines()
        if sequence is None or not (sequence.flow and sequence.items):
            first = f"- {first}"
        self._append(path, sequence, [first, *(f"  {line}".rstrip() for line in rest)])

    def _append(self, path: Path_, collection: Piece | None, lines: list[str]) -> None:
        if collection is None:  # an empty document
            self._splice(len(self.text), len(self.text), self._newline.join([*lines, ""]))
        elif collection.entries or collection.items:
            if collection.flow:
                self._into_flow(path, collection, lines)
            else:
                self._behind(collection, lines)
        else:
            self._first(path, collection, lines)

    def _into_flow(self, path: Path_, collection: Piece, lines: list[str]) -> None:
        if len(lines) > 1:
            raise self._refused(path, collection, "a block, because the new entry has several lines")
        last = (collection.items or tuple(collection.entries.values()))[-1]
        self._splice(last.end, last.end, f", {lines[0]}")

    def _behind(self, collection: Piece, lines: list[str]) -> None:
        """Behind the line on which the block ends, with a blank line before where its entries are set apart so."""
        at = self._line_end(collection.end)
        indented = [" " * collection.column + line if line else "" for line in lines]
        gap = [""] if len(lines) > 1 and self._set_apart(collection) else []
        self._splice(at, at, self._newline + self._newline.join([*gap, *indented]))

    def _first(self, path: Path_, collection: Piece, lines: list[str]) -> None:
        """In place of nothing, ``{}`` or ``[]``: a block below the key, whose comment stays beside it."""
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

    def _collection(self, path: Path_, kind: str) -> Piece | None:
        if not path and self._root is None:
            return None
        piece = self._required(path)
        if piece.anchored and not (piece.entries or piece.items):
            raise self._refused(path, piece, f"a {kind} without an anchor")
        if piece.kind != kind and not piece.empty:
            raise self._refused(path, piece, f"a {kind}")
        return piece

    def _required(self, path: Path_) -> Piece:
        piece = self.find(path)
        if piece is None:
            raise ConfigurationError(f"{self.file}: no {_dotted(path)}", key=_dotted(path), expected="it to be there")
        return piece

    def _refused(self, path: Path_, piece: Piece, expected: str) -> ConfigurationError:
        return ConfigurationError(
            f"{_dotted(path)} cannot be edited here",
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


def _dotted(path: Path_) -> str:
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path).removeprefix(".")
