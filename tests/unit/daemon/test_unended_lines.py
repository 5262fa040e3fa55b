"""A line that a service does not end: stored after a moment, and one line again with what follows of it."""

from __future__ import annotations

import time as real_time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from devenv.contract.answers import LogLine
from devenv.daemon import output as module
from devenv.daemon.logfile import LogFile
from devenv.daemon.output import IDLE_S, UNENDED_S, ServiceOutput
from devenv.engine.process import log_reader
from devenv.engine.process.log_reader import follow, read_lines
from devenv.health.probe import LogProbe


@dataclass
class Service:
    """The output of one service, and its log; time passes only in `wait`."""

    path: Path
    monkeypatch: pytest.MonkeyPatch
    now: float = 100.0
    output: ServiceOutput = field(init=False)

    def __post_init__(self) -> None:
        self.monkeypatch.setattr(module, "time", self)
        self.output = ServiceOutput(LogFile(self.path), lambda error: None)

    monotonic = lambda self: self.now  # noqa: E731 - stands for time.monotonic
    time = staticmethod(real_time.time)

    def wait(self, seconds: float) -> None:
        self.now += seconds
        if self.output._look is not None:
            self.output._look.cancel()
            self.output._store_rests()

    def lines(self, tail: int | None = None) -> list[tuple[str, str]]:
        return [(line.stream, line.text) for line in read_lines(self.path, None, tail)]


@pytest.fixture
async def service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Service]:
    made = Service(tmp_path / "web-1.log", monkeypatch)
    yield made
    if made.output._look is not None:
        made.output._look.cancel()


async def test_a_prompt_and_its_answer_are_one_line(service: Service) -> None:
    service.output.add(1, b"before\nname? ")
    service.wait(IDLE_S / 2)
    assert service.lines() == [("stdout", "before")]
    service.wait(IDLE_S / 2)
    assert service.lines() == [("stdout", "before"), ("stdout", "name? ")]
    service.output.add(2, b"a warning\n")
    service.output.add(1, b"bob\nafter\n")
    assert service.lines() == [
        ("stdout", "before"),
        ("stdout", "name? bob"),
        ("stderr", "a warning"),
        ("stdout", "after"),
    ]
    assert service.lines(tail=3) == [("stdout", "name? bob"), ("stderr", "a warning"), ("stdout", "after")]
    assert service.lines(tail=2) == [("stderr", "a warning"), ("stdout", "after")]


async def test_a_line_that_is_only_ended_later_stays_as_it_is(service: Service) -> None:
    service.output.add(1, b"50%\r100%\r")
    service.wait(IDLE_S)
    service.output.add(1, b"\n")
    assert service.lines() == [("stdout", "50%\r100%")]


async def test_dots_that_never_stop_are_shown_all_the_same(service: Service) -> None:
    for _ in range(int(UNENDED_S / (IDLE_S / 2))):
        service.output.add(1, b".")
        service.wait(IDLE_S / 2)
    assert service.lines() == [("stdout", "." * 10)]
    service.output.add(1, b".")
    service.wait(IDLE_S)
    assert service.lines() == [("stdout", "." * 11)]


async def test_the_next_start_begins_a_line_of_its_own(service: Service) -> None:
    service.output.add(1, b"name? ")
    service.wait(IDLE_S)
    service.output.finish()
    service.output.add(1, b"name? \n")
    assert service.lines() == [("stdout", "name? "), ("stdout", "name? ")]


async def test_a_line_across_the_end_of_what_a_tail_reads_is_whole(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_reader, "BLOCK_BYTES", 64)
    for letter in "ab":
        service.output.add(1, letter.encode() * 3)
        service.wait(IDLE_S)
        for _ in range(40):
            service.output.add(1, b".")
            service.wait(IDLE_S)
        service.output.add(1, b"\n")
    assert service.lines(tail=1) == [("stdout", "bbb" + "." * 40)]
    assert service.lines(tail=2) == [("stdout", "aaa" + "." * 40), ("stdout", "bbb" + "." * 40)]


async def test_followed_each_part_comes_when_it_is_there_and_a_probe_sees_the_line(service: Service) -> None:
    service.output.add(1, b"listening on ")
    service.wait(IDLE_S)
    steps = iter([b"port 80", b"\n", b""])

    async def ended() -> bool:
        service.output.add(1, piece := next(steps))
        service.wait(IDLE_S)
        return not piece

    class Target:
        def logs(self, *_: object, **__: object) -> AsyncIterator[LogLine]:
            return follow(service.path, None, None, ended)

    found = [(line.text, line.continues) async for line in Target().logs()]
    assert found == [("listening on ", False), ("port 80", True)]
    steps = iter([b"port 81", b""])
    service.output.add(1, b"listening on ")
    service.wait(IDLE_S)
    probe = LogProbe(Target(), "web-1", "on port 81", since=None, follow=False)  # type: ignore[arg-type]  # only logs
    assert (await probe.ask()).ok
