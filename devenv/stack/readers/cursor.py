"""Reads typed values from nodes; a wrong value is noted with its place, and a default is used instead.

A reader function therefore never stops at the first error of a file.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from devenv.errors import Location
from devenv.immutable import immutable
from devenv.model.extension import parse_duration
from devenv.stack.problems import Problems
from devenv.stack.yaml import scalars
from devenv.stack.yaml.nodes import ListNode, MapNode, Node, ScalarNode, atom_text, describe, is_null
from devenv.suggestions import is_slip, suggest

_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([kmgtp]?)(?:i?b)?", re.IGNORECASE)
_POWERS = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4, "p": 5}
_OLD_OCTAL = re.compile(r"[-+]?0[0-7]+")
_OLD_BOOLEANS = {"y": True, "yes": True, "on": True, "n": False, "no": False, "off": False}
_NOT_ALPHANUMERIC = re.compile(r"[\W_]+")
EXTENSION = "x-devenv"


@immutable()
class Cursor:
    """A node, its key path, its problems, and the place of its key (``None`` for items of lists)."""

    node: Node
    key: str
    problems: Problems
    key_place: Location | None = None

    @property
    def place(self) -> Location:
        """Place of the key, else of the value."""
        return self.key_place or self.node.place

    def error(self, message: str, *, expected: str = "", hint: str = "", found: str | None = None) -> None:
        """Note a problem with this value."""
        found = describe(self.node) if found is None else found
        self.problems.add(message, self.node.place, key=self.key, found=found, expected=expected, hint=hint)

    def wrong(self, expected: str, hint: str = "") -> None:
        """Note that this value is not as expected."""
        self.error(f"{self.key} must be {expected}, found {describe(self.node)}", expected=expected, hint=hint)

    def text(self) -> str | None:
        """Return a string; numbers and booleans become the text that Compose makes of them."""
        if isinstance(self.node, ScalarNode) and self.node.value is not None:
            text = atom_text(self.node.value)
            if self.node.written not in ("", text) and not isinstance(self.node.value, bool):
                self._warn_of_number(self.node.written, text)
            return text
        self.wrong("text")
        return None

    def _warn_of_number(self, written: str, text: str) -> None:
        """Warn that an unquoted number loses digits (``1.10``), or that Compose reads another number."""
        octal = _OLD_OCTAL.fullmatch(written)
        other = f" ({int(written, 8)} under Compose)" if octal else ""
        self.problems.warn(
            f"{self.key}: {written} is read as the number {text}{other}; quote it to keep it", self.node.place
        )

    def flag(self) -> bool | None:
        """Return a boolean; the words of YAML 1.1 (``yes``, ``on``) are accepted with a warning, as in Compose."""
        value = self.node.value if isinstance(self.node, ScalarNode) else None
        if isinstance(value, bool):
            return value
        word = value.lower() if isinstance(value, str) else ""
        if word in ("true", "false"):
            return word == "true"
        if word in _OLD_BOOLEANS:
            meant = "true" if _OLD_BOOLEANS[word] else "false"
            self.problems.warn(f"{self.key}: {value!r} is text in YAML 1.2; read as {meant}", self.node.place)
            return _OLD_BOOLEANS[word]
        self.wrong("true or false")
        return None

    def integer(self, least: int | None = None) -> int | None:
        """Return an integer of at least ``least``."""
        value = self.node.value if isinstance(self.node, ScalarNode) else None
        number = scalars.integer(value.strip()) if isinstance(value, str) else value
        if not isinstance(number, int) or isinstance(number, bool):
            self.wrong("a whole number")
            return None
        if least is not None and number < least:
            self.wrong(f"a whole number of at least {least}")
            return None
        return number

    def number(self) -> float | None:
        """Return a number of at least 0."""
        value = self.node.value if isinstance(self.node, ScalarNode) else None
        number = scalars.number(value.strip()) if isinstance(value, str) else value
        if not isinstance(number, int | float) or isinstance(number, bool) or not 0 <= number < 1e12:
            self.wrong("a number of at least 0")
            return None
        return float(number)

    def duration(self) -> float | None:
        """Return the seconds of a duration such as ``1m30s``."""
        value = self.node.value if isinstance(self.node, ScalarNode) else None
        try:
            seconds = parse_duration(value)
        except ValueError as error:
            self.wrong(str(error))
            return None
        if not 0 <= seconds < 1e12:
            self.wrong("a duration of at least 0")
            return None
        return seconds

    def size(self) -> int | None:
        """Return the bytes of a size such as ``512m`` or ``1.5gb``."""
        value = self.node.value if isinstance(self.node, ScalarNode) else None
        match = _SIZE.fullmatch(atom_text(value).strip()) if not isinstance(value, bool) else None
        if match is None or len(match.group(1)) > 24:
            self.wrong("a size such as 512m or 1.5gb")
            return None
        return int(float(match.group(1)) * 1024.0 ** _POWERS[match.group(2).lower()])

    def choice(self, allowed: Iterable[str]) -> str | None:
        """Return one of ``allowed``."""
        allowed = tuple(allowed)
        text = self.text()
        if text is None or text in allowed:
            return text
        self.wrong(f"one of {', '.join(allowed)}", hint=suggest(text, allowed))
        return None

    def items(self) -> list[Cursor]:
        """Return the items of a list."""
        if isinstance(self.node, ListNode):
            return [Cursor(item, f"{self.key}[{i}]", self.problems) for i, item in enumerate(self.node.items)]
        if not is_null(self.node):
            self.wrong("a list")
        return []

    def texts(self) -> tuple[str, ...]:
        """Return a list of strings."""
        return tuple(text for item in self.items() if (text := item.text()) is not None)

    def members(self) -> dict[str, Cursor]:
        """Return the values of a mapping with user-defined keys (names of services, variables)."""
        if isinstance(self.node, MapNode):
            return {
                name: Cursor(entry.node, f"{self.key}.{name}" if self.key else name, self.problems, entry.key_place)
                for name, entry in self.node.entries.items()
            }
        if not is_null(self.node):
            self.wrong("a mapping")
        return {}

    def table(self) -> dict[str, str]:
        """Return a mapping of names to text; null is the empty text."""
        result: dict[str, str] = {}
        for name, member in self.members().items():
            text = "" if is_null(member.node) else member.text()
            if text is not None:
                result[name] = text
        return result

    def fields(
        self,
        known: Iterable[str],
        *,
        refused: Mapping[str, str] | None = None,
        ignored: Mapping[str, str] | None = None,
        extension: bool = False,
    ) -> Fields:
        """Return the values of a mapping with fixed keys; every other key is noted by name.

        Args:
            known: supported keys.
            refused: keys of the Compose Spec that are errors, with a hint for each.
            ignored: keys of the Compose Spec that are ignored with a warning, with the effect of that.
            extension: whether ``x-devenv`` is allowed; other ``x-`` keys belong to the user.
        """
        keys = _Keys(tuple(known), refused or {}, ignored or {}, extension)
        members = self.members()
        for name, member in members.items():
            if name not in keys.known and not (extension and name == EXTENSION):
                keys.note(name, member, self.key)
        return Fields(self, members)


@immutable()
class _Keys:
    """The keys of one kind of mapping: the arguments of :meth:`Cursor.fields`."""

    known: tuple[str, ...]
    refused: Mapping[str, str]
    ignored: Mapping[str, str]
    extension: bool

    def note(self, name: str, member: Cursor, parent: str) -> None:
        """Note the key ``name``, which is not supported."""
        if name in self.ignored:
            member.problems.warn(f"{member.key} is ignored: {self.ignored[name]}", member.place)
        elif name in self.refused:
            self._add(f"{member.key} is not supported", name, member, hint=self.refused[name])
        elif name == EXTENSION:
            hint = "move it to the top level of the file or into a service"
            self._add("x-devenv is not allowed here", name, member, hint=hint)
        elif not name.startswith("x-"):
            every = [*self.known, *([EXTENSION] if self.extension else ())]
            message = f"unknown key {name!r}" + (f" in {parent}" if parent else "")
            hint = suggest(name, [*every, *self.refused, *self.ignored])
            self._add(message, name, member, expected=", ".join(every), hint=hint)
        elif self.extension and _is_misspelt(name):
            member.problems.warn(f"{member.key} is ignored: did you mean {EXTENSION!r}?", member.place)

    @staticmethod
    def _add(message: str, name: str, member: Cursor, *, expected: str = "", hint: str = "") -> None:
        member.problems.add(message, member.place, key=member.key, found=name, expected=expected, hint=hint)


def _is_misspelt(name: str) -> bool:
    """Whether an ``x-`` key probably means ``x-devenv``; ``x-env`` and the like belong to the user."""
    letters, meant = (_NOT_ALPHANUMERIC.sub("", text.removeprefix("x-").lower()) for text in (name, EXTENSION))
    return is_slip(letters, meant)


@immutable()
class Fields:
    """The members of a mapping by name; a key without a value counts as absent.

    Each method reads the member ``name`` as the same method of :class:`Cursor` does; an absent one has a default.
    """

    cursor: Cursor
    members: Mapping[str, Cursor]

    def get(self, name: str) -> Cursor | None:
        """Return the value of ``name``, or ``None`` if it is absent."""
        member = self.members.get(name)
        return None if member is None or is_null(member.node) else member

    def text(self, name: str) -> str | None:
        """Return a string."""
        member = self.get(name)
        return member.text() if member else None

    def flag(self, name: str, *, default: bool = False) -> bool:
        """Return a boolean."""
        member = self.get(name)
        value = member.flag() if member else None
        return default if value is None else value

    def integer(self, name: str, least: int | None = None) -> int | None:
        """Return an integer."""
        member = self.get(name)
        return member.integer(least) if member else None

    def number(self, name: str) -> float | None:
        """Return a number of at least 0."""
        member = self.get(name)
        return member.number() if member else None

    def duration(self, name: str, default: float) -> float:
        """Return seconds."""
        member = self.get(name)
        value = member.duration() if member else None
        return default if value is None else value

    def size(self, name: str) -> int | None:
        """Return bytes."""
        member = self.get(name)
        return member.size() if member else None

    def choice(self, name: str, allowed: Iterable[str]) -> str | None:
        """Return one of ``allowed``."""
        member = self.get(name)
        return member.choice(allowed) if member else None

    def items(self, name: str) -> list[Cursor]:
        """Return the items of a list."""
        member = self.get(name)
        return member.items() if member else []

    def texts(self, name: str) -> tuple[str, ...]:
        """Return a list of strings."""
        member = self.get(name)
        return member.texts() if member else ()

    def each(self, name: str) -> dict[str, Cursor]:
        """Return the members of a mapping with user-defined keys."""
        member = self.get(name)
        return member.members() if member else {}

    def table(self, name: str) -> dict[str, str]:
        """Return a mapping of names to text."""
        member = self.get(name)
        return member.table() if member else {}

    def required(self, name: str) -> Cursor | None:
        """Return the value of ``name``; its absence is a problem."""
        member = self.get(name)
        if member is None:
            self.cursor.error(f"{self.cursor.key} requires {name}", expected=name)
        return member
