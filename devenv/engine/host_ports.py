"""Whether a port of this machine is free, and which process holds it.

The holder is found in ``/proc``, so not on macOS.
"""

from __future__ import annotations

import errno
import socket
from contextlib import suppress
from pathlib import Path

from devenv.immutable import immutable

LISTENING = "0A"
"""State of a listening socket in ``/proc/net/tcp``; the kernel's ``TCP_LISTEN``."""

PROC = Path("/proc")


@immutable()
class PortHolder:
    """A process that listens on a port."""

    pid: int
    name: str

    def __str__(self) -> str:
        return f"{self.name} (pid {self.pid})"


def port_holder(port: int, *, proc: Path = PROC) -> PortHolder | None:
    """The process that listens on TCP ``port`` of any address; ``None`` if it is unknown (another user's)."""
    inodes = _listening_inodes(port, proc)
    if not inodes:
        return None
    wanted = {f"socket:[{inode}]" for inode in inodes}
    for folder in proc.glob("[0-9]*"):
        if _holds(folder, wanted):
            return PortHolder(int(folder.name), _name(folder))
    return None


def _listening_inodes(port: int, proc: Path) -> set[str]:
    found: set[str] = set()
    for table in ("tcp", "tcp6"):
        with suppress(OSError):
            for line in (proc / "net" / table).read_text().splitlines()[1:]:
                fields = line.split()
                if fields[3] == LISTENING and int(fields[1].rpartition(":")[2], 16) == port:
                    found.add(fields[9])
    return found


def _holds(process: Path, wanted: set[str]) -> bool:
    # A process may end while it is looked at, and another user's cannot be looked into.
    with suppress(OSError):
        for descriptor in (process / "fd").iterdir():
            with suppress(OSError):
                if str(descriptor.readlink()) in wanted:
                    return True
    return False


def _name(process: Path) -> str:
    with suppress(OSError):
        return (process / "comm").read_text().strip()
    return "a process"


_NO_ADDRESS = frozenset({errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT})
LOOPBACKS = ("127.0.0.1", "::1")


def is_free_on_loopback(port: int) -> bool:
    """Whether nothing listens on ``port`` of 127.0.0.1 or ::1: ``localhost`` is either of them."""
    return all(is_free(address, port) for address in LOOPBACKS)


def is_free(address: str, port: int) -> bool:
    """Whether a listener could be bound to ``port`` now; an address that this machine does not have is free."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((address, port))
    except OSError as error:
        return error.errno in _NO_ADDRESS
    return True
