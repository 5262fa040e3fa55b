"""Bodies compressed with zstd: read block by block, whatever they claim or are cut to."""

from __future__ import annotations

import os

import pytest

from devenv.http.server.body_errors import BadEncoding, BodyTooLarge
from devenv.http.server.compression import pieces

zstandard = pytest.importorskip("zstandard")
KIB, MIB = 1024, 1024 * 1024
TEXT = os.urandom(300 * KIB) + b"text " * 100_000


def inflated(body: bytes, limit: int = 64 * MIB) -> bytes:
    return b"".join(pieces(body, "zstd", limit))


def streamed(text: bytes, **parameters: int) -> bytes:
    """As an exporter does that does not know the size: no content size in the frame."""
    made = zstandard.ZstdCompressionParameters(write_content_size=False, **parameters)
    stream = zstandard.ZstdCompressor(compression_params=made).compressobj()
    parts = [stream.compress(text[at : at + 10_000]) for at in range(0, len(text), 10_000)]
    return b"".join([*parts, stream.flush()])


@pytest.mark.parametrize("text", [b"", b"x", TEXT], ids=["empty", "short", "long"])
def test_what_was_compressed_is_found(text: bytes) -> None:
    assert inflated(zstandard.compress(text)) == text
    assert inflated(streamed(text)) == text
    assert inflated(streamed(text, write_checksum=True)) == text
    assert inflated(bytearray(streamed(text))) == text


def test_several_frames_and_one_to_be_skipped() -> None:
    skipped = b"\x53\x2a\x4d\x18" + (5).to_bytes(4, "little") + b"hello"
    assert inflated(zstandard.compress(b"one ") + skipped + streamed(b"two")) == b"one two"


def test_a_bomb_is_inflated_in_pieces_and_stopped_at_the_limit() -> None:
    bomb = zstandard.compress(bytes(256 * MIB))
    assert len(bomb) < 16 * KIB
    found: list[int] = []
    with pytest.raises(BodyTooLarge):
        found.extend(map(len, pieces(bomb, "zstd", 4 * MIB)))
    assert max(found) <= 128 * KIB
    assert sum(found) <= 4 * MIB


@pytest.mark.parametrize("cut", [1, 3, 10, 1000])
def test_a_body_that_is_cut_off(cut: int) -> None:
    for whole in (zstandard.compress(TEXT), streamed(TEXT, write_checksum=True)):
        with pytest.raises(BadEncoding):
            inflated(whole[:-cut])


def test_a_frame_with_too_large_a_window_is_refused() -> None:
    with pytest.raises(BadEncoding, match=r"window|memory"):
        inflated(streamed(TEXT, window_log=27))


def test_a_body_of_empty_blocks_is_refused() -> None:
    whole = streamed(b"x")
    head = whole[: zstandard.frame_header_size(whole)]
    with pytest.raises(BadEncoding, match="blocks"):
        inflated(head + bytes(3) * 100_000 + b"\x01\x00\x00")


@pytest.mark.parametrize("body", [b"no zstd", b"\x28\xb5\x2f\xfd", b"\x28\xb5\x2f\xfd" + b"\xff" * 50])
def test_other_bytes_are_refused(body: bytes) -> None:
    with pytest.raises(BadEncoding):
        inflated(body)
