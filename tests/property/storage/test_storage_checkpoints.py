"""Checkpoints with random harm: a folder opens as it was; and a wrong content with a right checksum is an error."""

from __future__ import annotations

import random
import struct
import tempfile
from pathlib import Path
from typing import Any

import pytest
from embedded.storage_requests import IDS, Body, bodies, put_any
from embedded.stores import MIB, content, log_content, opened, put
from hypothesis import given, settings
from hypothesis import strategies as st
from otlp_build import make_span, request, resource_spans

from devenv.backend.logs.store import LogStore
from devenv.backend.storage.checkpoint_file import CHECKPOINT, CheckpointReader, UnusableHereError
from devenv.backend.storage.framing import HEAD_BYTES, Damaged, framed
from devenv.backend.store.checkpoint_restoration import restore
from devenv.backend.store.packs import LARGEST
from devenv.backend.store.store import Store
from devenv.otlp.wire import TooLarge, Undecodable

HARMS = ["none", "none", "removed", "flip", "cut", "zeros", "empty", "version", "other", "stale"]
AGE = 1e9
"""Limit of age; a sixteenth of it begins a new segment."""

sessions = st.lists(st.lists(bodies | st.none(), max_size=8), min_size=1, max_size=3)
"""Requests of each session; ``None`` begins a new segment."""


def harm(folder: Path, random_: random.Random, stale: dict[str, bytes]) -> None:
    """Do something to each of the checkpoints; ``stale`` has the content that they have had."""
    files = sorted(folder.glob("checkpoint-*.devenv"))
    contents = [file.read_bytes() for file in files]
    for file, whole in zip(files, contents, strict=True):
        at = random_.randrange(len(whole))
        harmed = {
            "none": whole,
            "flip": whole[:at] + bytes([whole[at] ^ (1 << random_.randrange(8))]) + whole[at + 1 :],
            "cut": whole[:at],
            "zeros": whole[:at] + bytes(len(whole[at : at + 50])) + whole[at + 50 :],
            "empty": b"",
            "version": framed(CHECKPOINT, [struct.pack("<I", 2), whole[HEAD_BYTES + 4 :]]),
            "other": random_.choice(contents),
            "stale": stale.get(file.name, whole),
        }
        stale[file.name] = whole
        chosen = random_.choice(HARMS)
        if chosen == "removed":
            file.unlink()
        else:
            file.write_bytes(harmed[chosen])


@settings(max_examples=40, deadline=None)
@given(sessions, st.integers(0))
def test_a_folder_opens_as_it_was_whatever_its_checkpoints_are(made: list[list[Body | None]], seed: int) -> None:
    random_, stale = random.Random(seed), dict[str, bytes]()
    now = [0.0]
    with tempfile.TemporaryDirectory() as name:
        before: tuple[Any, Any] | None = None
        for session in [*made, []]:
            logs = LogStore(64 * MIB)
            store, storage = opened(Path(name), logs=logs, max_age=AGE, now=lambda: now[0])
            assert before is None or (content(store), log_content(logs)) == before
            assert storage.figures()["damaged"] == []
            for body in session:
                if body is None:
                    now[0] += AGE / 16
                    storage.expire()
                else:
                    put_any(store, logs, body)
            before = content(store), log_content(logs)
            storage.close()
            harm(Path(name), random_, stale)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The content of one with own traces, late spans, and blocks of both kinds."""
    folder = tmp_path_factory.mktemp("checkpoint")
    for traces in (IDS[:3], IDS):
        store, storage = opened(folder)
        for number, service in enumerate(["web", "auth", "db"] * 4):
            made = (make_span(trace, name=f"op {number}", attributes={"k": "x" * 50}) for trace in traces)
            put(store, request(resource_spans(service, *made)))
        large = make_span(bytes([100 + len(traces)]) * 16, attributes={"k": "x" * LARGEST})
        put(store, request(resource_spans("large", large)))
        storage.close()
    return (folder / "checkpoint-00000002.devenv").read_bytes()


@settings(max_examples=300, deadline=None)
@given(st.integers(0))
def test_a_wrong_content_with_a_right_checksum_is_an_error_or_is_restored(checkpoint: bytes, seed: int) -> None:
    random_ = random.Random(seed)
    body = checkpoint[HEAD_BYTES:]
    at = random_.randrange(len(body))
    wrong = body[:at] + random_.randbytes(random_.randrange(1, 9)) + body[at + random_.randrange(9) :]
    try:
        found = CheckpointReader(framed(CHECKPOINT, [wrong])).checkpoint()
        restore(Store(MIB), 2, found)
    except (Damaged, UnusableHereError, Undecodable, TooLarge):
        return


def test_the_checkpoint_as_it_was_is_restored(checkpoint: bytes) -> None:
    store = Store(MIB)
    found = CheckpointReader(checkpoint).checkpoint()
    assert {block.compressed for block in found.blocks} == {True, False}
    assert found.late
    assert restore(store, 2, found) == store.spans > 0
    content(store)
