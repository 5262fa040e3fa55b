"""The connection to the engine: blocking calls of the SDK in threads, streams of the SDK as asynchronous iterators.

Each call runs in its own daemon thread (about 0.1 ms, against 2 ms and more of a call), because a thread of the
standard pool that waits for the engine would hold up the end of the program. The number of calls under way is bounded;
streams are not counted, for they wait and do not work.
"""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar

from devenv.engine.docker.podman import asked_version
from devenv.engine.docker.translation import translated
from devenv.engine.docker_address import Address
from devenv.errors import EngineUnavailable

if TYPE_CHECKING:
    from docker import APIClient
    from requests import Response

T = TypeVar("T")

CALLS_AT_ONCE = 32
TIMEOUT = 120
"""Seconds without an answer after which the engine counts as lost."""

CONNECT_TIMEOUT = 3
MINIMUM_API = (1, 41)
"""Engine 20.10; older ones lack one-shot statistics and platforms."""

FRESH_SECONDS = 1.0
"""An answer of the engine younger than that shows that it answers."""

STREAM_AHEAD = 1000
"""Items of a stream that are read ahead of its consumer."""


class Job:
    """One piece of blocking work in a daemon thread, which can be ended early."""

    def __init__(self) -> None:
        self._responses: list[Response] = []
        self._lock = threading.Lock()
        self.abandoned = False

    def seen(self, response: Response) -> None:
        """Remember the connection that the work uses; cut immediately if the work is no longer wanted."""
        with self._lock:
            self._responses.append(response)
            abandoned = self.abandoned
        if abandoned:
            _cut(response)

    def abandon(self) -> None:
        """Cut the connections, so that a read on them ends; one that was read to its end is left alone."""
        with self._lock:
            self.abandoned = True
            responses = list(self._responses)
        for response in responses:
            _cut(response)


def _cut(response: Response) -> None:
    """End reads on the response's connection; does nothing if it was read to its end and the connection returned.

    The socket is shut down and left for its reader to close: closed, it would break the next who polls it.
    """
    channel = getattr(getattr(response.raw, "connection", None), "sock", None)
    if channel is not None:
        with suppress(OSError):
            channel.shutdown(socket.SHUT_RDWR)


class SdkConnection:
    """A lazily made connection to one engine, shared by all parts of :class:`DockerEngine`.

    Args:
        address: of the engine.
        timeout: seconds without an answer after which the engine counts as lost.
    """

    def __init__(self, address: Address, *, timeout: float = TIMEOUT) -> None:
        self.address = address
        self._timeout = timeout
        self._client: APIClient | None = None
        self._version: dict[str, Any] = {}
        self._asked_at = 0.0
        self._connecting: asyncio.Lock | None = None
        self._slots: asyncio.Semaphore | None = None
        self._local = threading.local()

    async def version(self) -> dict[str, Any]:
        """The engine's version (``GET /version``), asked once."""
        await self._connect()
        return self._version

    async def ping(self) -> dict[str, Any]:
        """The engine's version, from an answer at most a second old."""
        await self._connect()
        if time.monotonic() - self._asked_at > FRESH_SECONDS:
            self._version = await self.call(asked_version, doing="asking for its version")
            self._asked_at = time.monotonic()
        return self._version

    async def call(self, work: Callable[[Any], T], *, doing: str) -> T:
        """Run ``work`` with the client in a thread; its exceptions are translated.

        A cancelled call is finished in its thread; its result is discarded.

        Raises:
            DevenvError: see :func:`devenv.engine.docker.translation.translated`.
        """
        client = await self._connect()
        if self._slots is None:
            self._slots = asyncio.Semaphore(CALLS_AT_ONCE)
        async with self._slots:
            with translated(doing, address=self.address.url, answered=True):
                return await self._in_thread(lambda: work(client))

    async def long_call(self, work: Callable[[Any], T], *, doing: str) -> T:
        """As :meth:`call`, for work that mostly waits: uses none of the bounded slots, is cut when cancelled."""
        client = await self._connect()
        job = Job()
        try:
            with translated(doing, address=self.address.url, answered=True):
                return await self._in_thread(lambda: work(client), job)
        except asyncio.CancelledError:
            job.abandon()
            raise

    async def stream(self, open_: Callable[[Any], Iterable[T]], *, doing: str) -> AsyncGenerator[T, None]:
        """Iterate in a thread over what ``open_`` returns; closing the iterator cuts the connection."""
        client = await self._connect()
        loop = asyncio.get_running_loop()
        items: asyncio.Queue[tuple[T | None, BaseException | None, bool]] = asyncio.Queue()
        room = threading.Semaphore(STREAM_AHEAD)
        job = Job()

        def put(item: T | None, error: BaseException | None, *, end: bool) -> None:
            with suppress(RuntimeError):  # the loop is closed: its consumer has ended
                loop.call_soon_threadsafe(items.put_nowait, (item, error, end))

        def pump() -> None:
            self._local.job = job
            try:
                for item in open_(client):
                    while not room.acquire(timeout=1.0):
                        if job.abandoned:
                            return
                    put(item, None, end=False)
                put(None, None, end=True)
            except BaseException as error:  # noqa: BLE001 - handed over to the consumer, which raises it
                put(None, error, end=True)

        threading.Thread(target=pump, name=f"docker stream: {doing}", daemon=True).start()
        try:
            while True:
                item, error, end = await items.get()
                if error is not None:
                    with translated(doing, address=self.address.url, answered=True):
                        raise error
                if end:
                    return
                room.release()
                yield item  # type: ignore[misc]  # None only together with end or error
        finally:
            job.abandon()

    async def close(self) -> None:
        """Close the connections."""
        if self._client is not None:
            self._client.close()
            self._client = None

    async def _connect(self) -> APIClient:
        if self._client is not None:
            return self._client
        if self._connecting is None:
            self._connecting = asyncio.Lock()
        async with self._connecting:
            if self._client is None:
                _loaded()
                with translated("connecting", address=self.address.url, answered=False):
                    client, self._version = await self._in_thread(self._open)
                self._asked_at = time.monotonic()
                self._client = client
            return self._client

    def _open(self) -> tuple[APIClient, dict[str, Any]]:
        """A client with the engine's version of the API, or ours if that is older."""
        from docker.constants import DEFAULT_DOCKER_API_VERSION

        first = self._new_client("1.41", timeout=CONNECT_TIMEOUT)
        answer = asked_version(first)
        first.close()
        theirs = _parts(answer.get("ApiVersion", "0"))
        if theirs < MINIMUM_API:
            raise EngineUnavailable(
                f"the Docker engine at {self.address.url} has API version {answer.get('ApiVersion')}, "
                "expected 1.41 or later",
                hint="update Docker to 20.10 or later",
            )
        version = min(theirs, _parts(DEFAULT_DOCKER_API_VERSION))
        client = self._new_client(".".join(map(str, version)), timeout=int(self._timeout))
        client.hooks["response"].append(self._seen)
        return client, answer

    def _new_client(self, version: str, *, timeout: int) -> APIClient:
        from docker import APIClient

        url, tls = self.address.url, self._tls()
        client = APIClient(url, version=version, timeout=timeout, tls=tls, max_pool_size=CALLS_AT_ONCE)
        if self.address.socket_path is not None or self.address.tls:
            # Proxies and .netrc mean nothing on a socket and cost 0.3 ms a request; with TLS, REQUESTS_CA_BUNDLE would
            # take the place of the engine's own authority.
            client.trust_env = False
        return client

    def _seen(self, response: Response, *_: object, **__: object) -> None:
        job: Job | None = getattr(self._local, "job", None)
        if job is not None:
            job.seen(response)

    def _tls(self) -> Any:
        if not self.address.tls:
            return False
        from docker.tls import TLSConfig

        certificate = (str(self.address.cert), str(self.address.key)) if self.address.cert else None
        ca = str(self.address.ca) if self.address.ca else None
        return TLSConfig(client_cert=certificate, ca_cert=ca, verify=self.address.verify)

    async def _in_thread(self, work: Callable[[], T], job: Job | None = None) -> T:
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()

        def settle(result: T | None, error: BaseException | None) -> None:
            if future.done():
                return
            if error is not None:
                future.set_exception(error)
            else:
                future.set_result(result)  # type: ignore[arg-type]  # None only where T is None or an error is set

        def run() -> None:
            self._local.job = job
            result, failure = None, None
            try:
                result = work()
            except BaseException as error:  # noqa: BLE001 - handed over to the caller, which raises it
                failure = error
            with suppress(RuntimeError):  # the loop is closed: its caller has ended
                loop.call_soon_threadsafe(settle, result, failure)

        threading.Thread(target=run, name="docker call", daemon=True).start()
        return await future


def _loaded() -> None:
    """Import the SDK in the main thread, once: an import that a daemon thread is in holds up the program's end."""
    import docker.api.client  # noqa: F401 - imported for its effect


def _parts(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".") if part.isdecimal())
