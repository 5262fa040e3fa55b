"""The loop's time: one slice of long work in each iteration, whatever the number of those who wait."""

from __future__ import annotations

import asyncio

from devenv.http.server.turns import SLICE, Turns


async def iterations() -> list[int]:
    """A counter of the loop's iterations, as its only item; it counts on until the test ends."""
    count = [0]

    def tick() -> None:
        count[0] += 1
        asyncio.get_running_loop().call_soon(tick)

    tick()
    return count


async def test_one_waiter_continues_in_each_iteration_in_order() -> None:
    turns, count = Turns(), await iterations()
    seen: list[tuple[str, int]] = []

    async def work(name: str) -> None:
        for _ in range(2):
            await turns.wait()
            seen.append((name, count[0]))

    await asyncio.gather(work("a"), work("b"), work("c"))
    assert [name for name, _ in seen] == ["a", "b", "c", "a", "b", "c"]
    assert len({at for _, at in seen}) == 6


async def test_a_cancelled_waiter_takes_no_slice() -> None:
    turns = Turns()
    waiting = [asyncio.create_task(turns.wait()) for _ in range(3)]
    await asyncio.sleep(0)
    waiting[0].cancel()
    waiting[1].cancel()
    await waiting[2]
    assert [task.cancelled() for task in waiting] == [True, True, False]


async def test_a_turn_goes_on_without_a_pause_within_its_slice() -> None:
    turns, count = Turns(), await iterations()
    turn = turns.start()
    await turn.pause()
    begun = count[0]
    turn._until = float("inf")
    for _ in range(100):
        await turn.pause()
    assert count[0] == begun
    turn._until = 0.0
    await turn.pause()
    assert count[0] > begun


async def test_short_requests_have_one_slice_of_an_iteration() -> None:
    turns = Turns()
    turns.spend(SLICE / 2)
    assert not turns.crowded
    turns.spend(SLICE / 2)
    assert turns.crowded
    await asyncio.sleep(0)
    assert not turns.crowded


async def test_few_of_the_fast_senders_read_in_one_iteration() -> None:
    turns, count = Turns(), await iterations()
    read: list[int] = []
    assert not turns.read_later(1000, lambda: read.append(0))
    assert all(turns.read_later(256_000, lambda: read.append(count[0])) for _ in range(12))
    for _ in range(20):
        await asyncio.sleep(0)
    assert [read.count(at) for at in sorted(set(read))] == [4, 4, 4]
