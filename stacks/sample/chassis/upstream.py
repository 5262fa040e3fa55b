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

# Below the servers' keep-alive: it is the client that lets go of an idle connection.
_IDLE_S = 60


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds to a connection, and seconds of silence until an upstream counts as too slow."""

    connect_s: float
    read_s: float

    @classmethod
    def of(cls, config: Config) -> Timeouts:
        """The ``timeouts`` of a config.yaml."""
        return cls(config.number("timeouts.connect_s"), config.number("timeouts.read_s", "UPSTREAM_TIMEOUT_S"))


def upstream_urls(config: Config) -> dict[str, URL]:
    """Base URL by upstream name: ``upstreams`` of config.yaml, ``<NAME>_URL`` of the environment winning.

    Raises:
        ConfigMistake: one is not an http URL.
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
    """A session whose connections are kept and reused; bodies pass as they are, cookies are nobody's."""
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
    """Turn the client's errors into what a gateway answers: 504 for one that is too slow, else 502.

    Raises:
        Problem: in place of any error of the client.
    """
    try:
        yield
    except TimeoutError as error:
        raise Problem(504, f"{upstream} did not answer in time") from error
    except (aiohttp.ClientError, OSError) as error:
        raise Problem(502, f"{upstream} cannot be reached: {type(error).__name__}") from error


@dataclass(frozen=True, slots=True)
class Answer:
    """What an upstream answered.

    Attributes:
        upstream: its name.
        status: HTTP status.
        body: as it came.
    """

    upstream: str
    status: int
    body: bytes

    def object(self) -> dict[str, Any]:
        """The body as a JSON object.

        Raises:
            Problem: 502 where it is none.
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
        name: as callers know it, for messages.
        base: its base URL.
        session: kept open by the caller.
    """

    def __init__(self, name: str, base: URL, session: aiohttp.ClientSession) -> None:
        self.name = name
        self._base = str(base).rstrip("/")
        self._session = session

    async def get(self, path: str, headers: MutableMapping[str, str] | None = None) -> Answer:
        """Status and body of a GET.

        Args:
            path: path and query, encoded.
            headers: sent along; the context and the request's id are added to them.

        Raises:
            Problem: 502 where it cannot be reached, 504 where it is too slow.
        """
        url = self._base + path
        sent = headers if headers is not None else {}
        sent["x-request-id"] = REQUEST_ID.get()
        with failures_as_problems(self.name), tracing.client_span("GET", url, sent) as span:
            async with self._session.get(URL(url, encoded=True), headers=sent, allow_redirects=False) as response:
                body = await response.read()
            span.set_attribute("http.response.status_code", response.status)
        return Answer(self.name, response.status, body)
