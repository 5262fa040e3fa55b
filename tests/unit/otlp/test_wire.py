"""The wire format: one writer for the tool and for the tracing library."""

from __future__ import annotations

import struct

import grimp
import pytest

from devenv.otlp import messages, wire
from devenv.tracing.export.wire import read_fields


@pytest.mark.parametrize("number", [1, 15, 16, 2000])
def test_fields_are_read_back_by_the_tracing_library(number: int) -> None:
    data = (
        wire.varint_field(number, 300)
        + wire.varint_field(number, -1)
        + wire.fixed64_field(number, 2**63)
        + wire.bytes_field(number, b"ab")
        + wire.text_field(number, "")
        + wire.text_field(number, "\ud800")
    )
    assert read_fields(data) == [
        (number, 300),
        (number, 2**64 - 1),
        (number, struct.pack("<Q", 2**63)),
        (number, b"ab"),
        (number, b""),
        (number, b"?"),
    ]


def test_protobuf_reads_and_writes_the_same_bytes() -> None:
    data = wire.text_field(5, "GET /") + wire.varint_field(6, 2) + wire.fixed64_field(7, 10**18)
    span = messages.Span.FromString(data)
    assert (span.name, span.kind, span.start) == (b"GET /", 2, 10**18)
    assert span.SerializeToString() == data


def test_one_module_takes_the_writer_from_the_tracing_library() -> None:
    graph = grimp.build_graph("devenv", cache_dir=None)
    importers = graph.find_modules_that_directly_import("devenv.tracing.export.wire")
    assert {name for name in importers if not name.startswith("devenv.tracing.")} == {"devenv.otlp.wire"}
