"""One call by each HTTP client; by hand, the client is traced alone. Each returns the status."""

from __future__ import annotations

import socket
import urllib.error
import urllib.request

import aiohttp
import httpx
import requests
import urllib3
from side_by_side.clients import timeout_of

from devenv import tracing


def closed_port() -> int:
    """Return a port on which nothing listens."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def by_httpx(url, stream, hand):
    transport = tracing.HTTPXTransport() if hand else None
    with httpx.Client(transport=transport, timeout=timeout_of(url), follow_redirects=True) as client:
        if not stream:
            return client.get(url).status_code
        with client.stream("GET", url) as response:
            next(response.iter_bytes(10))
            return response.status_code


async def by_httpx_async(url, stream, hand):
    transport = tracing.AsyncHTTPXTransport() if hand else None
    async with httpx.AsyncClient(transport=transport, timeout=timeout_of(url), follow_redirects=True) as client:
        if not stream:
            return (await client.get(url)).status_code
        async with client.stream("GET", url) as response:
            async for _ in response.aiter_bytes(10):
                break
            return response.status_code


def by_requests(url, stream, hand):
    with requests.Session() as session:
        if hand:
            from devenv.tracing.integrations.requests_client import TracedAdapter

            session.mount("http://", TracedAdapter())
        with session.get(url, timeout=timeout_of(url), stream=stream) as response:
            if stream:
                next(response.iter_content(10))
            return response.status_code


def by_urllib3(url, stream, hand):
    if hand:
        from devenv.tracing.integrations.urllib3_client import instrument

        instrument()
    with urllib3.PoolManager(retries=urllib3.Retry(5, connect=0, read=0)) as pool:
        response = pool.request("GET", url, timeout=timeout_of(url), preload_content=not stream)
        if stream:
            response.read(10)
            response.close()
        return response.status


def by_urllib(url, stream, hand):
    if hand:
        from devenv.tracing.integrations.urllib_client import instrument

        instrument()
    try:
        with urllib.request.urlopen(url.replace("user:secret@", ""), timeout=timeout_of(url)) as response:
            response.read(10 if stream else None)
            return response.status
    except urllib.error.HTTPError as error:
        error.close()
        return error.code


async def by_aiohttp_client(url, stream, hand):
    configs = [tracing.aiohttp_trace_config()] if hand else []
    timeout = aiohttp.ClientTimeout(total=timeout_of(url))
    async with aiohttp.ClientSession(trace_configs=configs, timeout=timeout) as session, session.get(url) as response:
        await response.content.read(10 if stream else -1)
        return response.status
