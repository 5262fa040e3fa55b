"""Splits the text form of a filter into tokens with their columns."""

from __future__ import annotations

import re

from devenv.immutable import immutable
from devenv.traces.filters.expression import MAX_LENGTH, FilterError

KEYWORDS = frozenset({"and", "or", "not", "in", "exists", "any"})
"""Words with a meaning; as a value or a key they are quoted."""

BARE = re.compile(r"[^\s()\"',=<>!~@\\]+\Z")
"""A value or a part of a key that needs no quotes."""

EXCERPT = 70
"""Characters of a filter that are shown with an error."""

_TOKEN = re.compile(
    r"""\s*(?:
        (?P<word>[^\s()"',=<>!~@\\]+)
      | (?P<operator><=|>=|!=|==|=|<|>|~)
      | (?P<mark>[(),@])
      | (?P<quote>["'])
      | (?P<end>\Z)
    )""",
    re.VERBOSE,
)
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r"}


@immutable()
class Token:
    """One token; ``kind`` is word, text (what was quoted), operator, mark or end; columns count from 1.

    ``after`` is the column behind it.
    """

    kind: str
    value: str
    column: int
    after: int

    @property
    def shown(self) -> str:
        """The token as an error names it."""
        if self.kind == "end":
            return "the end"
        return repr(self.value if len(self.value) <= 40 else self.value[:39] + "…")

    def is_word(self, *words: str) -> bool:
        """Whether it is one of these words, in either case."""
        return self.kind == "word" and self.value.lower() in words


def tokens(text: str) -> list[Token]:
    """Split a filter; the last token is of kind ``end``.

    Raises:
        FilterError: If there is a character with no meaning, a quote that does not end, or too much text.
    """
    if len(text) > MAX_LENGTH:
        raise FilterError(f"the filter has {len(text)} characters, expected at most {MAX_LENGTH}", column=1)
    found: list[Token] = []
    position = 0
    while not found or found[-1].kind != "end":
        matched = _TOKEN.match(text, position)
        if matched is None:
            blanks = re.compile(r"\s*").match(text, position)
            at = blanks.end() if blanks else position
            hint = "quote a value that has such a character"
            raise FilterError(f"found {text[at]!r}, which has no meaning here", column=at + 1, hint=hint)
        kind = matched.lastgroup or "end"
        value, start, position = matched[kind], matched.start(kind), matched.end()
        if kind == "quote":
            value, position = _quoted(text, start)
            kind = "text"
        found.append(Token(kind, value, start + 1, position + 1))
    return found


def _quoted(text: str, start: int) -> tuple[str, int]:
    """The content of the quotes at ``start``, and the position behind them."""
    quote, position = text[start], start + 1
    parts: list[str] = []
    while position < len(text):
        character = text[position]
        if character == quote:
            return "".join(parts), position + 1
        if character == "\\" and position + 1 < len(text):
            position += 1
            character = _ESCAPES.get(text[position], text[position])
            if text[position] not in {*_ESCAPES, "\\", '"', "'"}:
                character = "\\" + text[position]  # a pattern's backslash need not be doubled
        parts.append(character)
        position += 1
    raise FilterError(f"found {quote} without its end", column=start + 1, hint=f"add a closing {quote}")


def quoted(value: str) -> str:
    """A value in quotes, as :func:`tokens` reads it."""
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + escaped.replace("\n", "\\n").replace("\t", "\\t").replace("\r", "\\r") + '"'


def pointed(text: str, column: int) -> list[str]:
    """The part of a filter around a column, in one line, and a line with a caret below it; nothing of an empty one."""
    if not text.strip():
        return []
    shown = "".join(character if character.isprintable() else " " for character in text)
    start = max(column - 1 - EXCERPT // 2, 0)
    return [shown[start : start + EXCERPT], " " * (column - 1 - start) + "^"]
