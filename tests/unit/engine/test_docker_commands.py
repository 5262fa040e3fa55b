"""What a command in a container is run with."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from devenv.engine.docker.execution import MARK, run_command
from devenv.engine.docker.sdk_connection import SdkConnection


class Recorder:
    """An engine's client that notes what a command is created with."""

    def __init__(self) -> None:
        self.given: dict[str, Any] = {}

    def exec_create(self, container: str, command: list[str], **given: Any) -> dict[str, str]:
        self.given = {"container": container, "command": command, **given}
        return {"Id": "e"}

    def exec_start(self, _: str) -> bytes:
        return b"done"

    def exec_inspect(self, _: str) -> dict[str, int]:
        return {"ExitCode": 0}


class Connection:
    def __init__(self, client: Recorder) -> None:
        self.client = client

    async def call(self, work: Callable[[Recorder], Any], *, doing: str) -> Any:
        return work(self.client)

    long_call = call


async def run(**options: Any) -> dict[str, Any]:
    client = Recorder()
    connection = cast(SdkConnection, Connection(client))
    result = await run_command(connection, "c", ("a", "b"), environment={"A": "1"}, **options)
    assert (result.exit_code, result.output) == (0, b"done")
    assert client.given.pop("environment").keys() == {"A", MARK}
    return client.given


async def test_a_command_runs_as_the_container_does_by_default() -> None:
    assert await run() == {
        "container": "c",
        "command": ["a", "b"],
        "user": "",
        "privileged": False,
        "workdir": None,
    }


async def test_a_hook_has_its_own_user_rights_and_directory() -> None:
    given = await run(user="root", privileged=True, working_dir="/w")
    assert (given["user"], given["privileged"], given["workdir"]) == ("root", True, "/w")
