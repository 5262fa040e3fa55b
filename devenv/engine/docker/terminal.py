"""A command in a container with this process's terminal attached, as ``docker exec -it`` has it."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import struct
import sys
import termios
import threading
import tty as terminal_modes
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from devenv.engine.docker.container_output import HEADER, STDERR
from devenv.engine.docker.execution import MARK, end_command, new_mark
from devenv.engine.docker.sdk_connection import SdkConnection

if TYPE_CHECKING:
    from docker import APIClient

CHUNK = 64 * 1024


async def attached(connection: SdkConnection, container_id: str, command: Sequence[str], *, tty: bool) -> int:
    """Run ``command`` with stdin, stdout and stderr of this process; returns its exit code.

    Args:
        connection: to the engine.
        container_id: of a running container.
        command: argument list.
        tty: give it a terminal; if stdin is one too, it is in raw mode meanwhile.
    """
    mark = new_mark()
    exec_id, channel = await connection.call(
        lambda client: _begin(client, container_id, command, mark, tty=tty), doing=f"running {command[0]}"
    )
    raw = tty and sys.stdin.isatty()
    with _raw_mode(raw), _resizing(connection, exec_id, wanted=raw):
        loop = asyncio.get_running_loop()
        finished = asyncio.Event()

        def pump_output() -> None:
            with suppress(OSError):
                _copy_output(channel, tty=tty)
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(finished.set)

        threading.Thread(target=_copy_input, args=(channel,), daemon=True, name="exec stdin").start()
        threading.Thread(target=pump_output, daemon=True, name="exec output").start()
        try:
            await finished.wait()
        except asyncio.CancelledError:
            await end_command(connection, container_id, exec_id, mark)
            raise
        finally:
            with suppress(OSError):
                channel.shutdown(socket.SHUT_RDWR)
                channel.close()
    found = await connection.call(lambda client: client.exec_inspect(exec_id), doing="asking for the exit code")
    return int(found["ExitCode"] or 0)


def _begin(
    client: APIClient, container_id: str, command: Sequence[str], mark: str, *, tty: bool
) -> tuple[str, socket.socket]:
    environment = {"TERM": os.environ["TERM"]} if tty and "TERM" in os.environ else {}
    environment[MARK] = mark
    made = client.exec_create(container_id, list(command), stdin=True, tty=tty, environment=environment)
    stream: Any = client.exec_start(made["Id"], tty=tty, socket=True)
    channel: socket.socket = getattr(stream, "_sock", stream)  # a raw stream over the socket, but for TLS
    channel.settimeout(None)
    if tty:
        size = _size()
        client.exec_resize(made["Id"], height=size.lines, width=size.columns)
    return made["Id"], channel


def _size() -> os.terminal_size:
    """The terminal's own word; ``COLUMNS`` and ``LINES`` of the environment do not follow a resize."""
    for stream in (sys.stdin, sys.stdout):
        with suppress(OSError, ValueError):
            return os.get_terminal_size(stream.fileno())
    return os.terminal_size((80, 24))


def _copy_input(channel: socket.socket) -> None:
    """Send stdin until its end; the other half of the connection stays open for the output."""
    with suppress(OSError, ValueError):
        while data := os.read(sys.stdin.fileno(), CHUNK):
            channel.sendall(data)
        channel.shutdown(socket.SHUT_WR)


def _copy_output(channel: socket.socket, *, tty: bool) -> None:
    if tty:
        while data := channel.recv(CHUNK):
            _write(sys.stdout.fileno(), data)
        return
    while header := _exactly(channel, HEADER):
        kind, length = struct.unpack(">BxxxL", header)
        stream = sys.stderr if kind == STDERR else sys.stdout
        _write(stream.fileno(), _exactly(channel, length))


def _exactly(channel: socket.socket, length: int) -> bytes:
    """``length`` bytes; fewer at the end of the stream."""
    data = b""
    while len(data) < length and (piece := channel.recv(length - len(data))):
        data += piece
    return data if len(data) == length else b""


def _write(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]


@contextmanager
def _raw_mode(wanted: bool) -> Iterator[None]:
    """Pass every key on, Ctrl-C included; the terminal is as before afterwards."""
    if not wanted:
        yield
        return
    descriptor = sys.stdin.fileno()
    before = termios.tcgetattr(descriptor)
    try:
        terminal_modes.setraw(descriptor)
        yield
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)


@contextmanager
def _resizing(connection: SdkConnection, exec_id: str, *, wanted: bool) -> Iterator[None]:
    """Pass changes of the terminal's size on."""
    if not wanted:
        yield
        return
    loop = asyncio.get_running_loop()
    pending: set[asyncio.Task[Any]] = set()

    def changed() -> None:
        size = _size()
        task = asyncio.ensure_future(
            connection.call(
                lambda client: client.exec_resize(exec_id, height=size.lines, width=size.columns), doing="resizing"
            )
        )
        pending.add(task)
        task.add_done_callback(pending.discard)

    loop.add_signal_handler(signal.SIGWINCH, changed)
    try:
        yield
    finally:
        loop.remove_signal_handler(signal.SIGWINCH)
