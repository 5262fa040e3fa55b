"""The part of a filter that Jaeger's older search parameters can say: they exclude traces before spans are read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field

from devenv.immutable import immutable
from devenv.traces.filters.constants import field_value, number
from devenv.traces.filters.expression import Attribute, Call, Field, Scalar, conjuncts
from devenv.traces.jaeger_text import as_text

# Jaeger derives a tag from the status, and keeps no tag of the service's name.
_OTHER_TAGS = frozenset({"error", "service.name"})
_ONE_LATER = {"gt": 1, "lt": -1}


@immutable(kw_only=True)
class Narrowing:
    """What the span that meets a filter has in any case; durations and times in ns, ends inclusive, 0 for none.

    Attributes:
        tags: attributes of the span or its resource, by name, as text.
    """

    service: str = ""
    operation: str = ""
    start_min: int = 0
    start_max: int = 0
    duration_min: int = 0
    duration_max: int = 0
    tags: Mapping[str, str] = field(default_factory=dict)


def narrowing(filter_: Call | None) -> Narrowing:
    """Return what the conditions that are joined by ``and`` at the top of a filter say, as far as it can be said."""
    names = {"service": "", "operation": ""}
    bounds: dict[str, tuple[int, int]] = {"duration": (0, 0), "startTime": (0, 0)}
    tags: dict[str, str] = {}
    for condition in conjuncts(filter_) if filter_ is not None else ():
        match condition:
            case Call("eq", (Field("resource", "service"), Scalar(value))):
                names["service"] = names["service"] or value
            case Call("eq", (Field("span", "name"), Scalar(value))):
                names["operation"] = names["operation"] or value
            case Call(op, (Field("span", ("duration" | "startTime") as name), Scalar(value))):
                kind = "duration" if name == "duration" else "time"
                bounds[name] = _narrowed(bounds[name], op, int(field_value(kind, value)))
            case Call("eq", (Attribute(key, ("" | "span" | "resource")), Scalar(value, type_))):
                if _is_tag(key, value, type_):
                    tags.setdefault(key, value)
            case _:
                pass
    return Narrowing(
        service=names["service"],
        operation=names["operation"],
        start_min=bounds["startTime"][0],
        start_max=bounds["startTime"][1],
        duration_min=bounds["duration"][0],
        duration_max=bounds["duration"][1],
        tags=tags,
    )


def _narrowed(bounds: tuple[int, int], op: str, value: int) -> tuple[int, int]:
    least, most = bounds
    value += _ONE_LATER.get(op, 0)
    if value <= 0:
        return bounds  # a bound of zero or less says nothing, or that nothing matches: the filter itself decides
    if op in {"gt", "gte", "eq"}:
        least = max(least, value)
    if op in {"lt", "lte", "eq"}:
        most = min(most or value, value)
    return least, most


def _is_tag(key: str, value: str, type_: str) -> bool:
    """Whether everything equal to the constant is printed as its text, by which Jaeger compares tags."""
    if key in _OTHER_TAGS or value == "" or type_ not in {"", "string"}:
        return False
    found = number(value)
    return found is None or as_text(found) == value
