"""OTLP's messages of traces and logs as the embedded backend reads them, with the numbers of opentelemetry-proto 1.x.

They differ from the published ones in three ways, none of which is visible on the wire:

- text is ``bytes``: a name that is not UTF-8 must lose characters, not the whole request;
- enums are ``int32``, so that values of a later version survive;
- ``SpanColumns`` has every field of ``Span`` repeated. The concatenation of n encoded spans is one such message, so
  a single call into the C decoder checks n spans and returns each of their fields as a column.

``Stored`` is the backend's own format: a trace in memory is a concatenation of its chunks.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

_Field = descriptor_pb2.FieldDescriptorProto
_SCALARS = {
    "bytes": _Field.TYPE_BYTES,
    "bool": _Field.TYPE_BOOL,
    "int32": _Field.TYPE_INT32,
    "uint32": _Field.TYPE_UINT32,
    "int64": _Field.TYPE_INT64,
    "sint32": _Field.TYPE_SINT32,
    "uint64": _Field.TYPE_UINT64,
    "double": _Field.TYPE_DOUBLE,
    "fixed32": _Field.TYPE_FIXED32,
    "fixed64": _Field.TYPE_FIXED64,
    "sfixed64": _Field.TYPE_SFIXED64,
}
_SPAN = (
    "1 trace_id bytes",
    "2 span_id bytes",
    "3 trace_state bytes",
    "4 parent_span_id bytes",
    "5 name bytes",
    "6 kind int32",
    "7 start fixed64",
    "8 end fixed64",
    "9 attributes KeyValue*",
    "10 dropped_attributes uint32",
    "11 events Event*",
    "12 dropped_events uint32",
    "13 links Link*",
    "14 dropped_links uint32",
    "15 status Status",
    "16 flags fixed32",
)
_LOG_RECORD = (
    "1 time fixed64",
    "2 severity int32",
    "3 severity_text bytes",
    "5 body AnyValue",
    "6 attributes KeyValue*",
    "7 dropped_attributes uint32",
    "8 flags fixed32",
    "9 trace_id bytes",
    "10 span_id bytes",
    "11 observed_time fixed64",
    "12 event_name bytes",
)
_MESSAGES: dict[str, tuple[str, ...]] = {
    "AnyValue": (
        "1 string_value bytes",
        "2 bool_value bool",
        "3 int_value int64",
        "4 double_value double",
        "5 array_value ArrayValue",
        "6 kvlist_value KeyValueList",
        "7 bytes_value bytes",
    ),
    "ArrayValue": ("1 values AnyValue*",),
    "KeyValueList": ("1 values KeyValue*",),
    "KeyValue": ("1 key bytes", "2 value AnyValue"),
    "Resource": ("1 attributes KeyValue*", "2 dropped_attributes uint32"),
    "Scope": ("1 name bytes", "2 version bytes", "3 attributes KeyValue*", "4 dropped_attributes uint32"),
    "Status": ("2 message bytes", "3 code int32"),
    "Event": ("1 time fixed64", "2 name bytes", "3 attributes KeyValue*", "4 dropped_attributes uint32"),
    "Link": (
        "1 trace_id bytes",
        "2 span_id bytes",
        "3 trace_state bytes",
        "4 attributes KeyValue*",
        "5 dropped_attributes uint32",
        "6 flags fixed32",
    ),
    "Span": _SPAN,
    "LogRecord": _LOG_RECORD,
    "SpanColumns": tuple(line if line.endswith("*") else f"{line}*" for line in _SPAN),
    # The outer layers of a request, with their contents still encoded. Those of logs have the same numbers.
    "Request": ("1 resource_spans ResourceSpans*",),
    "ResourceSpans": ("1 resource bytes", "2 scope_spans ScopeSpans*", "3 url bytes"),
    "ScopeSpans": ("1 scope bytes", "2 spans bytes*", "3 url bytes"),
    # A span whose attributes stay encoded, for a reader that caches attributes by their bytes.
    "OpaqueSpan": tuple("9 attributes bytes*" if line.startswith("9 ") else line for line in _SPAN),
    # The same as columns, without the trace ID, for `devenv.otlp.span_table`.
    "MarkedSpans": tuple(
        f"{name} bytes*" if name.split()[0] in {"9", "11", "13", "15"} else f"{name} {kind}*"
        for name, _, kind in (line.rpartition(" ") for line in _SPAN[1:])
    ),
    # Messages whose inner messages stay encoded, for values that are nested deeper than the decoder allows.
    "LayeredSpan": tuple(
        f"{line.rpartition(' ')[0]} bytes*" if line.split()[0] in {"9", "11", "13"} else line for line in _SPAN
    ),
    "LayeredLogRecord": tuple(
        {"5": "5 body bytes", "6": "6 attributes bytes*"}.get(line.split()[0], line) for line in _LOG_RECORD
    ),
    "LayeredEvent": ("1 time fixed64", "2 name bytes", "3 attributes bytes*", "4 dropped_attributes uint32"),
    "LayeredLink": (
        "1 trace_id bytes",
        "2 span_id bytes",
        "3 trace_state bytes",
        "4 attributes bytes*",
        "5 dropped_attributes uint32",
        "6 flags fixed32",
    ),
    "LayeredResource": ("1 attributes bytes*", "2 dropped_attributes uint32"),
    "LayeredScope": ("1 name bytes", "2 version bytes", "3 attributes bytes*", "4 dropped_attributes uint32"),
    "LayeredPair": ("1 key bytes", "2 value bytes"),
    "LayeredItems": ("1 values bytes*",),
    "LayeredValue": (
        "1 string_value bytes",
        "2 bool_value bool",
        "3 int_value int64",
        "4 double_value double",
        "5 array_value bytes",
        "6 kvlist_value bytes",
        "7 bytes_value bytes",
    ),
    # What tells which spans share an ID, of many spans or of one.
    "Identities": ("2 span_id bytes*", "6 kind int32*"),
    # The response to logs is the same on the wire.
    "PartialSuccess": ("1 rejected_spans int64", "2 error_message bytes"),
    "ExportResponse": ("1 partial_success PartialSuccess",),
    "RpcStatus": ("1 code int32", "2 message bytes"),
    "Chunk": ("1 scope uint32", "2 spans bytes*", "15 count uint32"),
    "Stored": ("1 chunks Chunk*",),
}
_ONE_OF = frozenset({"AnyValue", "LayeredValue"})


def define(package: str, table: Mapping[str, tuple[str, ...]], one_of: Collection[str] = ()) -> dict[str, Any]:
    """Return the classes of messages by name; they are created at run time, so they have no static type.

    Args:
        package: their package in protobuf.
        table: the fields of each message, as "number name type": ``*`` after the type: repeated; ``?``: a number
            whose absence differs from 0.
        one_of: the messages that have at most one of their fields.
    """
    name = f"{package.replace('.', '/')}.proto"
    file = descriptor_pb2.FileDescriptorProto(name=name, package=package, syntax="proto3")
    for name, fields in table.items():
        message = file.message_type.add(name=name)
        if name in one_of:
            message.oneof_decl.add(name="value")
        for line in fields:
            number, field_name, kind = line.split()
            field = message.field.add(name=field_name, number=int(number), proto3_optional=kind.endswith("?"))
            field.label = _Field.LABEL_REPEATED if kind.endswith("*") else _Field.LABEL_OPTIONAL
            scalar = _SCALARS.get(kind.rstrip("*?"))
            if scalar is None:
                field.type = _Field.TYPE_MESSAGE
                field.type_name = f".{package}.{kind.rstrip('*')}"
            else:
                field.type = scalar
            if kind.endswith("?"):
                field.oneof_index = len(message.oneof_decl)
                message.oneof_decl.add(name=f"_{field_name}")
            elif name in one_of:
                field.oneof_index = 0
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    found = {name: pool.FindMessageTypeByName(f"{package}.{name}") for name in table}
    return {name: message_factory.GetMessageClass(descriptor) for name, descriptor in found.items()}


_CLASSES = define("devenv.backend", _MESSAGES, _ONE_OF)

Request = _CLASSES["Request"]
AnyValue = _CLASSES["AnyValue"]
Resource = _CLASSES["Resource"]
Scope = _CLASSES["Scope"]
KeyValue = _CLASSES["KeyValue"]
Span = _CLASSES["Span"]
OpaqueSpan = _CLASSES["OpaqueSpan"]
SpanColumns = _CLASSES["SpanColumns"]
MarkedSpans = _CLASSES["MarkedSpans"]
ExportResponse = _CLASSES["ExportResponse"]
RpcStatus = _CLASSES["RpcStatus"]
Stored = _CLASSES["Stored"]
Chunk = _CLASSES["Chunk"]
Identities = _CLASSES["Identities"]
LayeredSpan = _CLASSES["LayeredSpan"]
LogRecord = _CLASSES["LogRecord"]
LayeredLogRecord = _CLASSES["LayeredLogRecord"]
LayeredEvent = _CLASSES["LayeredEvent"]
LayeredLink = _CLASSES["LayeredLink"]
LayeredResource = _CLASSES["LayeredResource"]
LayeredScope = _CLASSES["LayeredScope"]
LayeredPair = _CLASSES["LayeredPair"]
LayeredItems = _CLASSES["LayeredItems"]
LayeredValue = _CLASSES["LayeredValue"]
