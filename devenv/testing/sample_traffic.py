"""Spans as the services of the sample send them, healthy or with a fault put into one service from a moment on.

``profile`` goes through gateway, auth and user; ``overview`` also calls user twice from the gateway, side by side.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import field
from typing import Literal

from devenv.analysis.callees import Callees
from devenv.immutable import immutable
from devenv.model.span import Span, SpanKind, Status, Value
from devenv.testing.spans import MS

SERVICES = ("gateway", "auth", "user")
PORTS = {"gateway": 8080, "auth": 8081, "user": 8082}
CALLEES = Callees(hosts={name: name for name in SERVICES})
START_NS = 10**18
SECOND = 10**9

FaultKind = Literal["latency", "error", "crash", "not sent", "not read", "neither"]
"""The last three lose the context: of the calls that the service makes, of those that it gets, of both."""


@immutable(kw_only=True)
class InjectedFault:
    """A fault in one service from a moment on (seconds after the start), in some (0 to 1) of its requests."""

    service: str
    kind: FaultKind
    at_s: float = 5.0
    share: float = 1.0
    extra_ms: float = 150.0


@immutable(kw_only=True)
class Traffic:
    """How much traffic, and how its durations vary.

    Attributes:
        overview: share (0 to 1) of the requests for the overview.
        sigma: of the logarithm of self times, whose median is 2 ms.
        tail: share of self times that are 10 times as long, as those with a pause of the runtime are.
    """

    requests: int = 200
    per_second: float = 20.0
    overview: float = 0.5
    sigma: float = 0.5
    tail: float = 0.01
    fault: InjectedFault | None = None
    start_ns: int = START_NS
    host: dict[str, str] = field(default_factory=lambda: {name: name for name in SERVICES})


class _Request:
    """The spans of one request; a call whose context is lost begins another trace."""

    def __init__(self, traffic: Traffic, chance: random.Random, start_ns: int) -> None:
        self.spans: list[Span] = []
        self._traffic = traffic
        self._chance = chance
        fault = traffic.fault
        since = fault is not None and start_ns >= traffic.start_ns + round(fault.at_s * SECOND)
        self._fault = fault if since and fault is not None and chance.random() < fault.share else None

    def has(self, service: str, *kinds: FaultKind) -> bool:
        """Whether the service has one of these faults in this request."""
        return self._fault is not None and self._fault.service == service and self._fault.kind in kinds

    def id(self, digits: int) -> str:
        return f"{self._chance.getrandbits(4 * digits):0{digits}x}"

    def self_ns(self) -> int:
        took = 2 * MS * self._chance.lognormvariate(0, self._traffic.sigma)
        return round(took * (10 if self._chance.random() < self._traffic.tail else 1))

    def span(
        self,
        place: tuple[str, str, str | None],
        name: str,
        service: str,
        kind: SpanKind,
        times: tuple[int, int],
        error: str = "",
        **attributes: Value,
    ) -> None:
        """Add a span; ``place`` are its trace ID, its own ID and its parent's."""
        self.spans.append(
            Span(
                trace_id=place[0],
                span_id=place[1],
                parent_id=place[2],
                service=service,
                name=name,
                kind=kind,
                start_ns=times[0],
                end_ns=times[1],
                status=Status.ERROR if error else Status.UNSET,
                status_message=error,
                attributes={key.replace("__", "."): value for key, value in attributes.items()},
            )
        )

    def serve(self, service: str, name: str, trace_id: str, parent: str | None, start: int) -> tuple[int, int]:
        """Add the spans of one request to a service; return its end and status."""
        own, now, status = self.id(16), start + self.self_ns() // 2, 200
        if self.has(service, "latency") and self._fault is not None:
            now += round(self._fault.extra_ms * MS * self._chance.lognormvariate(0, 0.2))
        if service == "user":
            now = self._internal(service, "SELECT account", trace_id, own, now)
        elif service == "auth":
            now = self._internal(service, "verify credentials", trace_id, own, now)
            now, status = self.call(service, "user", "GET /users/{id}", trace_id, own, now)
        else:
            now, status = self.call(service, "auth", "GET /session", trace_id, own, now)
            if status == 200 and name == "GET /api/overview":
                calls = [self.call(service, "user", "GET /users/{id}/events", trace_id, own, now) for _ in "12"]
                now, status = max(end for end, _ in calls), max(code for _, code in calls)
        if self.has(service, "error"):
            status = 500
        elif status != 200:
            status = 502
        end = now + self.self_ns() // 2
        error = f"HTTP {status}" if status >= 500 else ""
        self.span((trace_id, own, parent), name, service, SpanKind.SERVER, (start, end), error)
        return end, status

    def call(self, caller: str, called: str, name: str, trace_id: str, parent: str, start: int) -> tuple[int, int]:
        """Add a call and what it leads to; return its end and status, 0 without a response."""
        own = self.id(16)
        sent = start + self.self_ns() // 10
        lost = self.has(caller, "not sent", "neither") or self.has(called, "not read", "neither")
        if self.has(called, "crash"):
            end, status = sent, 0
        elif lost:
            end, status = self.serve(called, name, self.id(32), None, sent)
        else:
            end, status = self.serve(called, name, trace_id, own, sent)
        end += self.self_ns() // 10
        host = self._traffic.host[called]
        names: dict[str, Value] = {"server__address": host, "server__port": PORTS[called]}
        if status:
            names["http__response__status_code"] = status
        error = "ConnectionRefusedError" if not status else f"HTTP {status}" if status >= 500 else ""
        self.span((trace_id, own, parent), "GET", caller, SpanKind.CLIENT, (start, end), error, **names)
        return end, status

    def _internal(self, service: str, name: str, trace_id: str, parent: str, start: int) -> int:
        end = start + self.self_ns()
        self.span((trace_id, self.id(16), parent), name, service, SpanKind.INTERNAL, (start, end))
        return end


def sample_traffic(traffic: Traffic, seed: int = 0) -> Iterator[list[Span]]:
    """The spans of each request, in order of time; the same for the same seed."""
    chance = random.Random(seed)  # noqa: S311 - no secrets
    now = float(traffic.start_ns)
    for _ in range(traffic.requests):
        now += chance.expovariate(traffic.per_second) * SECOND
        request = _Request(traffic, chance, round(now))
        name = "GET /api/overview" if chance.random() < traffic.overview else "GET /api/profile"
        if not request.has("gateway", "crash"):
            request.serve("gateway", name, request.id(32), None, round(now))
            yield request.spans
