"""Tools for tests of traced code: spans in memory, and assertions on their tree.

def test_order(tracing):                       # the fixture needs this line in conftest.py:
    place_order()                              # pytest_plugins = ["devenv.tracing.pytest_plugin"]
    assert_trace(tracing.spans(), '''
        place order
          INSERT orders [client]
          send mail [producer]
    ''')
"""

from __future__ import annotations

import difflib
import textwrap
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from devenv.tracing.active import state
from devenv.tracing.configuration.resolution import resolve
from devenv.tracing.export.transport import Outcome
from devenv.tracing.process.versions import SLOTS
from devenv.tracing.runtime import Tracing


@dataclass(frozen=True, **SLOTS)
class RecordedSpan:
    """A span as the receiver would get it. IDs are hexadecimal, times are in nanoseconds."""

    name: str
    kind: str
    trace_id: str
    span_id: str
    parent_id: str
    attributes: Mapping[str, Any]
    events: tuple[tuple[str, Mapping[str, Any]], ...] = ()
    links: tuple[tuple[str, str], ...] = ()
    status: str = "unset"
    status_message: str = ""
    scope: str = ""
    resource: Mapping[str, Any] = field(default_factory=dict)
    start_ns: int = 0
    end_ns: int = 0
    trace_state: str = ""
    flags: int = 0
    dropped_attributes: int = 0
    dropped_events: int = 0
    dropped_links: int = 0


class Recording:
    """The spans of one test.

    Attributes:
        tracing: The tracing in use.
    """

    def __init__(self, tracing: Tracing, memory: MemorySender) -> None:
        self.tracing = tracing
        self._memory = memory

    def spans(self, name: str | None = None) -> list[RecordedSpan]:
        """Return the ended spans by their start; if a name is given, only the spans with this name."""
        self.tracing.force_flush(10.0)
        found = sorted(self._memory.spans, key=lambda span: span.start_ns)
        return found if name is None else [span for span in found if span.name == name]

    def span(self, name: str) -> RecordedSpan:
        """Return the only span with a name.

        Raises:
            AssertionError: If there is no such span, or more than one.
        """
        found = self.spans(name)
        if len(found) != 1:
            names = ", ".join(span.name for span in self.spans()) or "none"
            raise AssertionError(f"expected 1 span named {name!r}, found {len(found)}; recorded: {names}")
        return found[0]

    def clear(self) -> None:
        """Forget the recorded spans."""
        self.tracing.force_flush(10.0)
        self._memory.spans.clear()


class MemorySender:
    """Keeps batches as decoded spans, after the real encoder, redaction and limits."""

    def __init__(self) -> None:
        self.spans: list[RecordedSpan] = []

    def send(self, body: bytes, spans: int, deadline: float) -> Outcome:  # noqa: ARG002 - the Sender protocol
        """Keep the spans of a batch."""
        self.spans.extend(decode(body))
        return Outcome(0)

    def close(self) -> None:
        """Do nothing: no connection is open."""


@contextmanager
def recording(config: Mapping[str, Any] | None = None, environ: Mapping[str, str] | None = None) -> Iterator[Recording]:
    """Set up in-memory tracing for a block and restore the previous setup afterwards."""
    settings = resolve(
        config, service_name=None if config and "service_name" in config else "test", environ=environ or {}
    )
    memory = MemorySender()
    before = state.tracing
    tracing = Tracing(settings, sender=lambda _pause: memory)
    tracing.install()
    try:
        yield Recording(tracing, memory)
    finally:
        tracing.shutdown(10.0)
        if before is not None:
            before.install()


def decode(body: bytes) -> list[RecordedSpan]:
    """Return the spans of an encoded OTLP request."""
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    found = []
    for resource_spans in ExportTraceServiceRequest.FromString(body).resource_spans:
        resource = _attributes(resource_spans.resource.attributes)
        for scope_spans in resource_spans.scope_spans:
            found += [_recorded(span, scope_spans.scope.name, resource) for span in scope_spans.spans]
    return found


def tree(spans: Iterable[RecordedSpan]) -> str:
    """Return the span trees as indented lines `name [kind]` (without `[internal]`), with `!` after a failed span."""
    everything = sorted(spans, key=lambda span: span.start_ns)
    known = {span.span_id for span in everything}
    children: dict[str, list[RecordedSpan]] = {}
    for span in everything:
        children.setdefault(span.parent_id if span.parent_id in known else "", []).append(span)
    lines: list[str] = []

    def walk(parent: str, depth: int) -> None:
        for span in children.get(parent, ()):
            kind = "" if span.kind == "internal" else f" [{span.kind}]"
            lines.append(f"{'  ' * depth}{span.name}{kind}{' !' if span.status == 'error' else ''}")
            walk(span.span_id, depth + 1)

    walk("", 0)
    return "\n".join(lines)


def assert_trace(spans: Iterable[RecordedSpan], expected: str) -> None:
    """Compare the tree of spans with an indented text as `tree` writes it.

    Raises:
        AssertionError: If they differ; the message is a diff.
    """
    wanted = textwrap.dedent(expected).strip("\n").rstrip()
    found = tree(spans)
    if found != wanted:
        diff = "\n".join(
            difflib.unified_diff(wanted.splitlines(), found.splitlines(), "expected", "recorded", lineterm="")
        )
        raise AssertionError(f"the recorded trace differs from the expected one\n{diff}")


def _recorded(span: Any, scope: str, resource: Mapping[str, Any]) -> RecordedSpan:
    kinds = ("unspecified", "internal", "server", "client", "producer", "consumer")
    return RecordedSpan(
        name=span.name,
        kind=kinds[span.kind],
        trace_id=span.trace_id.hex(),
        span_id=span.span_id.hex(),
        parent_id=span.parent_span_id.hex(),
        attributes=_attributes(span.attributes),
        events=tuple((event.name, _attributes(event.attributes)) for event in span.events),
        links=tuple((link.trace_id.hex(), link.span_id.hex()) for link in span.links),
        status=("unset", "ok", "error")[span.status.code],
        status_message=span.status.message,
        scope=scope,
        resource=resource,
        start_ns=span.start_time_unix_nano,
        end_ns=span.end_time_unix_nano,
        trace_state=span.trace_state,
        flags=span.flags,
        dropped_attributes=span.dropped_attributes_count,
        dropped_events=span.dropped_events_count,
        dropped_links=span.dropped_links_count,
    )


def _attributes(pairs: Any) -> dict[str, Any]:
    return {pair.key: _value(pair.value) for pair in pairs}


def _value(value: Any) -> Any:
    which = value.WhichOneof("value")
    if which is None:
        return None
    if which == "array_value":
        return tuple(_value(item) for item in value.array_value.values)
    if which == "kvlist_value":
        return _attributes(value.kvlist_value.values)
    return getattr(value, which)
