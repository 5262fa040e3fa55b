"""A service that only writes: its log is bounded, and the daemon and its trace backend are not slowed down by it."""

from __future__ import annotations

import asyncio
import json
import os
import time
import urllib.request
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from engine_harness import Harness, process

from devenv.model.state import State


@pytest.fixture
async def harness(tmp_path: Path) -> AsyncIterator[Harness]:
    async with process(tmp_path) as made:
        yield made


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def state_directory(harness: Harness) -> Path:
    return harness.project.directory / ".devenv"


async def test_yes_leaves_the_daemon_idle_and_the_backend_quick(harness: Harness) -> None:
    backend = await harness.run("", service="jaeger", x={"role": "trace-backend"})
    endpoint = await harness.engine.endpoint(backend, 4318)
    assert endpoint is not None
    url = f"http://{endpoint.host}:{endpoint.port}/v1/traces"

    def post() -> float:
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(url, b'{"resourceSpans": []}', headers)
        started = time.monotonic()
        with urllib.request.urlopen(request, timeout=10) as answer:
            assert answer.status == 200
        return time.monotonic() - started

    chatty = await harness.run("exec yes", service="chatty")
    await asyncio.sleep(1)
    daemon = int(json.loads((state_directory(harness) / "daemon.json").read_text())["pid"])
    before, started = cpu_seconds(daemon), time.monotonic()
    posts, looks = [], []
    while time.monotonic() - started < 4:
        posts.append(await asyncio.to_thread(post))
        look = time.monotonic()
        await harness.engine.observe(harness.project)
        looks.append(time.monotonic() - look)
        await asyncio.sleep(0.02)
    used = (cpu_seconds(daemon) - before) / (time.monotonic() - started)
    assert used < 0.5, f"{used:.0%} of a core"
    assert sorted(posts)[int(len(posts) * 0.95)] < 0.05
    assert sorted(looks)[int(len(looks) * 0.95)] < 0.05
    reads = []
    for _ in range(3):  # reading all of the output instead of its end would be slow each time
        started = time.monotonic()
        assert len(await harness.lines(chatty, tail=2)) == 2
        reads.append(time.monotonic() - started)
    assert min(reads) < 0.5


async def test_what_was_dropped_is_said_and_the_last_lines_are_kept(harness: Harness) -> None:
    chatty = await harness.run("yes 0123456789 | head -n 3000000; echo the cause")
    async with asyncio.timeout(60):
        await harness.engine.wait(chatty)
    lines = await harness.lines(chatty)
    assert lines[-1].text == "the cause"
    notes = [line for line in lines if line.text.startswith("devenv: ")]
    assert notes
    assert all("left out" in note.text and note.stream == "stderr" for note in notes)
    left_out = sum(int(note.text.split()[1].replace(",", "")) for note in notes)
    kept = len(lines) - len(notes)
    assert left_out + kept == 3_000_001
    sizes = [file.stat().st_size for file in (state_directory(harness) / "logs").iterdir()]
    assert sum(sizes) < 25 * 2**20


async def test_a_fast_pipe_is_read_to_its_end(harness: Harness) -> None:
    """What a service writes last is not lost in a pause of reading."""
    instance_id = await harness.run("head -c 5000000 /dev/zero | tr '\\0' x; echo; echo last")
    await harness.engine.wait(instance_id)
    lines = await harness.lines(instance_id)
    assert lines[-1].text == "last"
    assert sum(line.text.count("x") for line in lines) == 5_000_000
    assert (await harness.seen(instance_id)).state is State.EXITED
