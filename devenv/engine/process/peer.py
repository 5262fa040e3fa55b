"""Who is at the other end of the control socket."""

from __future__ import annotations

import os
import socket
import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio

_CREDENTIALS = struct.Struct("3i")


def is_own_user(writer: asyncio.StreamWriter) -> bool:
    """Whether the process at the other end of a Unix socket runs as this user (``SO_PEERCRED``).

    Systems without it rely on the modes of the socket and its directory.
    """
    option = getattr(socket, "SO_PEERCRED", None)
    if option is None:
        return True
    connection = writer.get_extra_info("socket")
    _, uid, _ = _CREDENTIALS.unpack(connection.getsockopt(socket.SOL_SOCKET, option, _CREDENTIALS.size))
    return bool(uid == os.geteuid())
