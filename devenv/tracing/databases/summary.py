"""`db.query.summary`: a statement's operations and targets, as OpenTelemetry's semantic conventions describe it."""

from __future__ import annotations

import re
from typing import NamedTuple

_PART = r"(?:[\w$]+|\"[^\"]*\"|`[^`]*`|\[[^\]]*\])"
_TOKEN = re.compile(rf"{_PART}(?:\.{_PART})*|\S")
_COMMON_TABLE = re.compile(
    rf"(?:\bWITH(?:\s+RECURSIVE)?\s|,)\s*({_PART})(?:\s*\([^()]*\))?\s+AS\s+(?:(?:NOT\s+)?MATERIALIZED\s*)?\(",
    re.IGNORECASE,
)
_LONGEST = 255

# Operations inside a statement, and the words before them with which they are none (FOR UPDATE, ON DELETE CASCADE).
_INSIDE: dict[str, frozenset[str]] = {
    "SELECT": frozenset(),
    "INSERT": frozenset({"THEN", "AFTER", "BEFORE", "OR", "OF"}),
    "UPDATE": frozenset({"THEN", "AFTER", "BEFORE", "OR", "OF", "FOR", "DO", "KEY", "ON"}),
    "DELETE": frozenset({"THEN", "AFTER", "BEFORE", "OR", "OF", "ON"}),
    "MERGE": frozenset(),
}
# Operations with FROM and JOIN, and those with INTO.
_READING = frozenset({"SELECT", "DELETE", "UPDATE", "MERGE", "INSERT"})
_WRITING = frozenset({"SELECT", "INSERT", "REPLACE", "MERGE"})
_DEFINING = frozenset({"CREATE", "DROP", "ALTER"})
_DEFINED = frozenset(["TABLE", "VIEW", "INDEX", "DATABASE", "SCHEMA", "FUNCTION", "PROCEDURE", "TRIGGER", "SEQUENCE"])
_COLLECTIONS = frozenset({"TABLE", "VIEW"})
_CALLING = frozenset({"CALL", "EXEC", "EXECUTE"})
# Operations whose target follows them: a list of tables, or one name.
_DIRECT = {"UPDATE": "tables", "TRUNCATE": "tables", "COPY": "name", "USE": "name", **dict.fromkeys(_CALLING, "name")}
# Words between an operation and its target, and words that end a list of tables.
_BETWEEN = frozenset(
    "ONLY LATERAL TABLE IF NOT EXISTS CONCURRENTLY OR IGNORE ROLLBACK ABORT FAIL LOW_PRIORITY".split()  # noqa: SIM905 - read as a text
)
_ENDING = frozenset(
    "WHERE SET VALUES GROUP ORDER LIMIT HAVING UNION EXCEPT INTERSECT RETURNING FOR WINDOW DEFAULT AS KEY".split()  # noqa: SIM905 - as above
)


class Summary(NamedTuple):
    """The summary of a statement.

    Attributes:
        text: Operations and targets, at most 255 characters.
        operation: The operation, empty if there are several.
        target: The table, view or procedure, empty if there is none or several.
    """

    text: str
    operation: str
    target: str


def summarize(text: str) -> Summary:
    """Summarize a statement without literals and comments; names stand as they are written.

    Source: "Generating a summary of the query" in the semantic conventions for database client spans.
    """
    common = {found.lower() for found in _COMMON_TABLE.findall(text)} if "with" in text.lower() else set()
    reader = _Reader(common)
    reader.read(_TOKEN.findall(text))
    operations = {operation.upper() for operation in reader.operations}
    return Summary(
        _joined(reader.parts),
        reader.operations[0] if len(operations) == 1 else "",
        reader.targets[0] if len(set(reader.targets)) == 1 else "",
    )


def _joined(parts: list[str]) -> str:
    text = ""
    for part in parts:
        longer = f"{text} {part}" if text else part
        if len(longer) > _LONGEST:
            break
        text = longer
    return text


class _Reader:
    """Reads words; what it knows of a pair of parentheses is restored after it.

    Attributes:
        wants: What the next name is: one of "tables", a "name", or nothing of interest.
        operation: The operation within these parentheses.
        listing: Whether a comma is followed by another table.
        apart: Whether the next name is one of no table (an index, a database).
    """

    def __init__(self, common: set[str]) -> None:
        self.common = common
        self.parts: list[str] = []
        self.operations: list[str] = []
        self.targets: list[str] = []
        self.wants = ""
        self.operation = ""
        self.listing = False
        self.apart = False
        self.first = True
        self.previous = ""
        self.outer: list[tuple[str, bool]] = []

    def read(self, pieces: list[str]) -> None:
        for piece, following in zip(pieces, [*pieces[1:], ""]):
            if len(piece) > 1 or piece.isalnum() or piece == "_":
                self._word(piece, following)
            else:
                self._sign(piece)
            self.previous = piece.upper()

    def _sign(self, piece: str) -> None:
        if piece == "(":
            self.outer.append((self.operation, self.listing))
            self.listing = self.wants == "tables"
            self.operation = self.operation if self.listing else ""
        elif piece == ")":
            self.operation, self.listing = self.outer.pop() if self.outer else ("", False)
        elif piece == ";":
            self.first, self.listing, self.operation = True, False, ""
        if piece == ",":
            self.wants = "tables" if self.listing else ""
        elif piece != "(" or not self.listing:
            self.wants = ""

    def _word(self, piece: str, following: str) -> None:
        word = piece.upper()
        if self.wants and word in _BETWEEN:
            return
        if self.first or (word in _INSIDE and self.previous not in _INSIDE[word]):
            self._operate(piece, word)
        elif word in {"FROM", "JOIN", "USING"}:
            self._read_from(word)
        elif word == "INTO":
            self.wants = "name" if self.operation in _WRITING else ""
        elif word in _DEFINED and self.operation in _DEFINING and not self.wants:
            self.wants, self.apart = "name", word not in _COLLECTIONS
        elif word in _ENDING:
            self.wants, self.listing = "", False
        elif self.wants:
            self._target(piece, following)

    def _operate(self, piece: str, word: str) -> None:
        self.first = False
        self.listing = False
        self.wants, self.apart = _DIRECT.get(word, ""), word == "USE"
        if word == "WITH":  # its queries and the statement behind it are what operates
            return
        self.operation = word
        self.parts.append(piece)
        self.operations.append(piece)

    def _read_from(self, word: str) -> None:
        reading = self.operation in _READING and self.previous != "DISTINCT"  # no EXTRACT(… FROM …), no DISTINCT FROM
        if reading and (word != "USING" or self.operation in {"DELETE", "MERGE"}):
            self.wants = "tables"

    def _target(self, piece: str, following: str) -> None:
        self.listing = self.wants == "tables"
        function = self.listing and following == "("
        self.wants = ""
        if not function and piece.lower() not in self.common:
            self.parts.append(piece)
            if not self.apart:
                self.targets.append(piece)
        self.apart = False
        if self.operation in _DEFINING:
            self.operation = f"{self.operation} …"  # one name is defined; others are its columns' tables
