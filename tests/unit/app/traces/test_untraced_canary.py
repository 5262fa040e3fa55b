"""How long the canary waits for a trace, by the signs of tracing that a stack shows."""

from __future__ import annotations

from typing import Any

import pytest

from devenv.app.traces import canary as module
from devenv.app.traces.canary import LookForSigns, _Sending, send_canary
from devenv.model.documents import CanaryDocument
from devenv.model.extension import Request
from devenv.model.span import Span
from devenv.model.trace import OWN_SERVICE, Trace
from devenv.testing import FakeClock
from devenv.traces.links import UiLinks


class Backend:
    """A trace source with devenv's own root span, and from ``late_s`` on with a span of the entry point."""

    ui = UiLinks("http://127.0.0.1:16686")

    def __init__(self, clock: FakeClock, *, late_s: float = 1e9, known: tuple[str, ...] = ()) -> None:
        self.clock, self.late_s, self.known = clock, late_s, known

    async def trace(self, trace_id: str) -> Trace:
        root = Span(trace_id=trace_id, span_id="1" * 16, service=OWN_SERVICE, name="canary", start_ns=1, end_ns=9)
        below = Span(
            trace_id=trace_id, span_id="2" * 16, parent_id="1" * 16, service="web", name="GET", start_ns=2, end_ns=8
        )
        arrived = self.clock.monotonic() >= self.late_s
        return Trace(trace_id=trace_id, spans=(root, below) if arrived else (root,))

    async def services(self) -> list[str]:
        return [OWN_SERVICE, *self.known]

    async def find(self, _query: object) -> list[Trace]:
        return []


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> FakeClock:
    async def answered(*_: object, **__: object) -> _Sending:
        return _Sending("a" * 32, "1" * 16, start_ns=1, end_ns=9, status=200)

    async def exported(*_: object, **__: object) -> None:
        """The root span is there."""

    monkeypatch.setattr(module, "_send_until_answered", answered)
    monkeypatch.setattr(module, "_export", exported)
    return FakeClock()


async def canary(
    clock: FakeClock, backend: Backend, look: LookForSigns | None, *, any_status: bool = False
) -> CanaryDocument:
    client: Any = backend
    return await send_canary(
        entrypoint_url="http://127.0.0.1:8080",
        request=Request(),
        expected_services=(),
        client=client,
        otlp_http_url="http://127.0.0.1:4318",
        clock=clock,
        sink=lambda _event: None,
        look=look,
        any_status=any_status,
    )


def found(sign: str) -> LookForSigns:
    async def look() -> str:
        return sign

    return look


async def test_the_wait_ends_early_if_nothing_can_come(clock: FakeClock) -> None:
    document = await canary(clock, Backend(clock), found(""))
    assert (document.verdict, document.untraced) == ("absent", True)
    assert document.cause.startswith("nothing in this stack is traced")
    assert 2 <= clock.monotonic() < 2.5


@pytest.mark.parametrize("sign", ["web: OTEL_BSP_SCHEDULE_DELAY=5000", "web: cannot be looked into: timeout"])
async def test_a_service_with_a_sign_of_tracing_gets_its_full_time(clock: FakeClock, sign: str) -> None:
    assert (await canary(clock, Backend(clock, late_s=6), found(sign))).verdict == "complete"
    begun = clock.monotonic()
    document = await canary(clock, Backend(clock), found(sign))
    assert (document.verdict, document.untraced) == ("absent", False)
    assert clock.monotonic() - begun >= 10


async def test_spans_of_any_service_are_a_sign(clock: FakeClock) -> None:
    document = await canary(clock, Backend(clock, known=("worker",)), found(""))
    assert not document.untraced
    assert clock.monotonic() >= 10


async def test_a_span_that_comes_during_the_look_ends_it(clock: FakeClock) -> None:
    async def slow() -> str:
        await clock.sleep(3)
        return ""

    document = await canary(clock, Backend(clock, late_s=2.5), slow)
    assert (document.verdict, document.untraced) == ("complete", False)


async def test_nothing_is_looked_for_if_spans_come_in_time(clock: FakeClock) -> None:
    async def never() -> str:
        raise AssertionError("looked for signs")

    assert (await canary(clock, Backend(clock, late_s=0.4), never)).verdict == "complete"


@pytest.mark.parametrize(
    ("any_status", "verdict", "cause"),
    [(True, "complete", "GET / answered 404"), (False, "partial", "answered 404, expected a status below 400")],
)
async def test_the_status_of_a_canary_that_nobody_declared_is_only_said(
    monkeypatch: pytest.MonkeyPatch, clock: FakeClock, any_status: bool, verdict: str, cause: str
) -> None:
    async def missed(*_: object, **__: object) -> _Sending:
        return _Sending("a" * 32, "1" * 16, start_ns=1, end_ns=9, status=404)

    monkeypatch.setattr(module, "_send_until_answered", missed)
    document = await canary(clock, Backend(clock, late_s=0), None, any_status=any_status)
    assert (document.verdict, document.cause, document.status) == (verdict, cause, 404)
    assert document.services == ["web"]


@pytest.mark.parametrize(
    ("status", "any_status", "early"),
    [(502, False, True), (500, False, False), (500, True, True), (404, True, False), (200, True, False)],
)
def test_what_shows_that_an_upstream_does_not_listen_yet(status: int, any_status: bool, early: bool) -> None:
    sending = _Sending("a" * 32, "1" * 16, start_ns=1, status=status)
    assert module._is_early(sending, any_status=any_status) is early
