"""Database spans: a statement's operation, table and text without values."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from opentelemetry.trace import INVALID_SPAN, Span, SpanKind

from devenv.tracing.active import state
from devenv.tracing.context.ambient import SPAN_KEY, current
from devenv.tracing.context.suppression import is_suppressed
from devenv.tracing.light.shared import Shared
from devenv.tracing.process.faults import fault
from devenv.tracing.process.versions import SLOTS
from devenv.tracing.spans import SpanScope

_LITERAL = re.compile(
    r"'(?:[^']|'')*'|(?<![\w$:@?.\"])[-+]?(?:0[xX][0-9a-fA-F]+|\d+(?:\.\d*)?(?:[eE][-+]?\d+)?)\b|\bX'[0-9a-fA-F]*'",
    re.IGNORECASE,
)
_SPACE = re.compile(r"\s+")
_COMMENT = re.compile(r"--[^\n]*|/\*.*?\*/", re.DOTALL)
_NAME = r"[\"`\[]?([\w.$]+)"
_TABLE = {
    "SELECT": re.compile(rf"\bFROM\s+{_NAME}", re.IGNORECASE),
    "DELETE": re.compile(rf"\bFROM\s+{_NAME}", re.IGNORECASE),
    "INSERT": re.compile(rf"\bINTO\s+{_NAME}", re.IGNORECASE),
    "REPLACE": re.compile(rf"\bINTO\s+{_NAME}", re.IGNORECASE),
    "UPDATE": re.compile(rf"\bUPDATE\s+(?:OR\s+\w+\s+)?{_NAME}", re.IGNORECASE),
    "CREATE": re.compile(rf"\bTABLE\s+(?:IF\s+NOT\s+EXISTS\s+)?{_NAME}", re.IGNORECASE),
    "DROP": re.compile(rf"\bTABLE\s+(?:IF\s+EXISTS\s+)?{_NAME}", re.IGNORECASE),
    "ALTER": re.compile(rf"\bTABLE\s+{_NAME}", re.IGNORECASE),
}
_LONGEST = 2048


@dataclass(frozen=True, **SLOTS)
class Statement:
    """A statement as it is recorded in spans."""

    operation: str
    collection: str
    text: str

    @property
    def name(self) -> str:
        """Return the span's name: operation and table."""
        return f"{self.operation} {self.collection}" if self.collection else self.operation


def describe(sql: str) -> Statement:
    """Describe a statement; its literals are replaced by `?`, so that no value is recorded."""
    text = _SPACE.sub(" ", _LITERAL.sub("?", _COMMENT.sub(" ", sql))).strip()
    operation = text.partition(" ")[0].rstrip(";").upper() or "QUERY"
    if operation == "WITH":
        inner = re.search(r"\)\s*(SELECT|INSERT|UPDATE|DELETE)\b", text, re.IGNORECASE)
        operation = inner[1].upper() if inner else operation
    pattern = _TABLE.get(operation)
    found = pattern.search(text) if pattern else None
    return Statement(operation, found[1] if found else "", text[:_LONGEST])


def db_span(system: str, statement: str, *, namespace: str = "", **attributes: Any) -> SpanScope | Span:
    """Create a client span for one database statement, for a `with` block; none in a context that suppresses spans.

    Args:
        system: `db.system.name`: `sqlite`, `postgresql`, `mysql`, `redis`, …
        statement: The statement; values in it are replaced before it is recorded.
        namespace: The database's name.
        **attributes: Additional attributes; write a dotted name with `__`.
    """
    context = current()
    span: Any = context.get(SPAN_KEY)
    if span.__class__ is state.passing:
        return span  # type: ignore[return-value] # `passing` is the class of a span
    try:
        if state.off or ((len(context) > 1 or span is None) and is_suppressed(context)):
            return state.passive() or INVALID_SPAN
        name, shared = _shared(system, statement, namespace)
        own = {key.replace("__", "."): value for key, value in attributes.items()} if attributes else None
    except Exception as error:  # noqa: BLE001 - logged; such as a statement that is not a text
        fault(system, error)
        return INVALID_SPAN
    return SpanScope(name, SpanKind.CLIENT, own, None, shared)


@lru_cache(maxsize=512)
def _shared(system: str, statement: str, namespace: str) -> tuple[str, Shared]:
    described = describe(statement)
    values = {"db.system.name": system, "db.operation.name": described.operation, "db.query.text": described.text}
    if described.collection:
        values["db.collection.name"] = described.collection
    if namespace:
        values["db.namespace"] = namespace
    return described.name, Shared(values)
