"""The control socket serves this user alone, and a socket that another user listens on is given nothing."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from engine_harness import Harness, process

from devenv.engine.process import ProcessEngine
from devenv.engine.process.socket_path import abstract_name
from devenv.errors import EngineRefused
from devenv.testing import make_project

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="SO_PEERCRED"),
    pytest.mark.skipif(os.geteuid() != 0, reason="only root can run a process as another user"),
]
BECOME = "import os, socket, sys; os.setgroups([]); os.setgid(65534); os.setuid(65534)"

LISTEN = """
import os, socket, sys
s = socket.socket(socket.AF_UNIX); s.bind(eval(sys.argv[1])); s.listen(8); print("ready", flush=True)
while True:
    c, _ = s.accept()
    print(repr(c.recv(65536)), flush=True)
    c.sendall(b'{"ok": {"instances": []}}\\n')
    c.close()
"""
ASK = """
import socket, sys
s = socket.socket(socket.AF_UNIX); s.connect(eval(sys.argv[1]))
try:
    s.sendall(b'{"op": "observe", "data": {}}\\n')
    print(repr(s.recv(65536)))
except OSError as error:
    print(repr(b""))
"""


@pytest.fixture
async def harness(tmp_path: Path) -> AsyncIterator[Harness]:
    async with process(tmp_path) as made:
        yield made


def program(code: str, address: str) -> subprocess.Popen[str]:
    """A program of another user."""
    command = [sys.executable, "-I", "-c", BECOME + code, repr(address)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd="/")


async def test_another_user_gets_no_answer(harness: Harness) -> None:
    await harness.run("sleep 60")
    asking = program(ASK, abstract_name(harness.project.directory / ".devenv"))
    output, _ = await asyncio.to_thread(asking.communicate, timeout=20)
    assert output.strip() == "b''"
    with socket.socket(socket.AF_UNIX) as own:
        own.connect(abstract_name(harness.project.directory / ".devenv"))


async def test_a_socket_of_another_user_is_told_and_given_nothing(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    listening = program(LISTEN, abstract_name(project.directory / ".devenv"))
    try:
        assert listening.stdout is not None
        assert await asyncio.to_thread(listening.stdout.readline) == "ready\n"
        with pytest.raises(EngineRefused, match="belongs to another user"):
            await ProcessEngine(project).observe(None)
    finally:
        listening.terminate()
        output, _ = await asyncio.to_thread(listening.communicate, timeout=20)
    assert "environment" not in output
    assert output.strip() in {"", "b''"}
