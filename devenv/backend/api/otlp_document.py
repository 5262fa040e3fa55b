"""A stored trace as OTLP JSON.

The text is built directly, as in :mod:`devenv.backend.api.legacy_json`: attributes that were written once are looked up
by their encoded bytes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache
from itertools import chain
from json.encoder import encode_basestring_ascii as quoted

from devenv.backend.api.otlp_spans import Document, Layout, present, span_json, table_json
from devenv.backend.query.shared_span_ids import decoded
from devenv.backend.query.small_traces import Shape, grouped, together
from devenv.backend.store.decoding import Snapshot, paused
from devenv.backend.store.scopes import Scope
from devenv.http.server.message import dumps
from devenv.otlp.values import otlp, otlp_attributes

_MARK = "\0"  # JSON text does not contain it
_LAYOUTS = 256


def traces_documents(found: Iterable[Snapshot], *, raw: bool) -> Iterator[Iterable[str]]:
    """Yield the ``ResourceSpans`` documents of one or several traces, with commas between them, in pieces.

    An empty piece is a pause.

    Args:
        found: the traces.
        raw: whether the spans are wanted as they were sent, without Jaeger's adjustments.
    """
    layout = lru_cache(_LAYOUTS)(_layout)
    for group in grouped(found):
        several = together(group, adjusted=not raw)
        written = several and table_json(several, map(layout, several.shapes))
        if written:
            yield (written,)
        else:
            for taken in group:
                yield resource_spans(taken, raw=raw)


def resource_spans(taken: Snapshot, *, raw: bool) -> Iterator[str]:
    """Yield the ``ResourceSpans`` documents of one trace in pieces, as :func:`traces_documents`."""
    trace = yield from paused(decoded(taken, separate=not raw), "")
    trace_id = trace.id.hex()
    yield from _by_resource(
        (scope, (",".join([span_json(trace.judged, trace_id, span) for span in spans]) for spans in parts))
        for scope, parts in trace.chunks
    )


def _layout(shape: Shape) -> Layout:
    """Return what is around the spans of a trace, from its document with numbers in place of the spans."""
    chunks = []
    first = 0
    for scope, count in shape:
        chunks.append((scope, [f"{_MARK}{at}{_MARK}" for at in range(first, first + count)]))
        first += count
    pieces = "".join(_by_resource(chunks)).split(_MARK)
    return Layout(list(zip(map(int, pieces[1::2]), pieces[::2], strict=False)), pieces[-1])


def _by_resource(chunks: Iterable[tuple[Scope, Iterable[str]]]) -> Iterator[str]:
    """Yield one document per resource, with its scopes grouped, from spans as JSON with commas between them."""
    resources: dict[tuple[bytes, bytes], dict[int, tuple[Scope, list[Iterable[str]]]]] = {}
    for scope, parts in chunks:
        scopes = resources.setdefault(scope.key[:2], {})
        scopes.setdefault(scope.number, (scope, []))[1].append(parts)
    between = ""
    for scopes in resources.values():
        first, _ = next(iter(scopes.values()))
        yield between + _resource(first)
        between = ""
        for scope, texts in scopes.values():
            yield between + _scope(scope)
            comma = ""
            for spans in chain(*texts):
                if spans:
                    yield comma + spans
                    comma = ","
            yield _closing(scope, 1)
            between = ","
        yield _closing(first, 0)


def _resource(scope: Scope) -> str:
    written: str | None = scope.written.get("resource")
    if written is None:
        attributes = _json([{"key": key, "value": otlp(value)} for key, value in scope.resource.items()])
        written = scope.written["resource"] = f'{{"resource":{{"attributes":{attributes}}},"scopeSpans":['
    return written


def _scope(scope: Scope) -> str:
    written: str | None = scope.written.get("scope")
    if written is None:
        about: Document = {"name": scope.name, "version": scope.version}
        about["attributes"] = otlp_attributes(scope.attributes)
        written = scope.written["scope"] = f'{{"scope":{_json(present(about))},"spans":['
    return written


def _closing(scope: Scope, level: int) -> str:
    # What ends a resource's or a scope's document: its schema's URL is the last field.
    if not scope.key[2 * level + 1]:
        return "]}"
    return f'],"schemaUrl":{quoted(scope.urls[level])}}}'


def _json(document: Document | list[Document]) -> str:
    return dumps(document).decode("ascii")
