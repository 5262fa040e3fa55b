"""The handler of ``/dependencies``: the answer, the picture, and the table behind it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from devenv.dashboard.layout import Frame, page
from devenv.dashboard.service_map.calls import ServiceCalls, service_calls
from devenv.dashboard.service_map.picture import MAX_LABELS, View, pictures
from devenv.dashboard.service_map.table import calls_table
from devenv.dashboard.service_map.texts import calls_address, range_text
from devenv.dashboard.services import ServiceMarks
from devenv.drawing.markup import Markup, element, join
from devenv.drawing.words import counted, show_count, show_share
from devenv.http.server import HttpRequest, Response
from devenv.http.server.message import Parameters
from devenv.immutable import immutable
from devenv.traces.source import TraceSource
from devenv.traces.times import parse_duration

_FRAME = Frame("Service map", "/dependencies", wide=True)

MAX_SERVICES = 150
"""Boxes of one picture."""

_LOOKBACK = "15m"
_LONG_LOOKBACK = "24h"
"""If no lookback is asked for, and nothing was called in the short one."""

_MAX_HOPS = 9
_OFFERED_HOPS = 4
_AHEAD_NS = 60_000_000_000
"""Spans of services whose clocks are ahead are shown as well."""


class BadAddress(ValueError):
    """A parameter is invalid; the message is for the user."""


@immutable()
class Wanted:
    """The parameters of the page; empty for none."""

    lookback: str
    focus: str
    hops: int
    own: bool

    @classmethod
    def read(cls, parameters: Parameters) -> Wanted:
        """``lookback``, ``focus``, ``hops`` and ``own``.

        Raises:
            BadAddress: If one of them is malformed.
        """
        lookback, hops = parameters.first("lookback"), parameters.first("hops") or "1"
        try:
            if lookback and parse_duration(lookback) <= 0:
                raise ValueError("expected more than 0")
        except ValueError as error:
            raise BadAddress(f"lookback: {error}") from error
        if not (hops.isascii() and hops.isdecimal() and len(hops) < 3 and 1 <= int(hops) <= _MAX_HOPS):
            raise BadAddress(f"hops: found {hops[:40]!r}, expected a number from 1 to {_MAX_HOPS}")
        return cls(lookback, parameters.first("focus"), int(hops), bool(parameters.first("own")))


class MapPage:
    """The handler."""

    def __init__(self, source: TraceSource, now: Callable[[], int]) -> None:
        self._source = source
        self._now = now

    async def __call__(self, request: HttpRequest) -> Response:
        """The map of the last 15 minutes, of the last day if nothing was called in them, or of ``?lookback=``.

        ``?focus=SERVICE`` shows what is at most ``hops`` calls away from it; ``?own=1`` devenv's own spans as well.
        """
        try:
            wanted = Wanted.read(request.parameters())
        except ValueError as error:
            return page(_FRAME, element("p", str(error), class_="bad", role="alert"), status=400)
        lookback, calls = await self._calls(wanted)
        title = element("h1", "Service map")
        if not calls.services:
            return page(_FRAME, title, element("p", "No spans have arrived yet.", class_="note"))
        form = _form(calls, wanted)
        if wanted.focus and wanted.focus not in calls.services:
            missing = f"No service {wanted.focus!r} has spans: choose one of the {len(calls.services)} that have."
            return page(_FRAME, title, element("p", missing, class_="bad", role="alert"), form, status=404)
        shown = calls.around(wanted.focus, wanted.hops) if wanted.focus else calls
        drawn = shown.busiest(MAX_SERVICES)
        view = View(calls, parse_duration(lookback) / 1e9, lookback, ServiceMarks(calls.services))
        return page(
            _FRAME,
            title,
            element("p", _answer(shown, calls, wanted, lookback), class_="answer"),
            form,
            _left_out(shown, drawn),
            # A large map takes 100 ms and more, in which spans are received and other pages answer.
            await asyncio.to_thread(pictures, drawn, view),
            calls_table(shown, view),
        )

    async def _calls(self, wanted: Wanted) -> tuple[str, ServiceCalls]:
        services = await self._source.services()

        async def within(lookback: str) -> ServiceCalls:
            range_ns = parse_duration(lookback) + _AHEAD_NS
            found = await self._source.dependencies(self._now() + _AHEAD_NS, range_ns)
            return service_calls(services, found, own=wanted.own)

        lookback = wanted.lookback or _LOOKBACK
        calls = await within(lookback)
        if wanted.lookback or calls.between:
            return lookback, calls
        return _LONG_LOOKBACK, await within(_LONG_LOOKBACK)


def _answer(shown: ServiceCalls, calls: ServiceCalls, wanted: Wanted, lookback: str) -> Markup:
    span = range_text(parse_duration(lookback) // 1_000_000_000)
    counts = f"{counted(len(shown.services), 'service')}, {counted(len(shown.between), 'edge')} in the last {span}"
    if wanted.focus:
        within = "1 call" if wanted.hops == 1 else f"{wanted.hops} calls"
        counts += f": {wanted.focus} and what is at most {within} away, of {counted(len(calls.services), 'service')}"
    if not shown.between:
        return join(f"{counts}; no service calls another.")
    if all(edge.errors is None for edge in shown.between):
        return join(f"{counts}; this trace backend does not count errors.")
    worst = max(shown.between, key=lambda edge: (edge.errors or 0, (edge.errors or 0) / edge.calls))
    if not worst.errors:
        return join(f"{counts}; no call failed.")
    failing = sum(1 for edge in shown.between if edge.errors)
    edge = element("a", f"{worst.parent} → {worst.child}", href=calls_address(worst, lookback))
    most = "fails most" if failing > 1 else "fails"
    part = f"{show_count(worst.errors)} of {counted(worst.calls, 'call')} ({show_share(worst.errors, worst.calls)})"
    return join(f"{counts}; ", edge, f" {most}: {part}.")


def _left_out(shown: ServiceCalls, drawn: ServiceCalls) -> Markup | None:
    said = []
    if len(drawn.services) < len(shown.services):
        said.append(
            f"The picture has the {len(drawn.services)} services with the most calls; "
            f"all {len(shown.services)} are in the table and in the list."
        )
    if len(drawn.between) > MAX_LABELS:
        said.append(
            f"With more than {MAX_LABELS} edges, their numbers are in the table, and in the title of each line."
        )
    return element("p", " ".join(said), class_="soft") if said else None


def _form(calls: ServiceCalls, wanted: Wanted) -> Markup:
    names = [
        element("option", "the whole map", value="", selected="" if not wanted.focus else None),
        *(element("option", name, selected="" if name == wanted.focus else None) for name in calls.services),
    ]
    hops = (
        element("option", counted(each, "call"), value=each, selected="" if each == wanted.hops else None)
        for each in range(1, max(_OFFERED_HOPS, wanted.hops) + 1)
    )
    return element(
        "form",
        element("label", "Show what is around", element("select", *names, name="focus")),
        element("label", "Within", element("select", *hops, name="hops")),
        element("input", type="hidden", name="lookback", value=wanted.lookback) if wanted.lookback else None,
        element("input", type="hidden", name="own", value="1") if wanted.own else None,
        element("button", "Show"),
        class_="focus",
        method="get",
        action="/dependencies",
    )
