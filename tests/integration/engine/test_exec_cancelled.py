"""A command in an instance ends with its caller, its children included."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from engine_harness import ENGINES, Factory, Harness

# A process instance sees all processes of the machine: the numbers are of this test run alone.
NUMBER = f"4{os.getpid()}"
PAIR = f"sleep {NUMBER}1 & sleep {NUMBER}2"


@pytest.fixture(params=ENGINES[1:])  # the fake engine runs nothing
async def harness(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Harness]:
    factory: Factory = request.param
    async with factory(tmp_path) as made:
        yield made


async def running(harness: Harness, instance_id: str) -> int:
    """How many of the pair run, as seen from inside: a bracket keeps grep from finding itself."""
    line = f"cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' ' ' | grep -o 'sleep {NUMBER}[12] ' | sort -u | wc -l"
    return int((await harness.engine.exec(instance_id, ["sh", "-c", line])).output)


@pytest.mark.parametrize("command", [("sh", "-c", PAIR), ("env", "-u", "HOME", "sh", "-c", PAIR)])
async def test_a_cancelled_command_leaves_nothing(harness: Harness, command: tuple[str, ...]) -> None:
    instance_id = await harness.run("sleep infinity")
    work = asyncio.create_task(harness.engine.exec(instance_id, command))

    async def both() -> bool:
        return await running(harness, instance_id) == 2

    await harness.until(both)
    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await work
    assert await running(harness, instance_id) == 0


async def test_an_attached_command_ends_when_it_is_cancelled(harness: Harness) -> None:
    instance_id = await harness.run("sleep infinity")
    work = asyncio.create_task(harness.engine.exec_attached(instance_id, ["sleep", f"{NUMBER}1"], tty=False))

    async def begun() -> bool:
        return await running(harness, instance_id) == 1

    await harness.until(begun)
    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await work
    assert await running(harness, instance_id) == 0
