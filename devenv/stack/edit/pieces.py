"""The pieces of a YAML text: each value with its first and last character, as edits need them.

The nodes of :mod:`devenv.stack.yaml.parser` have only the start of a value, for messages. An edit also needs its end,
how it is written, and whether it is an alias, whose text is elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import field
from typing import Any, Literal

import yaml

from devenv.errors import Location
from devenv.immutable import immutable
from devenv.stack.yaml.syntax_errors import syntax_error

Kind = Literal["scalar", "list", "mapping", "alias"]


@immutable(kw_only=True)
class Piece:
    """A value of the text.

    Attributes:
        start: index of its first character, anchor and tag included.
        end: index after its last character; comments and blank lines after it are not part of it.
        line: of its first character, from 0.
        column: of its first character, from 0.
        flow: written in brackets or braces.
        anchored: an anchor or a tag precedes it.
        text: a scalar's value, or the anchor that an alias refers to.
        keys: for each entry of a mapping, the key as a piece.
        entries: values of a mapping by key, in order; a merge key is an entry called ``<<``.
        items: values of a list.
    """

    kind: Kind
    start: int
    end: int
    line: int
    column: int
    flow: bool = False
    anchored: bool = False
    text: str = ""
    keys: dict[str, Piece] = field(default_factory=dict)
    entries: dict[str, Piece] = field(default_factory=dict)
    items: tuple[Piece, ...] = ()

    @property
    def empty(self) -> bool:
        """Whether it has no text, as the value of ``key:``."""
        return self.kind == "scalar" and self.start == self.end

    def location(self, file: str) -> Location:
        """Return its place in ``file``, for a message."""
        return Location(file, self.line + 1, self.column + 1)


def read_pieces(text: str, file: str) -> Piece | None:
    """Return the first document of ``text``, or None if there is none.

    Raises:
        StackFileError: If the text is not YAML.
    """
    # The Python scanner: its marks count characters, and speed does not matter for an edit.
    events = iter(yaml.parse(text, Loader=yaml.SafeLoader))
    try:
        for event in events:
            if isinstance(event, yaml.DocumentStartEvent):
                return _piece(next(events), events, text)
    except yaml.YAMLError as error:
        raise syntax_error(error, text, file) from error
    return None


def _piece(event: Any, events: Iterator[Any], text: str) -> Piece:
    start, end = event.start_mark.index, event.end_mark.index
    place = {"start": start, "line": event.start_mark.line, "column": event.start_mark.column}
    if isinstance(event, yaml.AliasEvent):
        return Piece(kind="alias", end=end, text=str(event.anchor), **place)
    anchored = bool(event.anchor or event.tag)
    if isinstance(event, yaml.ScalarEvent):
        if event.style in ("|", ">"):
            end = start + len(text[start:end].rstrip())
        return Piece(kind="scalar", end=end, text=event.value, anchored=anchored, **place)
    flow = bool(event.flow_style)
    if isinstance(event, yaml.SequenceStartEvent):
        items: list[Piece] = []
        while not isinstance(item := next(events), yaml.SequenceEndEvent):
            items.append(_piece(item, events, text))
        last = _end(item) if flow or not items else items[-1].end
        return Piece(kind="list", end=last, flow=flow, anchored=anchored, items=tuple(items), **place)
    keys: dict[str, Piece] = {}
    entries: dict[str, Piece] = {}
    while not isinstance(item := next(events), yaml.MappingEndEvent):
        key = _piece(item, events, text)
        keys[key.text], entries[key.text] = key, _piece(next(events), events, text)
    last = _end(item) if flow or not entries else next(reversed(entries.values())).end
    return Piece(kind="mapping", end=last, flow=flow, anchored=anchored, keys=keys, entries=entries, **place)


def _end(event: Any) -> int:
    index: int = event.end_mark.index
    return index
