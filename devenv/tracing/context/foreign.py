"""Context formats beside W3C's: B3 (one header or several) and Jaeger, and propagators that other packages install.

B3: https://github.com/openzipkin/b3-propagation. Jaeger: https://www.jaegertracing.io/docs/1.76/architecture/sdk/#propagation-format.
A received context is translated to the W3C fields, so that servers decide and continue in one way.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterable, MutableMapping, Sequence
from typing import Any
from urllib.parse import quote, unquote

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.propagators.textmap import TextMapPropagator

from devenv.tracing.context.ambient import SPAN_KEY
from devenv.tracing.context.baggage_header import BAGGAGE_KEY, format_header
from devenv.tracing.light.exceptions import described
from devenv.tracing.light.notices import warn_once
from devenv.tracing.light.unsampled import new_span_id, new_trace_hex

_log = logging.getLogger(__name__)

FORMATS = ("b3", "b3multi", "jaeger")
GROUP = "opentelemetry_propagator"

Fields = dict[str, str]
Parent = tuple[str, str, "bool | None"]
"""Trace ID as 32 and parent ID as 16 hexadecimal digits, and whether it is sampled; None if that is left to us."""

_B3 = re.compile(r"([0-9a-f]{32}|[0-9a-f]{16})-([0-9a-f]{16})(?:-([01d])(?:-[0-9a-f]{16})?)?", re.IGNORECASE)
_TRACE = re.compile(r"[0-9a-f]{32}|[0-9a-f]{16}", re.IGNORECASE)
_SPAN = re.compile(r"[0-9a-f]{16}", re.IGNORECASE)
_JAEGER = re.compile(r"([0-9a-f]{1,32}):([0-9a-f]{1,16}):[0-9a-f]{1,16}:([0-9a-f]{1,2})", re.IGNORECASE)
_JAEGER_BAGGAGE = "uberctx-"
_SAMPLED = {"1": True, "d": True, "true": True, "0": False, "false": False}


def read_parent(name: str, fields: Fields) -> Parent | None:
    """Return the parent in fields with lowercase names; None without a valid one."""
    found = _read_jaeger(fields) if name == "jaeger" else _read_b3(fields)
    if found is None or not int(found[0], 16) or not int(found[1], 16):
        return None
    return found


def write_parent(name: str, headers: MutableMapping[str, str], trace_hex: str, span_hex: str, sampled: bool) -> None:
    """Set a format's fields for a callee."""
    if name == "b3":
        headers["b3"] = f"{trace_hex}-{span_hex}-{int(sampled)}"
    elif name == "b3multi":
        headers["x-b3-traceid"] = trace_hex
        headers["x-b3-spanid"] = span_hex
        headers["x-b3-sampled"] = str(int(sampled))
    else:
        headers["uber-trace-id"] = f"{trace_hex}:{span_hex}:0:{int(sampled):02x}"


def read_baggage(fields: Fields) -> dict[str, object]:
    """Return the baggage in Jaeger's fields."""
    at = len(_JAEGER_BAGGAGE)
    return {
        name[at:]: unquote(value) for name, value in fields.items() if name.startswith(_JAEGER_BAGGAGE) and name[at:]
    }


def write_baggage(headers: MutableMapping[str, str], entries: dict[str, object]) -> None:
    """Set Jaeger's fields of baggage entries."""
    for key, value in entries.items():
        headers[f"{_JAEGER_BAGGAGE}{key}"] = quote(str(value))


class InstalledPropagator:
    """A propagator of another package, by its name in `OTEL_PROPAGATORS`; its failures are warnings.

    Args:
        name: The name.
        load: Returns the propagator.
    """

    def __init__(self, name: str, load: Callable[[], TextMapPropagator]) -> None:
        self._name = name
        try:
            self._propagator: TextMapPropagator | None = load()
        except Exception as error:  # noqa: BLE001 - logged; a package that fails must not stop the program
            _log.warning("cannot load the propagator %s: %s", name, described(error))
            self._propagator = None

    @property
    def fields(self) -> set[str]:
        """The headers that `inject` may set."""
        return set(self._try(lambda found: found.fields) or ())

    def extract(self, fields: Fields) -> Context:
        """Return the context in the fields."""
        return self._try(lambda found: found.extract(fields, Context())) or Context()

    def inject(self, headers: MutableMapping[str, str], context: Context) -> None:
        """Set the fields of a context."""
        self._try(lambda found: found.inject(headers, context))

    def _try(self, call: Callable[[TextMapPropagator], Any]) -> Any:
        try:
            return call(self._propagator) if self._propagator is not None else None
        except Exception as error:  # noqa: BLE001 - logged; third-party code must not break a request
            warn_once(_log, "the propagator %s failed: %s", self._name, described(error))
            return None


def installed(name: str) -> Any:
    """Return the entry point of a propagator that another package installs, None without one."""
    from devenv.tracing.process.entry_points import entry_points

    return next(iter(entry_points(GROUP, name)), None)


def as_fields(pairs: Iterable[tuple[Any, Any]]) -> Fields:
    """Return header fields, of text or bytes, with lowercase names; fields of one name are joined by a comma."""
    found: Fields = {}
    for name, value in pairs:
        key = (name.decode("latin-1") if isinstance(name, bytes) else str(name)).lower()
        for item in value if isinstance(value, (list, tuple)) else (value,):
            text = item.decode("latin-1") if isinstance(item, bytes) else str(item)
            found[key] = f"{found[key]},{text}" if key in found else text
    return found


def translate(
    names: Sequence[str | InstalledPropagator], fields: Fields, decide: Callable[[str], bool]
) -> tuple[list[str], list[str], list[str]]:
    """Return `traceparent`, `tracestate` and `baggage` for what the formats find; the last format that finds one wins.

    Args:
        names: The formats in order.
        fields: The received fields, with lowercase names.
        decide: Decides for a trace whose caller has left the decision open.
    """
    parents: list[str] = []
    states: list[str] = []
    bags: list[str] = []
    for name in names:
        if isinstance(name, InstalledPropagator):
            context = name.extract(fields)
            above = trace.get_current_span(context).get_span_context()
            if above.is_valid:
                parents = [f"00-{above.trace_id:032x}-{above.span_id:016x}-{above.trace_flags & 1:02x}"]
                states = [above.trace_state.to_header()] if above.trace_state else []
            entries = context.get(BAGGAGE_KEY)
            if isinstance(entries, dict) and entries:
                bags = [format_header(entries)]
        elif name == "tracecontext":
            if "traceparent" in fields:
                parents = [fields["traceparent"]]
                states = [fields["tracestate"]] if "tracestate" in fields else []
        elif name == "baggage":
            if "baggage" in fields:
                bags = [fields["baggage"]]
        elif name in FORMATS:
            found = read_parent(name, fields)
            if found is not None:
                sampled = found[2] if found[2] is not None else decide(found[0])
                parents, states = [f"00-{found[0]}-{found[1]}-{int(sampled):02x}"], []
            if name == "jaeger" and (carried := read_baggage(fields)):
                bags = [format_header(carried)]
    return parents, states, bags


def write(names: Sequence[str | InstalledPropagator], headers: MutableMapping[str, str], context: Context) -> None:
    """Set the fields of the formats other than W3C's."""
    span: Any = context.get(SPAN_KEY)
    above = span.get_span_context() if span is not None else None
    valid = above is not None and above.is_valid
    for name in names:
        if isinstance(name, InstalledPropagator):
            name.inject(headers, context)
        elif name in FORMATS:
            if valid and above is not None:
                sampled = bool(above.trace_flags & 1)
                write_parent(name, headers, f"{above.trace_id:032x}", f"{above.span_id:016x}", sampled)
            entries = context.get(BAGGAGE_KEY)
            if name == "jaeger" and isinstance(entries, dict):
                write_baggage(headers, entries)


def _read_b3(fields: Fields) -> Parent | None:
    single = fields.get("b3", "").strip()
    match = _B3.fullmatch(single)
    if match is not None:
        return match[1].lower().zfill(32), match[2].lower(), _SAMPLED.get((match[3] or "").lower())
    if single == "0":  # "do not sample", without a trace
        return new_trace_hex(), f"{new_span_id():016x}", False
    trace_id, span_id = fields.get("x-b3-traceid", ""), fields.get("x-b3-spanid", "")
    sampled = True if fields.get("x-b3-flags") == "1" else _SAMPLED.get(fields.get("x-b3-sampled", "").lower())
    if _TRACE.fullmatch(trace_id) is not None and _SPAN.fullmatch(span_id) is not None:
        return trace_id.lower().zfill(32), span_id.lower(), sampled
    return (new_trace_hex(), f"{new_span_id():016x}", False) if sampled is False and not trace_id else None


def _read_jaeger(fields: Fields) -> Parent | None:
    match = _JAEGER.fullmatch(unquote(fields.get("uber-trace-id", "")).strip())
    if match is None:
        return None
    return match[1].lower().zfill(32), match[2].lower().zfill(16), bool(int(match[3], 16) & 1)
