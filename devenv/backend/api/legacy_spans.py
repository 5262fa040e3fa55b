"""Spans in Jaeger's own JSON: kind, status and scope become tags, parent and links references, events logs.

The text is built directly: a search returns thousands of spans whose attributes repeat, so an attribute that was
written as JSON once is looked up by its encoded bytes the next time (a tenth of the time of building and serializing
dictionaries). Most spans have no link, event, status or warning: those are written from the columns of a table, in a
quarter of the time that it takes with an object per span.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import islice
from json.encoder import encode_basestring_ascii as quoted
from typing import Any

from devenv.backend.api.legacy_tags import ODD, attribute_tags, common_tags, joined, sortable, status_tags, tag
from devenv.backend.query.clock_skew import Judged
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


class LegacySpans:
    """Writes the spans of a table, one trace after the other.

    Args:
        table: the spans.
        payloads: the same, encoded.
    """

    def __init__(self, table: SpanTable, payloads: Sequence[bytes]) -> None:
        self._rare = table.rare
        self._payloads = payloads
        self._tags = attribute_tags.column(table.attributes)
        self._tag = 0
        self._position = 0
        kinds = table.kinds
        if min(kinds) < 0 or max(kinds) >= len(KINDS):
            kinds = [kind if 0 <= kind < len(KINDS) else 0 for kind in kinds]
        ids, names = map(bytes.hex, table.span_ids), map(_name, table.names)
        self._spans = zip(ids, table.parents, names, kinds, table.starts, table.ends, strict=True)

    def write(self, owner: OwningTrace, parts: Iterable[tuple[Scope, str, int]]) -> str | None:
        """Return the next spans as JSON with commas between them; ``None`` if that is left to :func:`span_json`.

        Args:
            owner: the trace.
            parts: for each scope of the trace the name of its process and the number of its spans.
        """
        tags, at, position, known, rare = self._tags, self._tag, self._position, owner.judged.known, self._rare
        skewed = {span_id.hex() for span_id in owner.judged.skews}
        opening = f'{{"traceID":"{owner.shown}","spanID":"'
        child = f',"references":[{{"refType":"CHILD_OF","traceID":"{owner.shown}","spanID":"'
        found = []
        for scope, process, count in parts:
            common = common_tags(scope)
            closing = f'],"logs":[],"processID":"{process}","warnings":null}}'
            for span_id, parent, name, kind, start, end in islice(self._spans, count):
                until = tags.index("", at)
                if (parent and parent not in known) or end <= start or position in rare or span_id in skewed:
                    given = readable(self._payloads[position : position + 1])
                    found += [span_json(owner, scope, span, process) for span in given]
                else:
                    own = tags[at:until] + common[kind]
                    own.sort()
                    references = f'{child}{parent.hex()}"}}]' if parent else ',"references":[]'
                    found.append(
                        f'{opening}{span_id}","operationName":{name}{references},"startTime":{start // 1000},'
                        f'"duration":{(end - start) // 1000},"tags":[{",".join(own)}{closing}'
                    )
                at = until + 1
                position += 1
        self._tag, self._position = at, position
        written = ",".join(found)
        return None if ODD in written else written


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
