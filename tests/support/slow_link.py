"""A TCP proxy on loopback that lets through a set number of bytes a second, as a slow registry's line would."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

CHUNK = 4096


@contextmanager
def slow_link(target: tuple[str, int], bytes_per_second: int) -> Iterator[int]:
    """Forward connections to `target`; yields the port to connect to. What comes back is slowed, per connection."""
    closing = threading.Event()
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(0.2)
    open_sockets: list[socket.socket] = []

    def pump(source: socket.socket, sink: socket.socket, pace: float) -> None:
        try:
            while data := source.recv(CHUNK):
                sink.sendall(data)
                if closing.wait(len(data) * pace):
                    return
        except OSError:
            return
        finally:
            for each in (source, sink):
                each.close()

    def accept() -> None:
        while not closing.is_set():
            try:
                near, _ = listener.accept()
            except TimeoutError:
                continue
            near.settimeout(None)
            far = socket.create_connection(target)
            open_sockets.extend((near, far))
            for source, sink, pace in ((near, far, 0.0), (far, near, 1 / bytes_per_second)):
                threading.Thread(target=pump, args=(source, sink, pace), daemon=True).start()

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        closing.set()
        thread.join()
        for each in (listener, *open_sockets):
            each.close()
