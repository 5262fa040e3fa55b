"""Lines of output and log records as they arrive: each of them once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence

import pytest

from devenv.app.environment.log_lines import live_lines
from devenv.app.environment.log_lines.live_lines import LiveLines
from devenv.model.log import ServiceLine


def line(text: str, stream: str = "stdout", *, at: float = 1.0, **more: str) -> ServiceLine:
    given = {"trace_id": None, **more}
    return ServiceLine(service="web", instance=1, time=at, stream=stream, text=text, **given)  # type: ignore[arg-type]


def sent(text: str, **more: str) -> ServiceLine:
    return line(text, "otlp", **more)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_lines, "HOLD_SECONDS", 0.0)
    monkeypatch.setattr(live_lines, "SETTLE_SECONDS", 0.02)


async def shown(
    *arrivals: ServiceLine | list[ServiceLine],
    wanted: Callable[[ServiceLine], bool] = lambda _: True,
    whole: bool = False,
    earlier: Callable[[list[ServiceLine]], list[ServiceLine]] = list,
) -> list[tuple[str, str]]:
    """What is shown of lines and of lists of records that arrive one after the other, after the earlier lines."""
    lines: asyncio.Queue[ServiceLine | None] = asyncio.Queue()
    records: asyncio.Queue[list[ServiceLine]] = asyncio.Queue()

    async def printed() -> AsyncIterator[ServiceLine]:
        while (found := await lines.get()) is not None:
            yield found

    async def batches() -> AsyncIterator[Sequence[ServiceLine]]:
        while True:
            yield await records.get()

    async def arrive() -> None:
        for each in arrivals:
            await (records.put(each) if isinstance(each, list) else lines.put(each))
            await asyncio.sleep(0.01)
        await lines.put(None)

    arriving = asyncio.create_task(arrive())
    live = LiveLines(wanted, whole=whole)
    found = [(each.stream, each.text) async for each in live.merged(printed(), batches(), earlier)]
    await arriving
    return found


async def test_a_record_of_a_line_that_was_shown_is_left_out_once() -> None:
    again = [sent("order 1"), sent("order 1"), sent("other")]
    assert await shown(line("order 1"), line("order 2"), again) == [
        ("stdout", "order 1"), ("stdout", "order 2"), ("otlp", "order 1"), ("otlp", "other")
    ]  # fmt: skip


async def test_a_record_of_a_line_that_was_not_shown_is_shown() -> None:
    found = await shown(
        line("slow order"), [sent("slow order", severity="WARN")], wanted=lambda each: bool(each.severity)
    )
    assert found == [("otlp", "slow order")]


async def test_the_rest_of_a_record_of_a_trace_is_shown() -> None:
    record = sent("failed\nat a\nat b", trace_id="1" * 32)
    assert await shown(line("failed"), [record]) == [("stdout", "failed")]
    assert await shown(line("failed"), [record], whole=True) == [("stdout", "failed"), ("otlp", "at a\nat b")]


async def test_earlier_lines_are_merged_with_earlier_records() -> None:
    def merged(lines: list[ServiceLine]) -> list[ServiceLine]:
        return sorted([*lines, sent("between", at=1.5)], key=lambda each: each.time)

    found = await shown(line("second", at=2.0), line("first"), [sent("second", at=2.0)], earlier=merged)
    assert found == [("stdout", "first"), ("otlp", "between"), ("stdout", "second")]


async def test_what_devenv_says_is_always_shown() -> None:
    assert await shown(line("(web-1 was restarted)", "devenv"), wanted=lambda _: False) == [
        ("devenv", "(web-1 was restarted)")
    ]


async def test_an_exception_of_the_output_is_raised() -> None:
    async def printed() -> AsyncIterator[ServiceLine]:
        yield line("one")
        raise OSError("gone")

    found = []

    async def read() -> None:
        async for each in LiveLines(lambda _: True, whole=False).merged(printed(), None, list):
            found.append(each.text)

    with pytest.raises(OSError, match="gone"):
        await read()
    assert found == ["one"]


async def test_old_lines_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_lines, "REMEMBERED", 2)
    lines = [line(f"order {number}") for number in range(6)]
    assert await shown(*lines, [sent("order 5"), sent("order 2"), sent("order 0")]) == [
        *(("stdout", each.text) for each in lines), ("otlp", "order 0")
    ]  # fmt: skip
