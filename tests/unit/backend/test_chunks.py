"""The heads of a stored trace's chunks, read without its spans."""

from __future__ import annotations

import pytest

from devenv.backend.store.chunks import chunk_count, chunk_head, counts, span_head
from devenv.otlp import messages
from devenv.otlp.wire import varint


def chunk(scope: int, spans: list[bytes]) -> bytes:
    payload = b"".join(span_head(len(span)) + span for span in spans)
    numbers = b"\x08" + varint(scope) + chunk_count(len(spans))
    return chunk_head(len(numbers) + len(payload)) + numbers + payload


@pytest.mark.parametrize("scope", [0, 1, 127, 128, 300, 100_000])
@pytest.mark.parametrize(
    "spans", [[b""], [b"x"], [b"x" * 40] * 3, [b"x" * 200] * 200, [b"x" * 5000] * 4, [b"y"] * 20_000]
)
def test_the_heads_say_what_the_decoder_finds(scope: int, spans: list[bytes]) -> None:
    raw = chunk(scope, spans) + chunk(7, [b"z"]) + chunk(scope, spans)
    decoded = [(each.scope, len(each.spans)) for each in messages.Stored.FromString(raw).chunks]
    assert counts(raw) == decoded == [(scope, len(spans)), (7, 1), (scope, len(spans))]
    assert [each.count for each in messages.Stored.FromString(raw).chunks] == [count for _, count in decoded]


def test_a_trace_without_spans_has_no_chunk() -> None:
    assert counts(b"") == []
