"""Trace sources of every kind for one suite: the embedded store in process and over HTTP, and a real Jaeger."""

from __future__ import annotations

import asyncio
import itertools
import secrets
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, fields
from typing import Any

import httpx
import pytest
from otlp_build import PROTOBUF

from devenv.backend import EmbeddedSettings, serve
from devenv.backend.query.source import StoreSource
from devenv.model.span import Span
from devenv.model.trace import Trace
from devenv.otlp.span_encoding import encode_request, encode_span
from devenv.traces.client import TraceClient
from devenv.traces.dialect import DialectCapabilities
from devenv.traces.source import TraceSource

DIALECTS = {
    "embedded v3": DialectCapabilities(summaries=True, v3=True, embedded=True),
    "embedded legacy": DialectCapabilities(legacy=True, embedded=True),
    # Of what the Jaeger at hand has: 2.13 has both, from 2.19 on with summaries, later ones have v3 alone.
    "jaeger v3": DialectCapabilities(summaries=True, v3=True),
    "jaeger legacy": DialectCapabilities(legacy=True),
}
OVER_HTTP = [pytest.param(name, marks=pytest.mark.jaeger if "jaeger" in name else ()) for name in DIALECTS]
OF_JAEGER = [each for each in OVER_HTTP if each.marks]
KINDS = ["store", *OVER_HTTP]


@dataclass
class Site:
    """A backend that holds traces, and a source that reads them."""

    kind: str
    source: TraceSource
    otlp_url: str
    http: httpx.AsyncClient
    searches_attributes: bool = True  # Jaeger before 2.19 does not in v3

    @property
    def embedded(self) -> bool:
        return "jaeger" not in self.kind

    async def store(self, *spans: Span) -> None:
        """Send spans in their order, those of one service that follow each other in one request."""
        for service, group in itertools.groupby(spans, key=lambda span: span.service):
            body = encode_request({"service.name": service, "host.name": "h"}, "scope", map(encode_span, group))
            response = await self.http.post(f"{self.otlp_url}/v1/traces", content=body, headers=PROTOBUF)
            assert response.status_code == 200

    async def arrived(self, trace_id: str, spans: int) -> Trace:
        """The trace, once it has that many spans."""
        async with asyncio.timeout(20):
            while True:
                trace = await self.source.trace(trace_id)
                if trace is not None and len(trace.spans) >= spans:
                    return trace
                await asyncio.sleep(0.02)


def _both(one: DialectCapabilities, other: DialectCapabilities) -> DialectCapabilities:
    names = (field.name for field in fields(DialectCapabilities))
    return DialectCapabilities(**{name: getattr(one, name) and getattr(other, name) for name in names})


@pytest.fixture(params=KINDS)
async def site(request: pytest.FixtureRequest) -> AsyncIterator[Site]:
    kind: str = request.param
    async with httpx.AsyncClient() as http:
        if "jaeger" in kind:
            jaeger: Any = request.getfixturevalue("jaeger")
            async with TraceClient(jaeger.query_url) as client:
                client._found = found = _both(await client.probe(), DIALECTS[kind])
                if not found.any:
                    pytest.skip(f"this Jaeger has no {kind.split()[1]} API")
                yield Site(kind, client, jaeger.otlp_url, http, found.legacy or found.summaries)
            return
        backend = await serve(EmbeddedSettings(otlp_port=0, query_port=0, health_port=None))
        otlp_url = f"http://127.0.0.1:{backend.otlp_port}"
        try:
            if kind == "store":
                yield Site(kind, StoreSource(backend.store), otlp_url, http)
                return
            async with TraceClient(f"http://127.0.0.1:{backend.query_port}") as client:
                client._found = DIALECTS[kind]
                yield Site(kind, client, otlp_url, http)
        finally:
            await backend.close()


@pytest.fixture
def prefix() -> str:
    """Of service names, so that tests that share a Jaeger do not meet."""
    return f"s{secrets.token_hex(4)}-"


def ids(found: Sequence[Any]) -> list[str]:
    return [each.trace_id for each in found]
