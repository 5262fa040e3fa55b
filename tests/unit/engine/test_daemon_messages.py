"""The wire between the process engine and its daemon: the same values on both ends, and an error for anything else."""

from __future__ import annotations

import asyncio
import json
import socket
from pathlib import Path
from typing import Any

import pytest

from devenv.contract.answers import EngineEvent, ExitStatus
from devenv.daemon.control import ControlServer
from devenv.daemon.supervisor import Supervisor
from devenv.engine.process import daemon_messages
from devenv.engine.process.daemon_client import DaemonClient
from devenv.engine.process.json_values import MalformedMessage, decode, encode
from devenv.engine.process.launch import Launch, Listening, Peer
from devenv.engine.process.socket_path import SocketPath
from devenv.errors import EngineLost, EngineRefused, NotUp, PortTaken
from devenv.model.state import State, Usage

PORTS = (Listening(container=80, host=8080), Listening(container=81, same=True))
LAUNCH = Launch(
    id="web-1",
    name="shop-web-1",
    service="web",
    index=1,
    labels={"devenv.project": "shop"},
    command=("python", "app.py"),
    ports=PORTS,
    peers=(Peer(service="web", names=("web", "w"), ports=PORTS),),
    restart="on-failure",
    maximum=3,
    grace=2,
    limits={"nofile": (1, 2)},
)
REPORT = daemon_messages.InstanceReport(
    id="web-1",
    name="shop-web-1",
    service="web",
    index=1,
    labels={},
    kind="process",
    state=State.RUNNING,
    exit_code=None,
    error="",
    restarts=0,
    started_at=1.5,
    finished_at=None,
    ports=(daemon_messages.HostPort(host=8080, container=80, shown=True),),
    cwd="/",
    environment={"PORT": "8080"},
)
EVENT = EngineEvent(time=1.0, action="die", instance_id="web-1", service="web", index=1, exit_code=3)


@pytest.mark.parametrize(
    "value",
    [
        LAUNCH,
        REPORT,
        daemon_messages.InstanceReports(instances=(REPORT, REPORT)),
        daemon_messages.ProjectEvent(project="shop", event=EVENT),
        daemon_messages.UsageReport(usage=Usage(cpu_percent=1.0, memory_bytes=2)),
        daemon_messages.UsageReport(usage=None),
        daemon_messages.StopRequest(id="web-1", grace=None),
        ExitStatus(exit_code=1, oom_killed=True, error="e"),
    ],
)
def test_a_value_arrives_as_it_was(value: Any) -> None:
    assert decode(type(value), json.loads(json.dumps(encode(value))), "value") == value


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"index": "1"}, "create.index: found '1', expected an integer"),
        ({"index": True}, "create.index: found True, expected an integer"),
        ({"grace": None}, "create.grace: found None, expected a number"),
        ({"kind": "task"}, "create.kind: found 'task', expected 'process' or 'backend'"),
        ({"command": "sh"}, "create.command: found 'sh', expected an array"),
        ({"labels": []}, r"create.labels: found \[\], expected an object"),
        ({"labels": {"a": 1}}, "create.labels.a: found 1, expected a string"),
        ({"ports": [{"container": "x"}]}, r"create.ports\[0\].container: found 'x', expected an integer"),
        ({"limits": {"nofile": [1]}}, r"create.limits.nofile: found \[1\], expected an array of 2"),
        ({"colour": 1}, "create: unknown field 'colour'"),
        ({"id": ...}, "create: field 'id' is missing"),
    ],
)
def test_another_shape_is_refused_with_its_place(change: dict[str, Any], message: str) -> None:
    data = json.loads(json.dumps(encode(LAUNCH))) | change
    with pytest.raises(MalformedMessage, match=message):
        decode(Launch, {key: value for key, value in data.items() if value is not ...}, "create")


def test_an_unknown_state_is_refused() -> None:
    data = json.loads(json.dumps(encode(REPORT))) | {"state": "asleep"}
    with pytest.raises(MalformedMessage, match=r"report\.state: found 'asleep', expected 'created' or"):
        decode(daemon_messages.InstanceReport, data, "report")


def test_an_error_arrives_as_its_class() -> None:
    error = PortTaken("port 80 is in use", hint="stop it", details={"port": 80})
    reply = daemon_messages.line({"error": encode(daemon_messages.ErrorReport.of(error))})
    with pytest.raises(PortTaken, match="port 80 is in use") as found:
        daemon_messages.START.result(reply)
    assert (found.value.hint, found.value.details) == ("stop it", {"port": 80})


@pytest.mark.parametrize("kind", ["json", "Path", "Location", "nothing"])
def test_a_kind_that_is_not_an_error_of_devenv_is_not_called(kind: str) -> None:
    report = daemon_messages.ErrorReport(kind=kind, message="m", hint="", details={})
    assert (type(report.error()).__name__, report.error().message) == ("DevenvError", "m")


async def asked(directory: Path, line: bytes) -> dict[str, Any]:
    """The reply of a control server to one line."""
    server = ControlServer(Supervisor(directory, guardian=-1))
    ours, theirs = socket.socketpair()
    serving = asyncio.create_task(server.serve(*await asyncio.open_connection(sock=theirs)))
    reader, writer = await asyncio.open_connection(sock=ours)
    writer.write(line)
    reply = json.loads(await reader.readline())
    writer.close()
    await serving
    return reply


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b"hello\n", "not JSON"),
        (b"[1]\n", "found list, expected an object"),
        (b'{"op": "dance"}\n', "op: found 'dance', expected one of create, describe"),
        (b'{"op": "stop", "data": {"id": 1}}\n', "stop.id: found 1, expected a string"),
        (b'{"op": "events", "data": {"since": "now"}}\n', "events.since: found 'now', expected a number"),
        (b'{"op": "observe"}\n', "observe: found None, expected an object"),
    ],
)
async def test_the_daemon_answers_what_is_wrong_with_a_request(tmp_path: Path, line: bytes, message: str) -> None:
    error = (await asked(tmp_path, line))["error"]
    assert error["kind"] == "EngineRefused"
    assert message in error["message"]


async def test_the_daemon_answers_with_its_own_errors(tmp_path: Path) -> None:
    line = daemon_messages.DESCRIBE.request(daemon_messages.OneInstance(id="web-1"))
    assert (await asked(tmp_path, line))["error"]["kind"] == "NotUp"


@pytest.mark.parametrize(
    ("reply", "error", "message"),
    [
        (b'{"ok": {"version": 1}}\n', EngineRefused, "info.version: found 1, expected a string"),
        (b"garbage\n", EngineRefused, "not JSON"),
        (b'{"error": {"kind": "NotUp"}}\n', EngineRefused, "field 'message' is missing"),
        (b"", EngineLost, "exited during info"),
    ],
)
async def test_a_reply_that_cannot_be_read_is_an_error_of_its_own(
    tmp_path: Path, reply: bytes, error: type[Exception], message: str
) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writer.write(reply)
        writer.close()

    with SocketPath(tmp_path) as path:
        server = await asyncio.start_unix_server(serve, path=path)
    async with server:
        with pytest.raises(error, match=message):
            await DaemonClient(tmp_path).ask(daemon_messages.FACTS, daemon_messages.Nothing())


async def test_without_a_daemon_nothing_is_up(tmp_path: Path) -> None:
    with pytest.raises(NotUp):
        await DaemonClient(tmp_path).ask(daemon_messages.OBSERVE, daemon_messages.Nothing())
