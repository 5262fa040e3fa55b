"""One connection of the load client, fed by hand."""

from __future__ import annotations

from typing import Any, cast

import pytest

from devenv.load.send.connection import LoadConnection
from devenv.load.send.flight import Flight
from devenv.model.run import RequestError


class Transport:
    def __init__(self) -> None:
        self.written = b""
        self.aborted = False

    def write(self, data: bytes) -> None:
        self.written += data

    def abort(self) -> None:
        self.aborted = True


class Owner:
    """Collects what the connection reports."""

    def __init__(self) -> None:
        self.ends: list[int | RequestError] = []

    def answered(self, connection: LoadConnection, flight: Flight, status: int) -> None:
        self.ends.append(status)

    def broken(self, connection: LoadConnection, flight: Flight, error: RequestError, *, untouched: bool) -> None:
        self.ends.append(error)


def ends_after(*pieces: bytes) -> list[int | RequestError]:
    """What is reported of a request whose response comes in these pieces, before the connection closes."""
    owner, transport = Owner(), Transport()
    connection = LoadConnection(owner)
    connection.connection_made(cast("Any", transport))
    connection.send(Flight(0, 0, 0, bytes(16), bytes(8), True, b"request"))
    assert transport.written == b"request"
    for piece in pieces:
        connection.data_received(piece)
    connection.connection_lost(None)
    return owner.ends


@pytest.mark.parametrize(
    ("pieces", "end"),
    [
        ((b"HTTP/1.1 200 OK\r\n", b"Content-Length: 10\r\n\r\nhalf"), RequestError.CLOSED),
        ((b"HTTP/1.1 200 OK\r\nTransfer-Enc", b"oding: chunked\r\n\r\n5\r\nha"), RequestError.CLOSED),
        ((b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf"), RequestError.CLOSED),
        ((b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\nuntil", b" the end"), 200),
        ((b"HTTP/1.1 200 OK\r\n", b"\r\nuntil", b"\r\ncontent-length: 9\r\n"), 200),
    ],
)
def test_a_head_in_pieces_decides_about_the_end_of_the_body(pieces: tuple[bytes, ...], end: int | RequestError) -> None:
    assert ends_after(*pieces) == [end]
