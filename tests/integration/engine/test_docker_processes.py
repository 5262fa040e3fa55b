"""What runs in containers on a real engine: ends, memory, terminals, long output; and that nothing stalls or leaks."""

from __future__ import annotations

import asyncio
import os
import pty
import select
import subprocess
import sys
import termios
import threading
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from engine_harness import Harness, docker

from devenv.errors import EngineRefused
from devenv.model.state import State

pytestmark = pytest.mark.docker


@pytest.fixture
async def harness(tmp_path: Path) -> AsyncIterator[Harness]:
    async with docker(tmp_path) as made:
        yield made


def stream_threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("docker stream: reading")]


async def test_who_takes_too_much_memory_is_known_to_have_been_killed_for_it(harness: Harness) -> None:
    line = "exec python3 -c 'x = bytearray(300 << 20); print(len(x))'"
    instance_id = await harness.engine.create(harness.spec(line, memory=16 << 20, init=False))
    await harness.engine.start(instance_id)
    status = await harness.engine.wait(instance_id)
    assert (status.exit_code, status.oom_killed) == (137, True)
    seen = await harness.seen(instance_id)
    assert (seen.state, seen.exit_code, seen.oom_killed) == (State.EXITED, 137, True)


async def test_the_services_own_signal_and_grace_period_end_it(harness: Harness) -> None:
    line = "trap 'echo bye; exit 5' INT; echo up; while :; do sleep 0.05; done"
    instance_id = await harness.run(line, stop_signal="SIGINT", stop_grace_period=20.0)
    await harness.until(lambda: harness.lines(instance_id))
    await harness.engine.stop(instance_id)
    assert (await harness.seen(instance_id)).exit_code == 5
    assert [entry.text for entry in await harness.lines(instance_id)] == ["up", "bye"]


async def test_the_services_own_grace_period_is_kept(harness: Harness) -> None:
    instance_id = await harness.run("trap '' TERM; echo up; sleep infinity", init=False, stop_grace_period=1.0)
    await harness.until(lambda: harness.lines(instance_id))
    begun = time.monotonic()
    await harness.engine.stop(instance_id)
    assert 0.9 < time.monotonic() - begun < 8
    assert (await harness.seen(instance_id)).exit_code == 137


async def test_a_call_that_blocks_does_not_stall_the_loop(harness: Harness) -> None:
    instance_id = await harness.run("trap '' TERM; echo up; sleep infinity", init=False)
    await harness.until(lambda: harness.lines(instance_id))
    stopping = asyncio.create_task(harness.engine.stop(instance_id, grace=2))
    ticks = 0
    while not stopping.done():
        await asyncio.sleep(0.01)
        ticks += 1
    assert ticks > 40


async def test_giving_up_leaves_no_thread_behind(harness: Harness) -> None:
    instance_id = await harness.run("while :; do echo again; sleep 0.01; done")
    lines = [harness.engine.logs(instance_id, follow=True) for _ in range(3)]
    for each in lines:
        assert (await anext(each)).text == "again"
    assert len(stream_threads()) == 3
    command = asyncio.create_task(harness.engine.exec(instance_id, ["sleep", "600"]))
    await asyncio.sleep(0.3)
    command.cancel()
    for each in lines:
        await each.aclose()  # type: ignore[attr-defined]

    async def ended() -> bool:
        names = [thread.name for thread in threading.enumerate()]
        return not stream_threads() and "docker call" not in names

    await harness.until(ended)
    assert (await harness.engine.exec(instance_id, ["true"])).exit_code == 0


async def test_a_reader_that_is_slower_than_the_output_holds_it_back(harness: Harness) -> None:
    instance_id = await harness.run("i=0; while [ $i -lt 5000 ]; do echo line $i; i=$((i+1)); done; exit 0")
    await harness.engine.wait(instance_id)
    seen = [line.text async for line in harness.engine.logs(instance_id, follow=True)]
    assert seen == [f"line {number}" for number in range(5000)]


async def test_a_line_longer_than_the_engines_messages_is_one_line(harness: Harness) -> None:
    instance_id = await harness.run("python3 -c \"print('x' * 40000); print('end')\"; exit 0")
    await harness.engine.wait(instance_id)
    assert [len(line.text) for line in await harness.lines(instance_id)] == [40000, 3]


@pytest.mark.parametrize("follow", [False, True])
async def test_the_output_of_a_terminal(harness: Harness, follow: bool) -> None:
    instance_id = await harness.run("echo one; echo two >&2; exit 0", tty=True)
    await harness.engine.wait(instance_id)
    lines = [line async for line in harness.engine.logs(instance_id, follow=follow)]
    assert [(line.stream, line.text) for line in lines] == [("stdout", "one"), ("stdout", "two")]
    assert all(abs(line.time - time.time()) < 60 for line in lines)


async def test_who_is_removed_elsewhere_is_not_waited_for(harness: Harness) -> None:
    running = await harness.run("sleep infinity")
    created = await harness.engine.create(harness.spec("true", index=2))
    waiting = [asyncio.create_task(harness.engine.wait(i)) for i in (running, created)]
    await asyncio.sleep(0.3)
    await asyncio.gather(*(harness.engine.remove(i) for i in (running, created, running)))
    async with asyncio.timeout(10):
        statuses = await asyncio.gather(*waiting)
    assert [status.exit_code for status in statuses] == [137, 137]
    with pytest.raises(EngineRefused):
        await harness.engine.exec(running, ["true"])


ATTACH = """
import asyncio, sys
from devenv.engine.docker import DockerEngine

async def main():
    engine = DockerEngine()
    try:
        return await engine.exec_attached(sys.argv[1], sys.argv[3:], tty=sys.argv[2] == "tty")
    finally:
        await engine.close()

sys.exit(asyncio.run(main()))
"""


async def test_a_command_attached_to_pipes(harness: Harness) -> None:
    instance_id = await harness.run("sleep infinity")
    command = [sys.executable, "-c", ATTACH, instance_id, "pipe", "sh", "-c", "cat; echo err >&2; exit 6"]
    ended = await asyncio.to_thread(subprocess.run, command, input=b"through\n", capture_output=True, timeout=60)
    assert (ended.returncode, ended.stdout, ended.stderr) == (6, b"through\n", b"err\n")


async def test_a_command_attached_to_a_terminal(harness: Harness) -> None:
    instance_id = await harness.run("sleep infinity")
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (31, 97))
    # The engine takes the size only after the start, so the command waits for it.
    line = 'until [ "$(stty size)" != "0 0" ]; do :; done; stty size; read answer; echo got $answer; exit 4'
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", ATTACH, instance_id, "tty", "sh", "-c", line), stdin=theirs, stdout=theirs
    )
    before = termios.tcgetattr(theirs)
    await asyncio.to_thread(read_until, ours, b"31 97")
    raw = termios.tcgetattr(theirs)
    assert not raw[3] & termios.ECHO  # the far side echoes, not ours
    os.write(ours, b"hello\r")
    await asyncio.to_thread(read_until, ours, b"got hello")
    assert await asyncio.wait_for(process.wait(), 30) == 4
    assert termios.tcgetattr(theirs)[3] & termios.ECHO == before[3] & termios.ECHO
    os.close(ours)
    os.close(theirs)


def read_until(descriptor: int, wanted: bytes) -> None:
    seen = b""
    deadline = time.monotonic() + 30
    while wanted not in seen:
        readable, _, _ = select.select([descriptor], [], [], max(deadline - time.monotonic(), 0))
        assert readable, f"only {seen!r}"
        seen += os.read(descriptor, 1024)
