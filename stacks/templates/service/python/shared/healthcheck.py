"""Checks whether the service in this container is ready; exits with 0 if it is.

A bare socket: a check runs each second, and importing an HTTP client would cost more than all the rest of it.
"""

from __future__ import annotations

import os
import socket
import sys


def is_ready(port: int) -> bool:
    """Return whether the service on a port of this machine answers `GET /readyz` with 200."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=2) as connection:
            connection.sendall(b"GET /readyz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
            return connection.recv(64).startswith(b"HTTP/1.1 200 ")
    except OSError:
        return False


if __name__ == "__main__":
    sys.exit(0 if is_ready(int(os.environ.get("PORT") or sys.argv[1])) else 1)
