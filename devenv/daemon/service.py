"""The daemon's life: bind the control socket, serve, and end when the last instance is removed or a signal comes."""

from __future__ import annotations

import asyncio
import ctypes
import os
import signal
import socket
import sys
from pathlib import Path

from devenv.daemon.control import MAX_REQUEST, ControlServer
from devenv.daemon.supervisor import Supervisor
from devenv.engine.process import daemon_file
from devenv.engine.process.socket_path import SocketPath, abstract_name
from devenv.race import first

PR_SET_CHILD_SUBREAPER = 36
"""``linux/prctl.h``"""

IDLE_S = 30.0
"""Seconds after which a daemon without instances ends by itself."""


def run(directory: str, guardian: int) -> int:
    """Run the daemon for the project whose ``.devenv/`` is ``directory``; returns its exit code."""
    with asyncio.Runner(loop_factory=_new_loop) as runner:
        runner.run(_serve(Path(directory), guardian))
    return 0


def _new_loop() -> asyncio.AbstractEventLoop:
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()


async def _serve(directory: Path, guardian: int) -> None:
    _adopt_orphans()
    supervisor = Supervisor(directory, guardian)
    control = ControlServer(supervisor)
    end = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, end.set)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    with SocketPath(directory) as path:
        _forget(path)
        umask = os.umask(0o177)
        try:
            server = await asyncio.start_unix_server(control.serve, path=path, limit=MAX_REQUEST)
        finally:
            os.umask(umask)
        hidden = await _listen_without_file(directory, control)
        try:
            await first(end.wait(), supervisor.empty.wait(), _unused(supervisor), supervisor.reap())
        finally:
            for listener in (server, *hidden):
                listener.close()
            ended = await supervisor.stop_all()
            _forget(path)
    if ended:
        daemon_file.remove(directory)


async def _listen_without_file(directory: Path, control: ControlServer) -> list[asyncio.Server]:
    """Listen under the name that is left if ``.devenv/`` is removed while the project is up; empty off Linux."""
    name = abstract_name(directory)
    if not name:
        return []
    listener = socket.socket(socket.AF_UNIX)
    try:
        listener.bind(name)
    except OSError:  # the name is taken: the socket in the directory is there all the same
        listener.close()
        return []
    return [await asyncio.start_unix_server(control.serve, sock=listener, limit=MAX_REQUEST)]


def _adopt_orphans() -> None:
    """Let descendants whose parent has ended become children of the daemon, not of process 1 (Linux alone)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def _forget(path: str) -> None:
    Path(path).unlink(missing_ok=True)


async def _unused(supervisor: Supervisor) -> bool:
    """Return once there has been no instance for a while."""
    while True:
        await asyncio.sleep(IDLE_S)
        if not supervisor.observe():
            return True
