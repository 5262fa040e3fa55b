"""The fake clock: time passes when told to, or when nothing else is left to do."""

from __future__ import annotations

import asyncio

from devenv.testing.fake_clock import FakeClock


async def test_time_jumps_to_the_next_sleeper_when_nothing_else_can_run() -> None:
    clock = FakeClock()
    woken = []

    async def sleep(seconds: float) -> None:
        await clock.sleep(seconds)
        woken.append((seconds, clock.monotonic()))

    await asyncio.gather(sleep(5), sleep(1), sleep(3))
    assert woken == [(1, 1), (3, 3), (5, 5)]


async def test_advance_wakes_in_order_and_no_further() -> None:
    clock = FakeClock(auto=False)
    woken = []

    async def tick() -> None:
        while True:
            await clock.sleep(1)
            woken.append(clock.monotonic())

    task = asyncio.create_task(tick())
    await asyncio.sleep(0)
    await clock.advance(2.5)
    assert (woken, clock.monotonic()) == ([1, 2], 2.5)
    task.cancel()


async def test_advance_returns_while_time_jumps_by_itself() -> None:
    clock = FakeClock()
    task = asyncio.create_task(clock.sleep(1))
    await asyncio.sleep(0)
    async with asyncio.timeout(10):
        await clock.advance(2)
    await task
    assert clock.monotonic() == 2
