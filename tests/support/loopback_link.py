"""A TCP proxy on loopback: into another network namespace, or as slow as the link to a distant registry."""

from __future__ import annotations

import ctypes
import os
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

CHUNK = 4096
CLONE_NEWNET = 0x40000000  # <linux/sched.h>


def listen_in(namespace: Path | None, port: int) -> socket.socket:
    """A listening socket on 127.0.0.1 of a network namespace (`/proc/PID/ns/net`), which it keeps in every thread."""

    def listen() -> socket.socket:
        if namespace is not None:
            with namespace.open() as file:
                # Python has os.setns from 3.12 on. It changes this thread only, which ends afterwards.
                if ctypes.CDLL(None, use_errno=True).setns(file.fileno(), CLONE_NEWNET) != 0:
                    raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), str(namespace))
        return socket.create_server(("127.0.0.1", port))

    with ThreadPoolExecutor(max_workers=1) as thread:
        return thread.submit(listen).result()


@contextmanager
def loopback_link(
    target: int, *, namespace: Path | None = None, port: int = 0, bytes_per_second: float = float("inf")
) -> Iterator[int]:
    """Forward connections to this namespace's `127.0.0.1:target`; yields the port to connect to.

    What comes back is let through at `bytes_per_second`, per connection.
    """
    closing = threading.Event()
    listener = listen_in(namespace, port)
    listener.settimeout(0.1)
    ends: list[socket.socket] = []

    def pump(source: socket.socket, sink: socket.socket, pace: float) -> None:
        try:
            while data := source.recv(CHUNK if pace else 1 << 16):
                sink.sendall(data)
                if pace and closing.wait(len(data) * pace):
                    return
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            return  # the other end has gone, which ends this direction too

    def accept() -> None:
        while not closing.is_set():
            try:
                near, _ = listener.accept()
            except TimeoutError:
                continue
            near.settimeout(None)
            try:
                far = socket.create_connection(("127.0.0.1", target))
            except ConnectionRefusedError:
                near.close()
                continue
            ends.extend((near, far))
            for source, sink, pace in ((near, far, 0.0), (far, near, 1 / bytes_per_second)):
                threading.Thread(target=pump, args=(source, sink, pace), daemon=True).start()

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        closing.set()
        thread.join()
        for each in (listener, *ends):
            each.close()
