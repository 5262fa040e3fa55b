"""Spans as facts: one text for each property of each span, without what differs from run to run."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from devenv.tracing.testing import RecordedSpan

Facts = dict[str, str]
"""Text by `span: property`."""

CALLERS = {"b7ad6b7169203331": "the caller"}
_ADDRESS = re.compile(r"0x[0-9a-f]{6,}")


def facts_of(spans: Iterable[RecordedSpan], ports: Mapping[str, str] = {}) -> Facts:
    """Return the facts of one situation.

    Args:
        spans: The spans of the situation.
        ports: What to write for a port that differs from run to run.
    """
    ordered = sorted(spans, key=lambda span: span.start_ns)
    labels: dict[str, str] = {}
    for span in ordered:
        label = span.kind if span.kind in {"server", "client"} else span.name
        again = sum(1 for given in labels.values() if given.partition(" #")[0] == label)
        labels[span.span_id] = f"{label} #{again + 1}" if again else label
    facts: Facts = {}
    for span in ordered:
        for name, value in _properties(span, labels).items():
            facts[f"{labels[span.span_id]}: {name}"] = _steady(value, ports)
    return facts


def _properties(span: RecordedSpan, labels: Mapping[str, str]) -> dict[str, str]:
    parent = span.parent_id
    status = f"{span.status}, {span.status_message}" if span.status_message else span.status
    found = {
        "name": span.name,
        "kind": span.kind,
        "parent": labels.get(parent) or CALLERS.get(parent) or ("another span" if parent else "none"),
        "status": status,
    }
    found |= {name: _text(value) for name, value in sorted(span.attributes.items())}
    if span.kind == "server":  # in process some situations name a peer, which a real connection has itself
        found |= {name: "the connection's" for name in ("network.peer.address", "network.peer.port") if name in found}
    for name, attributes in span.events:
        found |= {f"event {name}": "yes"} if not attributes else {}
        for key, value in attributes.items():
            found[f"event {name}, {key}"] = "text" if key == "exception.stacktrace" else _text(value)
    return found


def _text(value: Any) -> str:
    return " ".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _steady(text: str, ports: Mapping[str, str]) -> str:
    for port, name in ports.items():
        text = re.sub(rf"\b{port}\b", name, text)
    return _ADDRESS.sub("0x…", text).replace("\n", " ")
