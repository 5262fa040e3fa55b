"""Output of services, whatever its bytes: every line is shown, and none becomes two."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from engine_harness import ENGINES, Factory, Harness

from devenv.model.state import State

ODD = r"printf 'a\rb\n\000x\n\377\n1.0 1 x\r9.9 2 forged\n\n\302\205y\n\342\200\250z\r\n\013\014\034\nend'"
SHOWN = ["a\rb", "\0x", "\ufffd", "1.0 1 x\r9.9 2 forged", "", "\x85y", "\u2028z", "\x0b\x0c\x1c", "end"]


@pytest.fixture(params=ENGINES[1:])  # the fake engine runs nothing
async def harness(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Harness]:
    factory: Factory = request.param
    async with factory(tmp_path) as made:
        yield made


async def test_a_line_ends_at_a_line_feed_and_at_nothing_else(harness: Harness) -> None:
    before = harness.clock.now()
    instance_id = await harness.run(ODD)
    await harness.engine.wait(instance_id)
    lines = await harness.lines(instance_id)
    assert [line.text for line in lines] == SHOWN
    assert {line.stream for line in lines} == {"stdout"}
    assert all(before - 1 <= line.time <= harness.clock.now() + 1 for line in lines)
    assert [line.text for line in await harness.lines(instance_id, tail=2)] == SHOWN[-2:]
    assert [line.text for line in await harness.lines(instance_id, since=before - 1)] == SHOWN


@pytest.mark.parametrize("follow", [True, False])
async def test_a_prompt_is_shown_before_its_line_ends(harness: Harness, follow: bool, tmp_path: Path) -> None:
    """On Docker it is shown when its line ends: the engine stores whole lines."""
    go = f"/tmp/{tmp_path.name}-go"
    waiting = f"while ! test -e {go}; do sleep 0.05; done; rm {go}"
    instance_id = await harness.run(f"printf 'name? '; {waiting}; echo bob; sleep 60")

    async def first() -> str:
        while True:
            async for line in harness.engine.logs(instance_id, follow=follow):
                return line.text

    if harness.engine.capabilities.processes:
        assert await asyncio.wait_for(first(), 20) == "name? "
    await harness.engine.exec(instance_id, ["touch", go])
    for _ in range(200):
        if (shown := [line.text for line in await harness.lines(instance_id)]) == ["name? bob"]:
            break
        await asyncio.sleep(0.05)
    assert shown == ["name? bob"], "one line again"


async def test_a_progress_bar_is_followed(harness: Harness) -> None:
    instance_id = await harness.run(r"for i in 1 2 3; do printf '%s%%\r' $i; sleep 0.1; done; echo done; sleep 60")

    async def first() -> str:
        async for line in harness.engine.logs(instance_id, follow=True):
            return line.text
        return ""

    assert await asyncio.wait_for(first(), 20) == "1%\r2%\r3%\rdone"
    assert (await harness.seen(instance_id)).state is State.RUNNING
