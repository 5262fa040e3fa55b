"""Checks whether the service in this container is ready; exits with 0 if it is.

It uses a bare socket: a check runs every second, and importing an HTTP client would cost more than all the rest of it.
"""

from __future__ import annotations

import os
import socket
import sys

_DEFAULT_PORTS = {"gateway": "8080", "auth": "8081", "user": "8082"}


def _ready() -> bool:
    port = int(os.environ.get("PORT") or _DEFAULT_PORTS.get(sys.argv[1] if len(sys.argv) > 1 else "", "8080"))
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=2) as connection:
            connection.sendall(b"GET /readyz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
            return connection.recv(64).startswith(b"HTTP/1.1 200 ")
    except OSError:
        return False


if __name__ == "__main__":
    sys.exit(0 if _ready() else 1)
