"""Calls to other services: one client with kept connections; each call is a span and passes the context on."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
from devenv import tracing

from __module__.request_id import passed_on
from __module__.settings import Settings


class UpstreamError(Exception):
    """A called service is not reachable, is too slow, or answered with an error."""


class Upstreams:
    """The services that this one calls.

    Args:
        urls: base URL by name.
        session: kept open by the caller.
    """

    def __init__(self, urls: Mapping[str, str], session: aiohttp.ClientSession) -> None:
        self._urls = urls
        self._session = session

    @property
    def names(self) -> list[str]:
        """Names of the services that can be called."""
        return list(self._urls)

    async def get(self, name: str, path: str) -> Any:
        """Return a service's answer, decoded from JSON.

        Raises:
            UpstreamError: it does not, or with an error.
        """
        try:
            async with self._session.get(self._urls[name] + path, headers=passed_on()) as response:
                if response.status >= 400:
                    raise UpstreamError(f"{name} answered with {response.status}")
                return await response.json(content_type=None)
        except TimeoutError as error:
            raise UpstreamError(f"{name} did not answer in time") from error
        except (aiohttp.ClientError, OSError) as error:
            raise UpstreamError(f"{name} cannot be reached: {type(error).__name__}") from error
        except ValueError as error:
            raise UpstreamError(f"{name} did not answer in JSON") from error


@asynccontextmanager
async def connect(settings: Settings) -> AsyncIterator[Upstreams]:
    """Open the upstreams of the settings for a block."""
    timeout = aiohttp.ClientTimeout(total=settings.total_s, sock_connect=settings.connect_s)
    traced = [tracing.aiohttp_trace_config()]
    async with aiohttp.ClientSession(timeout=timeout, trace_configs=traced) as session:
        yield Upstreams(settings.upstreams, session)
