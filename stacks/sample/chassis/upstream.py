"""Calls to other services: one pooled aiohttp client, context injected, failures as 502 and 504."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator, MutableMapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp
from yarl import URL

from chassis.config import Config, ConfigMistake
from chassis.logs import REQUEST_ID
from chassis.problems import Problem
from devenv import tracing

# Below the servers' keep-alive time, so that the client closes an idle connection.
_IDLE_S = 60


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds to connect, and seconds without an answer after which an upstream is too slow."""

    connect_s: float
    read_s: float

    @classmethod
    def of(cls, config: Config) -> Timeouts:
        """The ``timeouts`` of a config.yaml."""
        return cls(config.number("timeouts.connect_s"), config.number("timeouts.read_s", "UPSTREAM_TIMEOUT_S"))


def upstream_urls(config: Config) -> dict[str, URL]:
    """Return base URLs by upstream name: ``upstreams`` of config.yaml; ``<NAME>_URL`` takes precedence.

    Raises:
        ConfigMistake: If one is not an http URL.
    """
    urls = {}
    for name in config.mapping("upstreams"):
        variable = f"{name.upper().replace('-', '_')}_URL"
        text = config.text(f"upstreams.{name}", variable)
        url = URL(text)
        if url.scheme not in {"http", "https"} or not url.host:
            raise ConfigMistake(
                f"{config.path}: upstreams.{name} ({variable}): found {text!r}, expected http://host:port"
            )
        urls[name] = url
    return urls


@asynccontextmanager
async def client_session(timeouts: Timeouts) -> AsyncIterator[aiohttp.ClientSession]:
    """Return a session that keeps and reuses connections, does not decompress bodies and stores no cookies."""
    connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=_IDLE_S)
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=timeouts.connect_s, sock_read=timeouts.read_s)
    async with aiohttp.ClientSession(
        connector=connector,
        timeout=timeout,
        auto_decompress=False,
        cookie_jar=aiohttp.DummyCookieJar(),
        skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding", "Content-Type"),
    ) as session:
        yield session


@contextmanager
def failures_as_problems(upstream: str) -> Iterator[None]:
    """Turn the client's errors into a gateway's answers: 504 if the upstream is too slow, else 502.

    Raises:
        Problem: Instead of an error of the client.
    """
    try:
        yield
    except TimeoutError as error:
        raise Problem(504, f"{upstream} did not answer in time") from error
    except (aiohttp.ClientError, OSError) as error:
        raise Problem(502, f"{upstream} cannot be reached: {type(error).__name__}") from error


@dataclass(frozen=True, slots=True)
class Answer:
    """An upstream's answer.

    Attributes:
        upstream: name of the upstream.
        status: HTTP status.
        body: unchanged body.
    """

    upstream: str
    status: int
    body: bytes

    def object(self) -> dict[str, Any]:
        """Return the body as a JSON object.

        Raises:
            Problem: 502 if it is not one.
        """
        try:
            value = json.loads(self.body)
        except ValueError as error:
            raise Problem(502, f"{self.upstream} did not answer in JSON") from error
        if not isinstance(value, dict):
            raise Problem(502, f"{self.upstream} did not answer with an object")
        return value


class Upstream:
    """JSON calls to one service.

    Args:
        name: name of the service, for messages.
        base: its base URL.
        session: session that the caller keeps open.
    """

    def __init__(self, name: str, base: URL, session: aiohttp.ClientSession) -> None:
        self.name = name
        self._base = str(base).rstrip("/")
        self._session = session

    async def get(self, path: str, headers: MutableMapping[str, str] | None = None) -> Answer:
        """Return status and body of a GET.

        Args:
            path: path and query, encoded.
            headers: headers to send; the context and the request's id are added to them.

        Raises:
            Problem: 502 if the service is not reachable, 504 if it is too slow.
        """
        url = self._base + path
        sent = headers if headers is not None else {}
        sent["x-request-id"] = REQUEST_ID.get()
        with failures_as_problems(self.name), tracing.client_span("GET", url, sent) as span:
            async with self._session.get(URL(url, encoded=True), headers=sent, allow_redirects=False) as response:
                body = await response.read()
            span.set_attribute("http.response.status_code", response.status)
        return Answer(self.name, response.status, body)
