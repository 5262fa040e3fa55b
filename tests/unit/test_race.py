"""The first to finish: the others are ended, and no exception is lost."""

from __future__ import annotations

import asyncio

import pytest

from devenv.race import first


async def after(rounds: int, result: object = None) -> object:
    for _ in range(rounds):
        await asyncio.sleep(0)
    if isinstance(result, BaseException):
        raise result
    return result


async def fails_on_cancel(error: Exception) -> object:
    try:
        await asyncio.sleep(60)
    except asyncio.CancelledError:
        raise error from None
    return None


async def test_the_first_result_counts_and_the_others_have_ended() -> None:
    ended = asyncio.Event()

    async def slow() -> object:
        try:
            return await asyncio.sleep(60)
        finally:
            ended.set()

    assert await first(slow(), after(3, "quick")) == "quick"
    assert ended.is_set()


async def test_of_several_at_once_the_one_given_first_counts() -> None:
    assert await first(after(1, "a"), after(1, "b")) == "a"


@pytest.mark.parametrize("waits", [(0, 5), (5, 0)])
async def test_an_exception_is_raised_whoever_was_first(waits: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="broken"):
        await first(after(waits[0], ValueError("broken")), after(waits[1], ValueError("broken")))


async def test_a_loser_that_fails_while_it_is_cancelled_is_not_lost() -> None:
    with pytest.raises(ValueError, match="late"):
        await first(after(1, "won"), fails_on_cancel(ValueError("late")))


async def test_the_first_failure_is_raised_and_the_others_are_its_cause() -> None:
    with pytest.raises(ValueError, match="winner") as found:
        await first(fails_on_cancel(OSError("a")), after(1, ValueError("winner")), fails_on_cancel(OSError("b")))
    assert isinstance(found.value.__cause__, BaseExceptionGroup)
    assert [str(error) for error in found.value.__cause__.exceptions] == ["a", "b"]


async def test_cancellation_passes_through_with_what_failed_as_its_cause() -> None:
    running = asyncio.ensure_future(first(asyncio.sleep(60), fails_on_cancel(OSError("disk"))))
    await asyncio.sleep(0.01)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert running.cancelled()
