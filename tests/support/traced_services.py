"""An HTTP server that plays gateway, auth and user at once: it answers, and exports the spans that the three would."""

from __future__ import annotations

import asyncio
import itertools
import secrets
import time
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any, Literal, Self

from devenv.model.span import Span, SpanKind
from devenv.otlp.span_encoding import encode_request, encode_span
from devenv.traces.http import HttpClient

Fault = Literal["none", "propagation", "split", "dropped", "orphan", "lost", "untraced", "unexported"]


@dataclass
class TracedServices:
    """Answers every request with 200, or with what ``statuses`` says for the first ones.

    Attributes:
        otlp_url: base URL of the OTLP receiver; ``None``: the spans are not exported.
        fault: ``propagation``: auth starts a new trace, and no key travels; ``split``: the same, with the key
            of the request; ``dropped``: auth's spans are lost; ``orphan``: its client span is; ``lost``: user's spans
            are; ``untraced``: no service has any; ``unexported``: spans are kept until :meth:`flush`.
        statuses: statuses of the first requests, in order; 0 closes the connection instead of answering.
        headers: headers of each request received.
    """

    otlp_url: str | None = None
    fault: Fault = "none"
    statuses: tuple[int, ...] = ()
    hold: asyncio.Event | None = None
    keep_alive: bool = True
    prefix: str = ""
    headers: list[dict[str, str]] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    connections: int = 0

    def __post_init__(self) -> None:
        self._spans: dict[str, list[Span]] = defaultdict(list)
        self._number = itertools.count()
        self._changed = asyncio.Event()
        self._writers: set[asyncio.StreamWriter] = set()

    @property
    def services(self) -> tuple[str, ...]:
        return tuple(f"{self.prefix}{name}" for name in ("gateway", "auth", "user"))

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        self._exporting = asyncio.create_task(self._export())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        self._exporting.cancel()
        for writer in self._writers:
            writer.close()
        await asyncio.gather(self._exporting, return_exceptions=True)

    def add(self, span: Span) -> None:
        """Have one more span to export."""
        self._spans[span.service].append(span)

    async def flush(self) -> None:
        """Export what there is."""
        taken, self._spans = self._spans, defaultdict(list)
        if self.otlp_url is None or not taken:
            return
        async with HttpClient(self.otlp_url) as http:
            for service, spans in taken.items():
                body = encode_request({"service.name": service}, "test", [encode_span(span) for span in spans])
                kind = {"content-type": "application/x-protobuf"}
                assert (await http.request("POST", "/v1/traces", headers=kind, body=body)).status == 200

    async def _export(self) -> None:
        while True:
            await self._changed.wait()
            self._changed.clear()
            await asyncio.sleep(0.01)  # gathers a batch, as exporters do
            await self.flush()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._writers.add(writer)
        try:
            while await self._answer(reader, writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:-2])}
        self.headers.append(headers)
        self.paths.append(head[0])
        self.bodies.append(await reader.readexactly(int(headers.get("content-length", 0))))
        if self.hold is not None:
            await self.hold.wait()
        number = next(self._number)
        status = self.statuses[number] if number < len(self.statuses) else 200
        if status == 0:
            return False
        if status == 200:
            self._record(headers)
        closing = "" if self.keep_alive else "connection: close\r\n"
        writer.write(f"HTTP/1.1 {status} X\r\ncontent-length: 2\r\n{closing}\r\nok".encode())
        await writer.drain()
        return self.keep_alive

    def _record(self, headers: dict[str, str]) -> None:
        if "traceparent" not in headers or self.fault == "untraced":
            return
        _, trace_id, parent_id, flags = headers["traceparent"].split("-")
        if not int(flags, 16) & 1:
            return
        gateway, auth, user = self.services
        spans = [
            _span(trace_id, parent_id, gateway, SpanKind.SERVER),
            _span(trace_id, None, gateway, SpanKind.CLIENT, **{"server.address": auth}),
            _span(trace_id, None, auth, SpanKind.SERVER),
            _span(trace_id, None, auth, SpanKind.CLIENT, **{"server.address": user}),
            _span(trace_id, None, user, SpanKind.SERVER),
        ]
        self._link(spans, headers)
        for span in spans:
            self._spans[span["service"]].append(Span(**span))
        if self.fault != "unexported":
            self._changed.set()

    def _link(self, spans: list[dict[str, Any]], headers: dict[str, str]) -> None:
        """Give the spans their parents and take away what the fault takes away."""
        for above, below in itertools.pairwise(spans):
            below["parent_id"] = above["span_id"]
            below["start_ns"], below["end_ns"] = above["start_ns"] + 1_000, above["end_ns"] - 1_000
        if self.fault in {"propagation", "split"}:
            own = secrets.token_hex(16)
            for span in spans[2:]:
                span["trace_id"] = own
            spans[2]["parent_id"] = None
            if self.fault == "split":
                key, _, value = headers["baggage"].rpartition(",")[2].partition("=")
                spans[2]["attributes"] = {key: value}
        if self.fault == "lost":
            del spans[4:]
        if self.fault == "dropped":
            del spans[2:4]
        if self.fault == "orphan":
            del spans[3]


def _span(trace_id: str, parent_id: str | None, service: str, kind: SpanKind, **attributes: str) -> dict[str, Any]:
    now = time.time_ns()
    return {
        "trace_id": trace_id,
        "span_id": secrets.token_hex(8),
        "parent_id": parent_id,
        "service": service,
        "name": kind.name,
        "kind": kind,
        "start_ns": now,
        "end_ns": now + 1_000_000,
        "attributes": attributes,
    }
