"""A refused connection names the address, also if the host is a name with several."""

from __future__ import annotations

import errno
from collections.abc import Sequence
from typing import Any

import pytest

from devenv.contract.answers import Endpoint, ExecResult
from devenv.health.probe import Answer, ExecProbe
from devenv.health.route import PortRoute

V6 = "[Errno 111] Connect call failed ('::1', 8000, 0, 0)"
V4 = "[Errno 111] Connect call failed ('127.0.0.1', 8000)"
V4_UNREACHABLE = "[Errno 113] Connect call failed ('127.0.0.1', 8000)"


class Target:
    """An engine with one instance, whose port is on `host`, and whose commands have the `answers`."""

    def __init__(self, host: str = "127.0.0.1", answers: Sequence[ExecResult] = ()) -> None:
        self.host, self.answers, self.commands = host, list(answers), 0

    async def endpoint(self, instance_id: str, port: int) -> Endpoint:
        return Endpoint(host=self.host, port=port)

    async def exec(self, instance_id: str, command: Sequence[str]) -> ExecResult:
        self.commands += 1
        return self.answers.pop(0)


async def answer(error: OSError, host: str) -> str:
    async def question(_host: str, _port: int) -> Answer:
        raise error

    target: Any = Target(host)
    return (await PortRoute(target, "1", 8000).ask(question)).text


@pytest.mark.parametrize(
    ("error", "host", "text"),
    [
        (OSError(f"Multiple exceptions: {V6}, {V4}"), "localhost", "refused by localhost:8000 (::1, 127.0.0.1)"),
        (ConnectionRefusedError(111, V6.partition("] ")[2]), "localhost", "refused by localhost:8000 (::1)"),
        (ConnectionRefusedError(111, V4.partition("] ")[2]), "127.0.0.1", "refused by 127.0.0.1:8000"),
        (ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused"), "10.0.0.1", "refused by 10.0.0.1:8000"),
    ],
)
async def test_a_refusal_names_what_refused(error: OSError, host: str, text: str) -> None:
    assert await answer(error, host) == f"connection {text}"


async def test_several_reasons_are_all_shown() -> None:
    said = await answer(OSError(f"Multiple exceptions: {V6}, {V4_UNREACHABLE}"), "localhost")
    assert "('::1', 8000, 0, 0)" in said
    assert "[Errno 113]" in said


REFUSED = ExecResult(exit_code=1, output=b"wget: can't connect to remote host: Connection refused\n")


@pytest.mark.parametrize(
    ("found", "text"),
    [
        (b"::1 STREAM localhost\n::1 DGRAM\n127.0.0.1 STREAM localhost\n", "(localhost is ::1 and 127.0.0.1 there"),
        (b"127.0.0.1 STREAM localhost\n", None),
        (b"", None),
    ],
)
async def test_a_command_that_asks_localhost_is_told_what_that_is_there(found: bytes, text: str | None) -> None:
    target: Any = Target(answers=[REFUSED, ExecResult(exit_code=0, output=found), REFUSED])
    probe = ExecProbe(target, "1", ("/bin/sh", "-c", "wget -q localhost:8000"), 5.0)
    first, second = await probe.ask(), await probe.ask()
    assert first.text == second.text
    assert target.commands == 3  # the name is looked up once
    assert (text in first.text) if text else "(" not in first.text


async def test_nothing_is_looked_up_for_another_failure() -> None:
    target: Any = Target(answers=[ExecResult(exit_code=1, output=b"not yet"), REFUSED])
    assert (await ExecProbe(target, "1", ("curl", "localhost"), 5.0).ask()).text == "exit code 1: not yet"
    await ExecProbe(target, "1", ("curl", "db"), 5.0).ask()
    assert target.commands == 2
