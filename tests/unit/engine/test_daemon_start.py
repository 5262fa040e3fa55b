"""The start of the daemon is waited for as long as it makes progress, and not for ever."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from devenv.engine.process import daemon_start
from devenv.engine.process.daemon_start import STALLED_S, START_TIMEOUT_S, start_daemon
from devenv.errors import EngineUnavailable


class Start:
    """A daemon that answers after `answers_after` seconds of this clock.

    It uses the processor until `works_until`, and ends at `ends_at`.
    """

    pid = 4711

    def __init__(self, answers_after: float, *, works_until: float = 1e9, ends_at: float = 1e9) -> None:
        self.now = 0.0
        self.answers_after, self.works_until, self.ends_at = answers_after, works_until, ends_at
        self.returncode: int | None = None
        self.killed = False

    def monotonic(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        assert seconds < 0.1, "it may answer at any time"
        self.now += 0.5

    def poll(self) -> int | None:
        self.returncode = 1 if self.now >= self.ends_at else None
        return self.returncode

    def kill(self) -> None:
        self.killed = True

    async def answers(self) -> bool:
        return self.now >= self.answers_after

    def processor_time(self, pid: int) -> int:
        assert pid == self.pid
        return 1 + int(min(self.now, self.works_until) * 10)


@pytest.fixture
def state(tmp_path: Path) -> Path:
    (tmp_path / ".devenv").mkdir(mode=0o700)
    (tmp_path / ".devenv" / "daemon.log").write_text("starting\nOSError: no memory\n")
    return tmp_path / ".devenv"


async def start(daemon: Start, state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(daemon_start, "_spawn", lambda directory, log: daemon)
    monkeypatch.setattr(daemon_start, "_processor_time", daemon.processor_time)
    monkeypatch.setattr(daemon_start, "time", daemon)
    monkeypatch.setattr(daemon_start, "asyncio", SimpleNamespace(sleep=daemon.sleep))
    await start_daemon(state, daemon.answers)


async def test_on_a_busy_machine_it_takes_longer(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    daemon = Start(answers_after=START_TIMEOUT_S - 1)
    await start(daemon, state, monkeypatch)
    assert not daemon.killed


@pytest.mark.parametrize(
    ("daemon", "message", "within"),
    [
        (Start(1e9), f"no answer within {START_TIMEOUT_S:.0f} s; this machine may be too busy", START_TIMEOUT_S),
        (Start(1e9, works_until=2), "its process (pid 4711) waits for something since", STALLED_S + 2),
        (Start(1e9, ends_at=3), "OSError: no memory", 3),
    ],
    ids=["too slow", "stalled", "ended"],
)
async def test_what_does_not_come_up_is_named_and_ended(
    daemon: Start, message: str, within: float, state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(EngineUnavailable) as caught:
        await start(daemon, state, monkeypatch)
    assert caught.value.message.startswith(f"the process engine's daemon did not start: {message}")
    assert caught.value.hint == f"see {state / 'daemon.log'}"
    assert caught.value.details["output"] == ["starting", "OSError: no memory"]
    assert daemon.now <= within + 1
    assert daemon.killed
