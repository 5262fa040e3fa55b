"""Tags in Jaeger's own JSON: attributes, and what else of OTLP becomes a tag there."""

from __future__ import annotations

import base64
import json
import re
from functools import lru_cache
from json.encoder import encode_basestring_ascii as quoted
from typing import Any

from devenv.backend.store.decoding import ERROR, KINDS
from devenv.backend.store.scopes import Scope
from devenv.otlp.attribute_cache import AttributeCache, key_value, short_text
from devenv.otlp.span_table import MARK
from devenv.otlp.values import as_json_number, plain, text
from devenv.traces.jaeger_text import as_text

ODD = "\x01"
"""Before a sortable tag whose key does not sort as its text does; JSON text does not contain this character."""

_SAFE_INTEGER = 2**53 - 1
_OK = 1
# Keys of characters that sort after the quotation mark that ends them, and that JSON does not escape.
_sorts_as_text = re.compile(r"[#-\[\]-~]*").fullmatch


def tag(key: str, value: Any) -> str:
    """Return a tag as JSON."""
    kind, shown = _typed(value)
    return f'{{"key":{quoted(key)},"type":"{kind}","value":{shown}}}'


def sortable(key: str, value: Any) -> str:
    """Return a tag as JSON, for :func:`joined`."""
    return tag(key, value) if _sorts_as_text(key) else ODD + tag(key, value)


def joined(tags: list[str]) -> str:
    """Return sortable tags in the order of their keys, with commas between them; the list is sorted."""
    tags.sort()
    found = ",".join(tags)
    if ODD not in found:
        return found
    return ",".join(sorted((each.lstrip(ODD) for each in tags), key=lambda each: (json.loads(each)["key"], each)))


def _typed(value: Any) -> tuple[str, str]:
    if isinstance(value, str):
        return "string", quoted(value)
    if isinstance(value, bool):
        return "bool", "true" if value else "false"
    if isinstance(value, int):
        # A browser would round a number above 2^53.
        return "int64", str(value) if abs(value) <= _SAFE_INTEGER else f'"{value}"'
    if isinstance(value, float):
        finite = value - value == 0
        return "float64", json.dumps(value) if finite else f'"{as_json_number(value)}"'
    if isinstance(value, bytes):
        # Go writes no bytes as null.
        return "binary", f'"{base64.b64encode(value).decode("ascii")}"' if value else "null"
    return "string", quoted(as_text(value))


_KINDS = [[sortable("span.kind", kind)] if kind else [] for kind in KINDS]
_CODES = {code: sortable("otel.status_code", shown) for code, shown in ((_OK, "OK"), (ERROR, "ERROR"))}
_FAILED = sortable("error", True)


def status_tags(status: Any) -> list[str]:
    """Return the tags of a span's status."""
    tags = [_CODES[status.code]] if status.code in _CODES else []
    if status.code == ERROR:
        tags.append(_FAILED)
    if status.message:
        tags.append(sortable("otel.status_description", text(status.message)))
    return tags


def common_tags(scope: Scope) -> list[list[str]]:
    """Return the tags that all spans of a scope have, for each kind."""
    tags: list[list[str]] | None = scope.written.get("tags")
    if tags is None:
        given = (("otel.scope.name", scope.name), ("otel.scope.version", scope.version))
        own = [sortable(key, value) for key, value in given if value]
        tags = scope.written["tags"] = [own + kind for kind in _KINDS]
    return tags


@lru_cache(maxsize=1024)
def _opening(key: bytes) -> str:
    return sortable(text(key), "").removesuffix('""}')


def _attribute(encoded: bytes) -> str:
    if encoded == MARK:  # the end of a span's attributes in a table
        return ""
    short = short_text(encoded)
    if short is not None:
        return f"{_opening(short[0])}{quoted(short[1])}}}"
    pair = key_value(encoded)
    return sortable(text(pair.key), plain(pair.value))


attribute_tags = AttributeCache(_attribute)
"""Sortable tags of encoded attributes; of ``MARK``, empty."""
