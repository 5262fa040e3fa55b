"""Spans in Jaeger's own JSON: kind, status and scope become tags, parent and links references, events logs.

The text is built directly: a search returns thousands of spans whose attributes repeat, so an attribute that was
written as JSON once is looked up by its encoded bytes the next time (a tenth of the time of building and serializing
dictionaries). Most spans have no link, event, status or warning: those are written from the columns of a table, in a
quarter of the time that it takes with an object per span.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import lru_cache
from itertools import chain, repeat
from json.encoder import encode_basestring_ascii as quoted
from operator import floordiv, sub
from typing import Any

from devenv.backend.api.legacy_tags import ODD, attribute_tags, common_tags, joined, sortable, status_tags, tag
from devenv.backend.query.clock_skew import Judged
from devenv.backend.query.small_traces import SmallTraces
from devenv.backend.query.span_warnings import LEGACY_PARENT, span_warnings
from devenv.backend.store.decoding import KINDS, readable
from devenv.backend.store.scopes import Scope
from devenv.immutable import immutable
from devenv.otlp.span_table import SpanTable
from devenv.otlp.values import plain, text
from devenv.traces.ids import show_trace_id


@immutable()
class OwningTrace:
    """The trace of some spans: its ID, also as text, and what warnings need of it."""

    id: bytes
    shown: str
    judged: Judged


@immutable()
class SpanFrames:
    """What is written around spans: columns with one entry per span.

    Attributes:
        scopes: those of the spans.
        commons: what :func:`common_tags` returns of them.
        processes: the names of their processes.
        openings: what precedes a span's ID.
        children: what precedes the ID of its parent.
        closings: what follows its tags.
    """

    scopes: list[Scope]
    commons: list[list[list[str]]]
    processes: list[str]
    openings: list[str]
    children: list[str]
    closings: list[str]


def span_opening(shown: str) -> str:
    """Return what precedes the ID of a span; ``shown`` is that of its trace."""
    return f'{{"traceID":"{shown}","spanID":"'


def span_child(shown: str) -> str:
    """Return what precedes the ID of a span's parent."""
    return f',"references":[{{"refType":"CHILD_OF","traceID":"{shown}","spanID":"'


def span_closing(process: str) -> str:
    """Return what follows the tags of a span."""
    return f'],"logs":[],"processID":"{process}","warnings":null}}'


def table_json(several: SmallTraces, frames: SpanFrames) -> str | None:
    """Return small traces as JSON, column by column; ``None`` if one of their spans is not readable."""
    table = several.table
    references = [
        f'{child}{parent.hex()}"}}],"startTime":' if parent else ',"references":[],"startTime":'
        for child, parent in zip(frames.children, table.parents, strict=True)
    ]
    took = map(sub, table.ends, table.starts)
    columns = zip(
        frames.openings,
        map(bytes.hex, table.span_ids),
        repeat('","operationName":'),
        map(_name, table.names),
        references,
        map(str, map(floordiv, table.starts, repeat(1000))),
        repeat(',"duration":'),
        map(str, map(floordiv, took, repeat(1000))),
        repeat(',"tags":['),
        _tags(table, frames.commons),
        frames.closings,
        strict=False,
    )
    unusual = several.unusual | table.rare
    if not unusual:
        return "".join(chain.from_iterable(columns))
    rows: list[tuple[str, ...]] = list(columns)
    for at in unusual:
        span = next(iter(readable(several.payloads[at : at + 1])), None)
        if span is None:
            return None
        trace_id = several.taken[several.owners[at]].id
        owner = OwningTrace(trace_id, show_trace_id(trace_id), several.judged(at))
        before = frames.openings[at].rindex("{")
        after = len(span_closing(frames.processes[at]))
        own = span_json(owner, frames.scopes[at], span, frames.processes[at])
        rows[at] = (frames.openings[at][:before], own, frames.closings[at][after:])
    return "".join(chain.from_iterable(rows))


def _tags(table: SpanTable, commons: list[list[list[str]]]) -> Iterator[str]:
    """Yield the tags of each span, in the order of their keys, with commas between them."""
    tags = attribute_tags.column(table.attributes)
    join = joined if ODD in "".join(tags) else None
    kinds = table.kinds
    if min(kinds) < 0 or max(kinds) >= len(KINDS):
        kinds = [kind if 0 <= kind < len(KINDS) else 0 for kind in kinds]
    index = tags.index
    at = 0
    for common, kind in zip(commons, kinds, strict=True):
        until = index("", at)
        own = tags[at:until]
        at = until + 1
        own += common[kind]
        if join is None:
            own.sort()
            yield ",".join(own)
        else:
            yield join(own)


def span_json(owner: OwningTrace, scope: Scope, span: Any, process: str) -> str:
    """Return any span, as ``messages.OpaqueSpan``, as JSON."""
    kind = span.kind
    tags = attribute_tags.values(span.attributes) + common_tags(scope)[kind if 0 < kind < len(KINDS) else 0]
    if span.HasField("status"):
        tags += status_tags(span.status)
    if span.trace_state:
        tags.append(sortable("w3c.tracestate", text(span.trace_state)))
    start, end, parent, events = span.start, span.end, span.parent_span_id, span.events
    return (
        f'{{"traceID":"{owner.shown}","spanID":"{span.span_id.hex()}","operationName":{_name(span.name)},'
        f'"references":[{_references(owner, span.links, parent)}],"startTime":{start // 1000},'
        f'"duration":{(end - start) // 1000 if end > start else 0},"tags":[{joined(tags)}],'
        f'"logs":[{",".join(map(_log, events))}],"processID":"{process}",'
        f'"warnings":{json.dumps(span_warnings(owner.judged, span, LEGACY_PARENT) or None)}}}'
    )


@lru_cache(maxsize=8192)
def _name(encoded: bytes) -> str:
    return quoted(text(encoded))


def _references(owner: OwningTrace, links: Any, parent: bytes) -> str:
    references = []
    if any(parent):
        references.append(_reference("CHILD_OF", owner.shown, parent))
    for link in links:
        if not any(link.trace_id):
            continue
        kind = "FOLLOWS_FROM"
        for pair in link.attributes:
            if pair.key == b"opentracing.ref_type" and plain(pair.value) == "child_of":
                kind = "CHILD_OF"
        if references and link.trace_id == owner.id and link.span_id == parent:
            references[0] = _reference(kind, owner.shown, parent)
        else:
            references.append(_reference(kind, show_trace_id(link.trace_id), link.span_id))
    return ",".join(references)


def _reference(kind: str, trace_id: str, span_id: bytes) -> str:
    return f'{{"refType":"{kind}","traceID":"{trace_id}","spanID":"{span_id.hex():0>16}"}}'


def _log(event: Any) -> str:
    fields = sorted(((text(pair.key), plain(pair.value)) for pair in event.attributes), key=lambda field: field[0])
    named = [field for field in fields if field[0] == "event" and isinstance(field[1], str)][:1]
    if named:
        fields.remove(named[0])
    elif event.name and all(key != "event" for key, _ in fields):
        named = [("event", text(event.name))]
    shown = ",".join(tag(*field) for field in (*named, *fields))
    return f'{{"timestamp":{event.time // 1000},"fields":[{shown}]}}'
