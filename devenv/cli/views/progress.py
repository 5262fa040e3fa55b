"""Live progress of ``up`` and similar commands: a table on a terminal, lines elsewhere."""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from devenv import events as e
from devenv.cli.control_characters import colourless, visible, visible_in_cell
from devenv.model.counts import plural

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rich.console import RenderableType

    from devenv.cli.output import Output

LIVE_HZ = 12

BUILD_SECONDS = 2.0
"""Seconds between two lines about one build, without ``--verbose``."""


@dataclass(slots=True)
class ServiceProgress:
    """The state of one service in the live table."""

    state: str = "planned"
    note: str = ""
    since: float = field(default_factory=time.monotonic)
    ready_ms: float | None = None


_STYLES = {"ready": "green", "done": "green", "unchanged": "green", "failed": "bold red", "waiting": "dim"}
_MARKS = {"ready": "✔", "done": "✔", "unchanged": "✔", "failed": "✘", "waiting": "·", "planned": "·"}


class Board:
    """Turns events into rows; the live table and the plain lines share it."""

    def __init__(self, *, verbose: bool) -> None:
        self.rows: dict[str, ServiceProgress] = {}
        self.foot = ""
        self._verbose = verbose
        self._tenths: dict[str, int] = {}
        self._built: dict[str, float] = {}

    def take(self, event: e.Event) -> str | None:
        """Record an event; return its line for line-by-line output, ``None`` if it has none."""
        if isinstance(event, e.ServiceEvent):
            return self._service(event)
        return self._general(event)

    def _service(self, event: e.ServiceEvent) -> str | None:
        row = self.rows.setdefault(event.service, ServiceProgress())
        who = event.service if event.instance <= 1 else f"{event.service} ({event.instance})"
        match event:
            case e.ServiceWaiting(dependencies=names):
                row.state, row.note = "waiting", "for " + ", ".join(names)
                return f"{who}: waiting for {', '.join(names)}"
            case e.ServiceUnchanged():
                row.state, row.note = "unchanged", "already running"
                return f"{who}: unchanged"
            case e.ServiceStarting(reason=reason):
                row.state, row.note, row.since = "starting", reason, time.monotonic()
                return f"{who}: starting" + (f" ({reason})" if reason else "")
            case e.ServiceStarted():
                row.state, row.note = "started", ""
                return None
            case e.ProbeFailed(probe=probe, answer=answer, attempt=attempt):
                row.state, row.note = "probing", answer
                return f"{who}: {probe}: {answer}" if self._verbose and attempt % 10 == 1 else None
            case e.ServiceReady(ready_ms=ready_ms):
                row.state, row.note, row.ready_ms = "ready", "", ready_ms
                return f"{who}: ready in {ready_ms / 1000:.2f} s"
            case e.ServiceCompleted():
                row.state, row.note = "done", "exit code 0"
                return f"{who}: completed"
            case e.ServiceFailed(summary=summary):
                row.state, row.note = "failed", summary.removeprefix(f"{event.service} ")
                return f"{who}: failed: {row.note}"
            case e.ServiceLog(line=line):
                return f"{who} | {colourless(line)}"
            case e.Stopping():
                row.state, row.note = "stopping", ""
                return f"{who}: stopping"
            case e.ServiceEvent():
                return None

    def _general(self, event: e.Event) -> str | None:
        match event:
            case e.Notice(message=message, warning=warning):
                return notice_line(message, warning=warning)
            case e.Planned(services=services):
                for name in services:
                    self.rows.setdefault(name, ServiceProgress())
                return None
            case e.LockWaiting(holder=holder):
                self.foot = f"waiting for {holder} to finish"
                return self.foot
            case e.ImagePulling(image=image, status=status, done=done, total=total):
                return self._pulling(image, status, done, total)
            case e.ImageBuilding(service=service, line=line):
                self.foot = f"building {service}: {line}"
                return f"build {service} | {line}" if self._verbose or self._is_due(service) else None
            case e.CanarySent(method=method, url=url):
                self.foot = f"canary: {method} {url}"
                return f"canary: {method} {url}"
            case e.CanaryWaiting(spans=spans, services=services):
                self.foot = f"canary: {plural(spans, 'span')} from {', '.join(services) or 'no service yet'}"
                return None
            case _:
                return None

    def _is_due(self, service: str) -> bool:
        """Whether a line about a build is to be shown now: the first one, and then one in each few seconds."""
        now = time.monotonic()
        if now - self._built.get(service, -BUILD_SECONDS) < BUILD_SECONDS:
            return False
        self._built[service] = now
        return True

    def _pulling(self, image: str, status: str, done: int, total: int) -> str | None:
        """A line for each step without a size, and one for each further tenth of the bytes."""
        self.foot = f"pulling {image}: {status}" + (f" {done * 100 // total}%" if total else "")
        if self._verbose or not total:
            return f"pulling {image}: {status}"
        tenth = done * 10 // total
        if tenth <= self._tenths.get(image, 0):
            return None
        self._tenths[image] = tenth
        return f"pulling {image}: {tenth * 10}% of {total / 1e6:.1f} MB"

    def table(self) -> RenderableType:
        """The rows in their current state."""
        from rich.console import Group
        from rich.spinner import Spinner
        from rich.table import Table
        from rich.text import Text

        table = Table.grid(padding=(0, 2))
        now = time.monotonic()
        for name, row in self.rows.items():
            style = _STYLES.get(row.state, "yellow")
            mark: RenderableType = Text(_MARKS[row.state], style=style) if row.state in _MARKS else Spinner("dots")
            seconds = row.ready_ms / 1000 if row.ready_ms is not None else now - row.since
            shown = "" if row.state in {"planned", "waiting", "unchanged"} else f"{seconds:.1f} s"
            note = Text(visible_in_cell(row.note[:80]), style="dim")
            table.add_row(mark, Text(visible_in_cell(name)), Text(row.state, style=style), shown, note)
        return Group(table, Text(visible_in_cell(self.foot[:120]), style="dim")) if self.foot else table


def notice_line(message: str, *, warning: bool) -> str:
    """The line of a notice."""
    return f"warning: {message}" if warning else message


def silent_sink(output: Output) -> e.Sink | None:
    """The sink for ``--json``, and for ``--quiet``, which hides everything but warnings; ``None``: show progress."""
    if output.style.json:
        return e.ignore
    if not output.style.quiet:
        return None

    def show(event: e.Event) -> None:
        if isinstance(event, e.Notice) and event.warning:
            output.warn(notice_line(event.message, warning=True))

    return show


@contextmanager
def progress(output: Output) -> Iterator[e.Sink]:
    """A sink that shows events on stderr: as a live table if ``output.live``, else as lines."""
    silent = silent_sink(output)
    if silent:
        yield silent
        return
    board = Board(verbose=output.style.verbose)
    if not output.live:
        yield _lines(board, output.note)
        return
    from rich.live import Live

    console = output.live_console()
    with Live(get_renderable=board.table, console=console, refresh_per_second=LIVE_HZ, transient=True) as live:

        def show(event: e.Event) -> None:
            line = board.take(event)
            if line is not None and isinstance(event, e.Notice | e.ServiceLog | e.ServiceFailed):
                live.console.print(visible(line))

        yield show


def _lines(board: Board, note: Callable[[str], None]) -> e.Sink:
    def show(event: e.Event) -> None:
        line = board.take(event)
        if line is not None:
            note(line)

    return show
