"""Limits of a server's connections."""

from __future__ import annotations

from devenv.immutable import immutable


@immutable()
class Limits:
    """Limits on what clients can use; times in seconds, sizes in bytes.

    ``connections`` is for all listeners of a server together, and is lowered to half of the file descriptors that the
    process may have; above it, the longest idle connection is closed. ``buffered`` bounds the request bodies in memory,
    as received and as decompressed, for all connections together.
    """

    connections: int = 400
    header_bytes: int = 64 * 1024
    header_time: float = 10.0
    body_bytes: int = 64 * 1024 * 1024
    body_stall: float = 15.0
    body_time: float = 120.0
    buffered: int = 128 * 1024 * 1024
    idle_time: float = 75.0
    write_stall: float = 30.0
