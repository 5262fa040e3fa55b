"""Files of traces, as other tools and ``devenv traces export`` write them.

Read are OTLP as JSON (a document, or one per line) and as protobuf, Jaeger's JSON, and Zipkin's JSON of version 2. The
content says which of them a file is: names of files differ between tools.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from devenv.errors import ConfigurationError, Location
from devenv.immutable import immutable
from devenv.otlp.wire import bytes_field
from devenv.traces.background import unchanged

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from devenv.model.span import Span
    from devenv.otlp.batches import Batch

SPANS_A_REQUEST = 2000

MAX_BYTES = 128 << 20
"""Size of a file; parsed, it takes about ten times as much memory."""

_SPACE = re.compile(r"[ \t\r\n]*")
_EXPECTED = "OTLP (JSON or protobuf), Jaeger's JSON or Zipkin's JSON"
_RESOURCE_SPANS = b"\x0a"  # the tag of the only field of an OTLP message that matters
_BROKEN = (KeyError, TypeError, AttributeError, ValueError)

ResourceSpans = dict[str, Any]
Request = bytes | list[ResourceSpans]
"""An encoded request, or ``resourceSpans`` of OTLP JSON."""


@immutable()
class TraceFile:
    """What a file contains.

    Attributes:
        trace_ids: in order of appearance, 32 lowercase hex digits each.
        spans: their number.
        requests: what a receiver is to be sent.
    """

    trace_ids: tuple[str, ...]
    spans: int
    requests: tuple[Request, ...]


def read(path: Path) -> TraceFile:
    """Read a file, or stdin if the path is ``-``.

    Raises:
        ConfigurationError: If it cannot be read, is none of the formats or has no span; the message names the place.
    """
    name = "stdin" if str(path) == "-" else str(path)
    content = _content(path, name)
    encoded = _protobuf(content)
    if encoded is not None:
        return encoded
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        message = f"cannot read the file: not UTF-8 text, and not {_EXPECTED}"
        raise ConfigurationError(message, location=Location(name), expected=_EXPECTED) from error
    found = [_file_of(document, name, line) for line, document in _documents(text, name)]
    if not any(each.spans for each in found):
        raise _not_traces(name, 1, "no span")
    return TraceFile(
        tuple(dict.fromkeys(trace_id for each in found for trace_id in each.trace_ids)),
        sum(each.spans for each in found),
        tuple(_batches([request for each in found for request in each.requests])),
    )


def _content(path: Path, name: str) -> bytes:
    try:
        # stdin by its number: with a separate file object, the process can end while it is being read
        with open(0 if name == "stdin" else path, "rb", closefd=name != "stdin") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise ConfigurationError(f"cannot read the file: {error.strerror}", location=Location(name)) from error
    if len(content) > MAX_BYTES:
        raise ConfigurationError(
            f"found more than {MAX_BYTES >> 20} MiB, expected less",
            location=Location(name),
            hint="split the file, and import one part after the other",
        )
    return content


def _protobuf(content: bytes) -> TraceFile | None:
    """An encoded ``TracesData`` or ``ExportTraceServiceRequest``; ``None`` if it is not one with spans."""
    if content[:1] != _RESOURCE_SPANS:
        return None
    from devenv.otlp.batches import batches
    from devenv.otlp.proto_spans import parse_spans
    from devenv.otlp.wire import TooLarge, Undecodable

    try:
        trace_ids = [span.trace_id for span in parse_spans(content)]
        found = [
            bytes_field(
                1,
                bytes_field(1, batch.resource)
                + bytes_field(2, _scope_spans(batch))
                + bytes_field(3, batch.resource_url),
            )
            for batch in batches(content)
        ]
    except (ValueError, Undecodable, TooLarge):
        return None
    return TraceFile(tuple(dict.fromkeys(trace_ids)), len(trace_ids), tuple(found)) if trace_ids else None


def _scope_spans(batch: Batch) -> bytes:
    spans = b"".join(bytes_field(2, span) for span in batch.spans)
    return bytes_field(1, batch.scope) + spans + bytes_field(3, batch.scope_url)


def _file_of(document: Any, name: str, line: int) -> TraceFile:
    """What one JSON document of a file contains."""
    if isinstance(document, dict) and isinstance(document.get("result"), dict):
        document = document["result"]  # an answer of Jaeger's API v3
    if isinstance(document, dict) and isinstance(document.get("resourceSpans"), list):
        return _otlp(document["resourceSpans"], name, line)
    if isinstance(document, dict) and isinstance(document.get("data"), list):
        return _spans_of("Jaeger's JSON", document["data"], _jaeger, name, line)
    if isinstance(document, dict) and isinstance(document.get("processes"), dict):
        return _spans_of("Jaeger's JSON", [document], _jaeger, name, line)
    if isinstance(document, list) and all(isinstance(each, dict | list) for each in document):
        return _spans_of("Zipkin's JSON", document, _zipkin, name, line)
    raise _not_traces(name, line, "JSON of another kind")


def _otlp(resource_spans: list[ResourceSpans], name: str, line: int) -> TraceFile:
    try:
        for span in spans(resource_spans):
            _check_ids(span)
    except _BROKEN as error:
        raise _not_traces(name, line, f"a span without hexadecimal IDs ({error})") from error
    trace_ids = [span["traceId"].lower() for span in spans(resource_spans)]
    return TraceFile(tuple(dict.fromkeys(trace_ids)), len(trace_ids), (resource_spans,))


def _check_ids(span: Any) -> None:
    """Raise ValueError, KeyError, TypeError or AttributeError for IDs that no receiver accepts."""
    for key, size in (("traceId", 16), ("spanId", 8)):
        value = bytes.fromhex(span[key])
        if len(value) != size or not any(value):
            raise ValueError(f"{key} {span[key]!r} of {span.get('name', '')!r}")


def _jaeger(traces: list[Any]) -> Iterator[Span]:
    from devenv.traces.jaeger_json import parse_spans

    for trace in traces:
        yield from parse_spans(trace)


def _zipkin(document: list[Any]) -> Iterator[Span]:
    from devenv.traces.zipkin_json import parse_spans

    return parse_spans(document)


def _spans_of(
    kind: str, document: list[Any], parse: Callable[[list[Any]], Iterator[Span]], name: str, line: int
) -> TraceFile:
    from devenv.otlp.span_encoding import encode_spans

    try:
        spans = list(parse(document))
        requests = [
            b"".join(encode_spans(spans[first : first + SPANS_A_REQUEST]))
            for first in range(0, len(spans), SPANS_A_REQUEST)
        ]
    except _BROKEN as error:
        reason = f"no {error}" if isinstance(error, KeyError) else error
        raise _not_traces(name, line, f"{kind} with a span that cannot be read ({reason})") from error
    return TraceFile(tuple(dict.fromkeys(span.trace_id for span in spans)), len(spans), tuple(requests))


def _documents(text: str, name: str) -> Iterator[tuple[int, Any]]:
    """Consecutive JSON values, with the line on which each begins; in linear time."""
    decoder = json.JSONDecoder(object_hook=unchanged)
    line, counted = 1, 0
    position = _end_of_space(text, 0)
    while position < len(text):
        line, counted = line + text.count("\n", counted, position), position
        try:
            value, position = decoder.raw_decode(text, position)
        except ValueError as error:
            place = Location(name, getattr(error, "lineno", line), getattr(error, "colno", 1))
            found = getattr(error, "msg", "a number that is too large")
            raise ConfigurationError(f"not valid JSON: {found}", location=place, expected=_EXPECTED) from error
        except RecursionError as error:
            raise too_deep(name, line) from error
        yield line, value
        position = _end_of_space(text, position)


def _end_of_space(text: str, position: int) -> int:
    found = _SPACE.match(text, position)
    return found.end() if found else position


def too_deep(name: str, line: int = 0) -> ConfigurationError:
    """The error of a file whose values have more levels than can be read."""
    return ConfigurationError(
        "found JSON that is nested too deeply",
        location=Location(name, line, 1 if line else 0),
        expected="attribute values of at most 100 levels",
    )


def _not_traces(name: str, line: int, found: str) -> ConfigurationError:
    return ConfigurationError(
        f"found {found}, expected {_EXPECTED}",
        location=Location(name, line, 1),
        found=found,
        expected=_EXPECTED,
        hint="create such a file with `devenv traces export`",
    )


def spans(resource_spans: Sequence[ResourceSpans]) -> Iterator[dict[str, Any]]:
    """The spans of OTLP JSON."""
    for resource in resource_spans:
        for scope in resource.get("scopeSpans") or ():
            yield from scope.get("spans") or ()


def _batches(requests: Sequence[Request]) -> Iterator[Request]:
    """The same requests, in order; neighbours of OTLP JSON are put together up to a number of spans, or taken apart."""
    batch: list[ResourceSpans] = []
    size = 0
    for request in requests:
        if isinstance(request, bytes):
            if batch:
                yield batch
                batch, size = [], 0
            yield request
            continue
        for resource in request:
            batch.append(resource)
            size += sum(1 for _ in spans([resource]))
            if size >= SPANS_A_REQUEST:
                yield batch
                batch, size = [], 0
    if batch:
        yield batch
