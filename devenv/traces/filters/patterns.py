"""Regular expressions in RE2's syntax, matched in linear time: a filter's pattern comes from a client.

Python's own matcher backtracks: a pattern of ten characters occupies it for hours. Jaeger refuses the constructs on
which its storages differ (anchors, word boundaries, lazy quantifiers, flags), and so does this module.
docs/decisions/filters.md says why no library is used.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

MAX_PATTERN = 1000
_MAX_STATES = 500
_MAX_PARTS = 10_000
_MAX_REPEATS = 1000
_MAX_DEPTH = 50
_MAX_CACHED = 100_000
MAX_TEXT = 16 * 1024
"""Characters of a value in which a pattern is looked for."""

_ENDLESS = -1

Accepts = Callable[[str], bool]
Range = tuple[int, int]

_DIGITS = [(48, 57)]
_WORD = [(48, 57), (65, 90), (95, 95), (97, 122)]
_SPACE = [(9, 10), (12, 13), (32, 32)]
_CLASSES = {"d": _DIGITS, "w": _WORD, "s": _SPACE}
_CONTROL = {"t": "\t", "n": "\n", "r": "\r", "f": "\f", "v": "\v", "a": "\a"}
_ANCHORS = "a pattern matches anywhere in the value, so it has no anchors"


class PatternError(ValueError):
    """A pattern is not in the accepted syntax; ``position`` counts from 0."""

    def __init__(self, message: str, position: int) -> None:
        super().__init__(message)
        self.position = position


@dataclass(slots=True)
class _Node:
    """A part of a pattern: one character (``accepts``), or a sequence, choice or repetition of parts."""

    kind: str
    parts: list[_Node] = field(default_factory=list)
    accepts: Accepts | None = None
    least: int = 1
    most: int = 1
    literal: str = ""


class Pattern:
    """A compiled pattern.

    Raises:
        PatternError: If it is not in the accepted syntax, or too large.
    """

    def __init__(self, source: str) -> None:
        tree = _Parser(source).parse()
        self.source = source
        self.literal = _literal(tree)
        self._automaton = None if self.literal is not None else _Automaton(tree)

    def within(self, text: str) -> bool:
        """Return whether some part of ``text`` matches, of a long one among the first :data:`MAX_TEXT` characters."""
        if self._automaton is None:
            return (self.literal or "") in text[:MAX_TEXT]
        return self._automaton.within(text)


def _literal(tree: _Node) -> str | None:
    """The text that is the whole pattern, or ``None`` if it has operators."""
    if tree.kind == "one":
        return tree.literal or None
    if tree.kind != "sequence":
        return None
    parts = [_literal(part) for part in tree.parts]
    return None if None in parts else "".join(part or "" for part in parts)


class _Parser:
    def __init__(self, source: str) -> None:
        if len(source) > MAX_PATTERN:
            raise PatternError(f"the pattern has {len(source)} characters, expected at most {MAX_PATTERN}", 0)
        self._source = source
        self._at = 0
        self._depth = 0

    def parse(self) -> _Node:
        found = self._choice()
        if self._at < len(self._source):
            raise PatternError("found ')' without '('", self._at)
        return found

    def _peek(self) -> str:
        return self._source[self._at] if self._at < len(self._source) else ""

    def _choice(self) -> _Node:
        found = [self._sequence()]
        while self._peek() == "|":
            self._at += 1
            found.append(self._sequence())
        return found[0] if len(found) == 1 else _Node("choice", found)

    def _sequence(self) -> _Node:
        parts: list[_Node] = []
        while self._peek() not in {"", "|", ")"}:
            parts.append(self._repeated(self._single()))
        return parts[0] if len(parts) == 1 else _Node("sequence", parts)

    def _repeated(self, part: _Node) -> _Node:
        start = self._at
        bounds = self._bounds()
        if bounds is None:
            return part
        if self._peek() == "?":
            raise PatternError("a quantifier cannot be lazy: only whether the value matches is asked", self._at)
        if self._peek() in {"*", "+"} or (self._peek() == "{" and self._braces() is not None):
            raise PatternError("found a quantifier after a quantifier", self._at)
        least, most = bounds
        if max(least, most) > _MAX_REPEATS:
            raise PatternError(f"found a count above {_MAX_REPEATS}", start)
        if 0 <= most < least:
            raise PatternError("found a maximum below the minimum", start)
        return _Node("repeat", [part], least=least, most=most)

    def _bounds(self) -> tuple[int, int] | None:
        character = self._peek()
        if character in {"*", "+", "?"} and character:
            self._at += 1
            return {"*": (0, _ENDLESS), "+": (1, _ENDLESS), "?": (0, 1)}[character]
        if character != "{":
            return None
        found = self._braces()
        if found is None:
            return None
        least, most, self._at = found
        return least, most

    def _braces(self) -> tuple[int, int, int] | None:
        """Counts and the position behind ``{2}``, ``{2,}`` or ``{2,3}``; ``None`` if the brace is a character."""
        end = self._source.find("}", self._at)
        if end < 0:
            return None
        least, comma, most = self._source[self._at + 1 : end].partition(",")
        if not _number(least) or (most and not _number(most)):
            return None
        return int(least), (int(most) if most else _ENDLESS) if comma else int(least), end + 1

    def _single(self) -> _Node:
        start, character = self._at, self._peek()
        self._at += 1
        if character == "(":
            return self._group(start)
        if character == "[":
            return _Node("one", accepts=self._set(start))
        if character == ".":
            return _Node("one", accepts=lambda one: one != "\n")
        if character == "\\":
            return self._escape(start)
        if character in "*+?":
            raise PatternError(f"found {character!r} with nothing to repeat before it", start)
        if character in "^$":
            raise PatternError(f"found {character!r}: {_ANCHORS}", start)
        return _one(character)

    def _group(self, start: int) -> _Node:
        if self._peek() == "?":
            self._group_head(start)
        self._depth += 1
        if self._depth > _MAX_DEPTH:
            raise PatternError(f"groups nest more than {_MAX_DEPTH} deep", start)
        found = self._choice()
        if self._peek() != ")":
            raise PatternError("found '(' without ')'", start)
        self._at += 1
        self._depth -= 1
        return found

    def _group_head(self, start: int) -> None:
        rest = self._source[self._at :]
        if rest.startswith("?:"):
            self._at += 2
            return
        for head in ("?P<", "?<"):
            if rest.startswith(head) and rest[len(head) : len(head) + 1] not in {"=", "!", ""}:
                end = rest.find(">")
                if end > 0 and rest[len(head) : end].isidentifier():
                    self._at += end + 1
                    return
        raise PatternError("found '(?', expected '(?:' or '(?P<name>': flags and look-around are not accepted", start)

    def _escape(self, start: int) -> _Node:
        character = self._peek()
        self._at += 1
        if character == "":
            raise PatternError("found '\\' at the end", start)
        if character.lower() in _CLASSES:
            return _Node("one", accepts=_ranged(_CLASSES[character.lower()], character.isupper()))
        if character in "bBAzZ":
            raise PatternError(f"found '\\{character}': {_ANCHORS} or word boundaries", start)
        return _one(self._escaped(character, start))

    def _escaped(self, character: str, start: int) -> str:
        if character in _CONTROL:
            return _CONTROL[character]
        if character == "x":
            return self._hexadecimal(start)
        if character.isascii() and not character.isalnum() and character != "_":
            return character
        raise PatternError(f"found '\\{character}', which has no meaning", start)

    def _hexadecimal(self, start: int) -> str:
        if self._peek() == "{":
            end = self._source.find("}", self._at)
            digits, after = self._source[self._at + 1 : end], end + 1
        else:
            digits, after = self._source[self._at : self._at + 2], self._at + 2
        self._at = after
        valid = 0 < len(digits) <= 6 and all(digit in "0123456789abcdefABCDEF" for digit in digits)
        if not valid or int(digits, 16) > 0x10FFFF:
            raise PatternError("found '\\x', expected two hexadecimal digits, or some in braces", start)
        return chr(int(digits, 16))

    def _set(self, start: int) -> Accepts:
        negated = self._peek() == "^"
        self._at += negated
        ranges: list[Range] = []
        first = True
        while first or self._peek() != "]":
            if self._peek() == "" or self._source.startswith("[:", self._at):
                raise PatternError("found '[' without ']', or a named class, which is not accepted", start)
            low = self._member(ranges)
            first = False
            if low is None:
                continue
            high = low
            if self._peek() == "-" and self._source[self._at + 1 : self._at + 2] not in {"]", ""}:
                self._at += 1
                high = self._member([]) or ""
                if high < low:
                    raise PatternError("found a range whose end is before its start", start)
            ranges.append((ord(low), ord(high)))
        self._at += 1
        return _ranged(ranges, negated)

    def _member(self, ranges: list[Range]) -> str | None:
        r"""One character of a set; ``None`` for a class such as ``\\d``, whose ranges are added."""
        start, character = self._at, self._peek()
        self._at += 1
        if character != "\\":
            return character
        character = self._peek()
        self._at += 1
        if character and character.lower() in _CLASSES:
            found = _CLASSES[character.lower()]
            ranges.extend(_others(found) if character.isupper() else found)
            return None
        return self._escaped(character, start) if character else self._fail(start)

    def _fail(self, start: int) -> str:
        raise PatternError("found '\\' at the end", start)


def _number(digits: str) -> bool:
    return digits.isascii() and digits.isdecimal() and len(digits) <= 4


def _one(character: str) -> _Node:
    return _Node("one", accepts=lambda one: one == character, literal=character)


def _ranged(ranges: list[Range], negated: bool) -> Accepts:
    def accepts(one: str) -> bool:
        code = ord(one)
        return any(low <= code <= high for low, high in ranges) is not negated

    return accepts


def _others(ranges: list[Range]) -> list[Range]:
    """The characters outside of sorted ranges."""
    starts = [0, *(high + 1 for _, high in ranges)]
    ends = [*(low - 1 for low, _ in ranges), 0x10FFFF]
    return [(low, high) for low, high in zip(starts, ends, strict=True) if low <= high]


class _Automaton:
    """Thompson's automaton, made deterministic as far as texts need it.

    A state either leads to others at once (``_empty``), or by one character (``_steps``); state 0 accepts.
    """

    def __init__(self, tree: _Node) -> None:
        self._empty: list[list[int]] = [[]]
        self._steps: list[tuple[Accepts, int] | None] = [None]
        self._parts = 0
        self._start = self._closure({self._build(tree, 0)})
        self._known: dict[tuple[frozenset[int], str], frozenset[int]] = {}
        self._held = 0

    def within(self, text: str) -> bool:
        current = self._start
        if 0 in current:
            return True
        known = self._known
        for character in text[:MAX_TEXT]:
            after = known.get((current, character))
            if after is None:
                after = self._after(current, character)
            if 0 in after:
                return True
            current = after
        return False

    def _after(self, current: frozenset[int], character: str) -> frozenset[int]:
        reached = {step[1] for state in current if (step := self._steps[state]) is not None and step[0](character)}
        found = self._closure(reached) | self._start  # a match may begin at each character
        self._held += len(found) + 1
        if self._held > _MAX_CACHED:
            self._known.clear()
            self._held = 0
        self._known[current, character] = found
        return found

    def _closure(self, states: set[int]) -> frozenset[int]:
        found, waiting = set(states), list(states)
        while waiting:
            for state in self._empty[waiting.pop()]:
                if state not in found:
                    found.add(state)
                    waiting.append(state)
        return frozenset(found)

    def _state(self, empty: list[int], step: tuple[Accepts, int] | None = None) -> int:
        if len(self._empty) > _MAX_STATES:
            raise PatternError("the pattern has too many repetitions", 0)
        self._empty.append(empty)
        self._steps.append(step)
        return len(self._empty) - 1

    def _build(self, node: _Node, after: int) -> int:
        """The first state of ``node``, which leads to the state ``after``."""
        self._parts += 1
        if self._parts > _MAX_PARTS:
            raise PatternError("the pattern has too many repetitions", 0)
        if node.kind == "one" and node.accepts is not None:
            return self._state([], (node.accepts, after))
        if node.kind == "choice":
            return self._state([self._build(part, after) for part in node.parts])
        if node.kind == "sequence":
            for part in reversed(node.parts):
                after = self._build(part, after)
            return after
        (part,) = node.parts
        if node.most == _ENDLESS:
            loop = self._state([after])
            self._empty[loop].append(self._build(part, loop))
            after = loop
        for _ in range(max(node.most - node.least, 0)):
            after = self._state([after, self._build(part, after)])
        for _ in range(node.least):
            after = self._build(part, after)
        return after
