"""Holds recorded spans against the table."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from conventions.table import OPT_IN, RECOMMENDED, Attribute, Group, document, read

from devenv.tracing.testing import RecordedSpan

_TYPES: Mapping[str, Callable[[Any], bool]] = {
    "string": lambda value: isinstance(value, str),
    "int": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "double": lambda value: isinstance(value, float),
    "boolean": lambda value: isinstance(value, bool),
}
_TEMPLATES = ("http.request.header", "http.response.header", "rpc.request.metadata", "rpc.response.metadata")


@dataclass(frozen=True)
class Expected:
    """A span that a case has made.

    Attributes:
        group: The name of its group in the table.
        conditions: What the case knows to be true of it, beside the group's usual conditions; `-NAME` is not true.
    """

    group: str
    conditions: frozenset[str]

    def true(self) -> set[str]:
        """Return the conditions that are true."""
        no = {name[1:] for name in self.conditions if name.startswith("-")}
        yes = {name for name in self.conditions if not name.startswith("-")}
        unknown = (no | yes) - set(document()["conditions"])
        assert not unknown, f"conditions that are not in the table: {unknown}"
        return {*read()[self.group].usual, *yes} - no


def expected(group: str, *conditions: str) -> Expected:
    """Return what a case expects of a span."""
    return Expected(group, frozenset(conditions))


def violations(span: RecordedSpan, wanted: Expected, case: str) -> Iterator[str]:
    """Yield what a span has against its group, as lines.

    Args:
        span: The span.
        wanted: What its case expects.
        case: The name of the case, for our exceptions.
    """
    group, exceptions = read()[wanted.group], document()["exceptions"].get(case, {})
    conditions = wanted.true()
    found = span.attributes
    if "network.peer.address" in found:
        conditions.add("peer")
    if span.kind != group.kind:
        yield f"is of kind {span.kind}, not {group.kind}"
    if (span.status == "error") != ("failed" in conditions):
        yield f"has the status {span.status}"
    name = FORMS[group.form](found)
    if span.name != name and "name" not in exceptions:
        yield f"is called {span.name!r}, not {name!r}"
    for key, value in group.values.items():
        if found.get(key) != value:
            yield f"has {key} {found.get(key)!r}, not {value!r}"
    for key, other in group.same.items():
        if key in found and found[key] != found.get(other):
            yield f"has {key} {found[key]!r}, which is not its {other}"
    yield from _present(found, group, exceptions)
    yield from _absent(found, wanted.group, conditions, exceptions)


def _present(found: Mapping[str, Any], group: Group, exceptions: Mapping[str, Any]) -> Iterator[str]:
    for key, value in found.items():
        attribute = group.attributes.get(_registered(key))
        if attribute is None:
            if key not in exceptions.get("added", {}):
                yield f"has {key}, which is not in the table"
        elif not _is(attribute.type, value):
            yield f"has {key} {value!r}, which is not {attribute.type}"
        elif attribute.level == OPT_IN and key not in exceptions.get("added", {}):
            yield f"has {key}, which nobody has asked for"
        elif attribute.stability == "deprecated" and key not in exceptions.get("added", {}):
            yield f"has {key}, which is deprecated"


def _absent(found: Mapping[str, Any], group: str, conditions: set[str], exceptions: Mapping[str, Any]) -> Iterator[str]:
    excepted = exceptions.get("left out", {})
    for key, attribute in read()[group].attributes.items():
        if attribute.level == OPT_IN:
            continue
        holds = not attribute.condition or attribute.condition in conditions
        left_out = key in excepted or f"{group} {key}" in excepted
        if left_out and not (holds and attribute.level == RECOMMENDED):
            continue
        if left_out and key in found:
            yield f"has {key}, so it is no exception any more"
        elif holds and key not in found and not left_out:
            yield f"lacks {key}: {_level(attribute)}"
        elif not holds and key in found:
            yield f"has {key} {found[key]!r}, though it is not {attribute.condition}"


def _level(attribute: Attribute) -> str:
    return f"{attribute.level}, {attribute.condition}" if attribute.condition else attribute.level


def _registered(name: str) -> str:
    return next((template for template in _TEMPLATES if name.startswith(f"{template}.")), name)


def _is(kind: str, value: Any) -> bool:
    if kind.endswith("[]"):
        return isinstance(value, tuple) and all(_TYPES[kind[:-2]](item) for item in value)
    return _TYPES[kind](value)


def _joined(*parts: Any) -> str:
    return " ".join(str(part) for part in parts if part)


def _http(found: Mapping[str, Any]) -> str:
    method = str(found.get("http.request.method"))
    return "HTTP" if method == "_OTHER" else method


def _summary(found: Mapping[str, Any]) -> str:
    operation = found.get("db.operation.name")
    target = found.get("db.collection.name") or found.get("db.stored_procedure.name") or found.get("db.namespace")
    if not target and "server.address" in found:
        target = _joined(found["server.address"], found.get("server.port")).replace(" ", ":")
    return str(found.get("db.query.summary") or _joined(operation, target) or found.get("db.system.name"))


FORMS: Mapping[str, Callable[[Mapping[str, Any]], str]] = {
    "http": _http,
    "http-route": lambda found: _joined(_http(found), found.get("http.route")),
    "summary": _summary,
    "operation": lambda found: _joined(found.get("db.operation.name"), found.get("db.stored_procedure.name")),
    "operation-collection": lambda found: _joined(found.get("db.operation.name"), found.get("db.collection.name")),
    "destination": lambda found: _joined(
        found.get("messaging.operation.name"),
        found.get("messaging.destination.template")
        or (None if found.get("messaging.destination.anonymous") else found.get("messaging.destination.name")),
    ),
    "method": lambda found: str(found.get("rpc.method")),
    "service-operation": lambda found: f"{found.get('rpc.service')}.{found.get('rpc.method')}",
    "operation-type": lambda found: str(found.get("graphql.operation.type") or "GraphQL Operation"),
}
"""The forms of names."""
