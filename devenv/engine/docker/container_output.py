"""An instance's output: the engine's frames taken apart into lines with time and stream.

Frame format (Docker Engine API, "Attach to a container"): one byte stream (1 stdout, 2 stderr), three bytes zero, four
bytes length big-endian, payload. With a terminal there are no frames. Each line starts with an RFC 3339 time.
"""

from __future__ import annotations

import struct
from collections.abc import AsyncIterator, Iterable, Iterator
from typing import TYPE_CHECKING, Any, Literal

from devenv.contract.answers import LogLine
from devenv.engine.docker.observation import read_time
from devenv.engine.docker.sdk_connection import SdkConnection

if TYPE_CHECKING:
    from docker import APIClient

HEADER = 8
STDERR = 2
MAXIMUM_FRAME = 64 * 1024 * 1024
"""A length above it means that these are not frames."""

RAW_TYPE = "application/vnd.docker.raw-stream"
CHUNK = 64 * 1024
Stream = Literal["stdout", "stderr"]


async def follow_output(
    connection: SdkConnection, container_id: str, *, follow: bool, since: float | None, tail: int | None
) -> AsyncIterator[LogLine]:
    """Lines of a container's output; see :meth:`devenv.contract.engine.Engine.logs`."""
    query: dict[str, Any] = {
        "stdout": 1,
        "stderr": 1,
        "timestamps": 1,
        "follow": int(follow),
        "tail": "all" if tail is None else tail,
    }
    if since is not None:
        query["since"] = f"{since:.9f}"
    doing = f"reading the output of {container_id[:12]}"
    if not follow:
        for line in await connection.call(lambda client: list(_read(client, container_id, query)), doing=doing):
            yield line
        return
    stream = connection.stream(lambda client: _read(client, container_id, query), doing=doing)
    try:
        async for line in stream:
            yield line
    finally:
        await stream.aclose()
    # The output of a container that has ended and of an engine that has died end alike, so the engine is asked: it
    # itself, now, not what it said a moment ago.
    await connection.call(lambda client: client.ping(), doing=doing)


def _read(client: APIClient, container_id: str, query: dict[str, Any]) -> Iterator[LogLine]:
    """Read in a thread; blocks while following."""
    from docker.errors import create_api_error_from_http_exception
    from requests import HTTPError

    url = f"{client.base_url}/v{client.api_version}/containers/{container_id}/logs"
    follow = bool(query["follow"])
    with client.get(url, params=query, stream=follow, timeout=None if follow else client.timeout) as response:
        try:
            response.raise_for_status()
        except HTTPError as error:
            create_api_error_from_http_exception(error)
        framed = None  # older engines do not say whether it is a terminal's output
        if response.headers.get("Content-Type") == RAW_TYPE:
            framed = False
        pieces: Iterable[bytes] = _pieces(response.raw) if follow else [response.content]
        yield from read_lines(pieces, framed=framed)


def _pieces(raw: Any) -> Iterator[bytes]:
    """What has arrived, as soon as it does; a cut connection is an end."""
    from urllib3.exceptions import HTTPError

    while True:
        try:
            piece = raw.read1(CHUNK)
        except (HTTPError, OSError, ValueError):
            return
        if not piece:
            return
        yield piece


def read_lines(pieces: Iterable[bytes], *, framed: bool | None) -> Iterator[LogLine]:
    """Lines from pieces of the engine's answer, however it is cut up.

    Args:
        pieces: bytes as they came.
        framed: whether these are frames; ``None``: guessed from the first bytes.
    """
    rest: dict[Stream, bytes] = {"stdout": b"", "stderr": b""}
    for stream, payload, single in _payloads(pieces, framed):
        if single and rest[stream]:
            # A line above 16 KiB comes as several messages, each with its time in front.
            payload = payload.partition(b" ")[2]  # noqa: PLW2901 - the payload without its time
        *complete, rest[stream] = (rest[stream] + payload).split(b"\n")
        for line in complete:
            yield _line(stream, line)
    for stream, line in rest.items():
        if line:
            yield _line(stream, line)


def _payloads(pieces: Iterable[bytes], framed: bool | None) -> Iterator[tuple[Stream, bytes, bool]]:
    """Stream, bytes, and whether these are exactly one message of the log."""
    buffer = b""
    for piece in pieces:
        buffer += piece
        if framed is None and len(buffer) >= HEADER:
            framed = _looks_framed(buffer)
        if framed is False:
            yield "stdout", buffer, False
            buffer = b""
        while framed and len(buffer) >= HEADER:
            kind, length = struct.unpack_from(">BxxxL", buffer)
            if len(buffer) < HEADER + length:
                break
            yield ("stderr" if kind == STDERR else "stdout"), buffer[HEADER : HEADER + length], True
            buffer = buffer[HEADER + length :]
    if buffer and not framed:
        yield "stdout", buffer, False


def _looks_framed(start: bytes) -> bool:
    """Output without frames starts with a time, whose first byte is a digit."""
    kind, length = struct.unpack_from(">BxxxL", start)
    return kind <= STDERR and start[1:4] == b"\0\0\0" and length <= MAXIMUM_FRAME


def _line(stream: Stream, raw: bytes) -> LogLine:
    stamp, _, text = raw.partition(b" ")
    try:
        time = read_time(stamp.decode("ascii")) or 0.0
    except (ValueError, UnicodeDecodeError):
        time, text = 0.0, raw
    return LogLine(time=time, stream=stream, text=text.decode(errors="replace").rstrip("\r"))
