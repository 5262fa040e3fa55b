"""What a terminal is sent: nothing from outside steers it, forges a row or becomes markup; tables fit its width."""

from __future__ import annotations

import io
import json
import os
import pty
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

import pytest

from devenv import events as e
from devenv.analysis.waterfall import Row, Waterfall
from devenv.cli.control_characters import visible, visible_in_json
from devenv.cli.output import Output, Style
from devenv.cli.table import cell_len
from devenv.cli.views.lines import LineView
from devenv.cli.views.progress import progress
from devenv.cli.views.runs import run_progress, show_runs
from devenv.cli.views.services import show_down, show_status, show_up
from devenv.cli.views.traces import show_search, show_trace
from devenv.errors import EnvironmentFailure
from devenv.model.documents import StatusDocument, UpDocument
from devenv.model.down_document import DownDocument
from devenv.model.listings import OpenDocument, RunsDocument, TracesDocument
from devenv.model.log import ServiceLine
from devenv.model.span import Span, SpanKind

HOSTILE = "oops [/nope] [link=http://x]y[/link] \x1b]52;c;ZXZpbA==\x07\x1b[2J\x9b2J \u202egnp.exe\nforged row\r\ttab"
SHOWN = (
    r"oops [/nope] [link=http://x]y[/link] \x1b]52;c;ZXZpbA==\x07\x1b[2J\x9b2J \u202egnp.exe\nforged row\r" + r"\ttab"
)
WIDTHS = (60, 80, 120, None)


class Screen(io.StringIO):
    """Stands in for a terminal, or with no width for a pipe."""

    def __init__(self, width: int | None) -> None:
        super().__init__()
        self._descriptor = -1
        self._width = width

    def isatty(self) -> bool:
        return self._width is not None

    def fileno(self) -> int:
        return self._descriptor


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """What a view prints at a width."""

    def show(view: Callable[[Any, Output], None], document: Any, width: int | None = None, **style: bool) -> str:
        if width is not None:
            monkeypatch.setenv("COLUMNS", str(width))
        screen = Screen(width)
        view(document, Output(style=Style(**style), stdout=screen, stderr=screen, live=False, colour=False))
        return screen.getvalue()

    return show


def span(name: str, *, depth: int = 0, offset: float = 0, took: float = 1, service: str = "web") -> Row:
    """A row of a trace; ``offset`` and ``took`` in ms."""
    start_ns = round(offset * 1e6)
    found = Span(
        trace_id="f" * 32,
        span_id="b7ad6b7169203331",
        service=service,
        name=name,
        kind=SpanKind.SERVER,
        start_ns=start_ns,
        end_ns=start_ns + round(took * 1e6),
    )
    return Row(found, depth, start_ns)


def trace(*rows: Row, duration_ms: float = 10) -> Waterfall:
    return Waterfall(
        trace_id="f" * 32, duration_ns=round(duration_ms * 1e6), services=("web",), rows=rows, ui_url="http://ui"
    )


def search(*, name: str = "GET /orders/{id}", services: int = 8, number: int = 3) -> TracesDocument:
    row = {
        "root_service": "gateway",
        "root_operation": name,
        "start": "2026-11-27T17:43:33.123Z",
        "duration_ms": 12345.6,
        "spans": 12345,
        "errors": 7,
        "orphans": 0,
        "services": [f"service-{each}" for each in range(services)],
        "ui_url": "http://ui",
    }
    return TracesDocument.model_validate({"traces": [{"trace_id": f"{each:032x}", **row} for each in range(number)]})


def service(name: str, **more: Any) -> dict[str, Any]:
    return {
        "name": name,
        "state": "running",
        "health": "healthy",
        "instances": [],
        "ports": [{"container": 8080, "host": 18080, "address": "127.0.0.1", "url": "http://127.0.0.1:18080"}],
        "uptime_s": 754.0,
        "restarts": 3,
        "cpu_percent": 12.3,
        "memory_bytes": 64 * 2**20,
        **more,
    }


def test_text_from_outside_is_neither_markup_nor_control(shown: Callable[..., str]) -> None:
    found = shown(show_search, search(name=HOSTILE))
    assert f"gateway: {SHOWN}" in found
    assert len(found.splitlines()) == 4
    found = shown(show_trace, trace(span(HOSTILE)))
    assert found.count("\n") == 4
    assert "\x1b" not in found
    assert "\u202e" not in found


@pytest.mark.parametrize("text", ["\x1b", "\x00", "\x9d", "\u2066", "\u2028", "\u200f", "\ud800", "\x7f", "\U000e0041"])
def test_each_kind_of_control_character_is_made_visible(text: str) -> None:
    assert visible(text).isascii()
    assert visible(text).isprintable()
    assert json.loads(visible_in_json(json.dumps(text, ensure_ascii=False))) == text
    assert visible_in_json(json.dumps(text, ensure_ascii=False)).isascii()


def test_what_people_write_is_left_as_it_is() -> None:
    for text in ("→ naïve 日本語 👩‍💻 עברית", "a\tb", "C:\\new"):
        assert visible(text) == text


def test_errors_and_progress_are_lines_without_control_characters(shown: Callable[..., str]) -> None:
    error = EnvironmentFailure(f"no {HOSTILE}", hint=HOSTILE, details={"output": [HOSTILE, "\x1b[31mred\x1b[0m"]})
    found = shown(lambda document, output: output.error(document), error)
    assert found.splitlines() == [
        f"devenv: no {visible(HOSTILE)}",
        f"  hint: {visible(HOSTILE)}",
        f"  | {visible(HOSTILE)}",
        "  | red",
    ]

    def report(event: e.Event, output: Output) -> None:
        with progress(output) as sink:
            sink(event)

    found = shown(report, e.ServiceFailed(service=HOSTILE, instance=1, summary=f"{HOSTILE} {HOSTILE}"))
    assert found == f"{visible(HOSTILE)}: failed: {visible(HOSTILE)}\n"


def test_a_document_is_the_same_json_without_control_characters(shown: Callable[..., str]) -> None:
    document = OpenDocument(url=HOSTILE, opened=False)
    found = shown(lambda each, output: output.document(each), document)
    assert json.loads(found)["url"] == HOSTILE
    assert found.rstrip("\n").isprintable()
    document = OpenDocument(url="not UTF-8: \udcff", opened=False)
    assert json.loads(shown(lambda each, output: output.document(each), document)) == {
        "schema": "devenv.open/1",
        "url": "not UTF-8: \udcff",
        "opened": False,
    }


def test_logs_on_a_terminal_keep_colours_and_nothing_else() -> None:
    line = ServiceLine(
        service="web", instance=1, time="", stream="stdout", text="\x1b[1;31mred\x1b[2J\x1b]0;t\x07", trace_id=None
    )
    found = {}
    for colour in (True, False):
        screen = Screen(80)
        LineView(Output(style=Style(), stdout=screen, stderr=screen, live=False, colour=colour)).show(line)
        found[colour] = screen.getvalue()
    assert found[True] == "\x1b[36mweb |\x1b[0m \x1b[1;31mred\\x1b[2J\\x1b]0;t\\x07\x1b[0m\n"
    assert found[False] == "web | red\\x1b[2J\\x1b]0;t\\x07\n"


@pytest.mark.parametrize("width", WIDTHS)
def test_a_search_keeps_ids_and_figures_at_every_width(width: int | None, shown: Callable[..., str]) -> None:
    lines = shown(show_search, search(), width).splitlines()
    assert len(lines) == 4
    for number, line in enumerate(lines[1:]):
        assert line.split()[0] == f"{number:032x}"
        assert "12345.6 ms" in line
        assert line.split("ms")[-1].split()[:2] == ["12345", "7"]
    assert all(cell_len(line) <= (width or 1000) for line in lines)
    if width is None:
        assert "2026-11-27T17:43:33.123Z" in lines[1]
        assert lines[1].endswith("service-7")


@pytest.mark.parametrize("width", WIDTHS)
def test_a_status_keeps_figures_and_addresses_at_every_width(width: int | None, shown: Callable[..., str]) -> None:
    document = StatusDocument.model_validate(
        {
            "project": "shop-1",
            "stack": "shop",
            "engine": "docker",
            "services": [service("a-service-with-a-rather-long-name"), service("db")],
            "failures": [],
            "entrypoint_url": None,
            "trace_backend": None,
        }
    )
    lines = shown(show_status, document, width).splitlines()[1:]
    figures = [line.split("healthy")[1].split() for line in lines if "healthy" in line]
    assert [words[:7] for words in figures] == [["12", "min", "34", "s", "3", "12.3%", "64"]] * 2
    assert sum("http://127.0.0.1:18080" in line for line in lines) == 2
    assert all(cell_len(line) <= (width or 1000) for line in lines)


@pytest.mark.parametrize("width", WIDTHS)
def test_runs_keep_ids_and_figures_at_every_width(width: int | None, shown: Callable[..., str]) -> None:
    run = {
        "run_id": "20261127-174333-ab12",
        "name": "a name that somebody gave",
        "started_at": "2026-11-27T17:43:33.123Z",
        "scenario": "a-scenario-of-some-length",
        "rps": 50,
        "sent": 1500,
        "failed": 12,
        "p50_ms": 12.3,
        "p99_ms": 123.4,
        "complete": 1488,
        "valid": True,
    }
    lines = shown(show_runs, RunsDocument.model_validate({"runs": [run]}), width).splitlines()
    assert len(lines) == 2
    for figure in ("20261127-174333-ab12", "50/s", "1500", "12", "12.3 ms", "123.4 ms", "1488"):
        assert figure in lines[1]
    assert all(cell_len(line) <= (width or 1000) for line in lines)


@pytest.mark.parametrize("width", WIDTHS)
def test_a_waterfall_fits_every_width(width: int | None, shown: Callable[..., str]) -> None:
    spans = [span(f"step {depth}", depth=depth, offset=depth / 10) for depth in range(60)]
    lines = shown(show_trace, trace(*spans), width).splitlines()
    assert all(cell_len(line) <= (width or 124) for line in lines)
    for depth, line in enumerate(lines[1:-2]):
        assert f"web: step {depth}" in line
        assert "1.00 ms" in line


@pytest.mark.slow
def test_a_large_trace_is_folded_and_every_span_is_counted(shown: Callable[..., str]) -> None:
    spans = [span("root"), *(span("SELECT", depth=1, took=0) for _ in range(80_000))]
    lines = shown(show_trace, trace(*spans)).splitlines()
    assert "80001 spans" in lines[0]
    assert len(lines) == 1 + 1 + 5 + 1 + 2
    assert lines[-3] == "  … 79995 more like web: SELECT"
    spans = [span("root"), *(span(f"SELECT {number}", depth=1) for number in range(12_000))]
    lines = shown(show_trace, trace(*spans)).splitlines()
    assert lines[-3] == "… 10001 more"


def test_a_span_without_length_and_a_trace_without_a_root_have_their_words(shown: Callable[..., str]) -> None:
    assert shown(show_trace, trace(span("a", took=0), duration_ms=0)).splitlines()[0].endswith(": 0, 1 span")
    document = search(number=1)
    bare = document.traces[0].model_copy(update={"root_service": "", "root_operation": ""})
    assert "(root missing)" in shown(show_search, TracesDocument(traces=[bare]))


def test_nothing_found_is_said(shown: Callable[..., str]) -> None:
    assert shown(show_search, TracesDocument(traces=[])) == "No trace matches.\n"
    last_hour = partial(show_search, since="1h")
    assert shown(last_hour, TracesDocument(traces=[])) == "No trace matches (--since 1h).\n"
    assert shown(show_runs, RunsDocument(runs=[])).startswith("No saved runs.")


def test_how_much_was_searched_is_said_where_the_backend_knows_no_filters(shown: Callable[..., str]) -> None:
    assert shown(show_search, TracesDocument(traces=[], looked_at=1)).splitlines()[1:] == [
        "1 trace looked at, which is all that the trace backend returned."
    ]
    cut = search().model_copy(update={"looked_at": 500, "older_left_out": True})
    assert shown(show_search, cut).splitlines()[-2] == "500 traces looked at, the newest ones; older ones may match."
    assert "looked at" not in shown(show_search, search())


def test_titles_stay_whole_where_a_column_can_go_below(shown: Callable[..., str]) -> None:
    document = StatusDocument.model_validate(
        {
            "project": "shop-1",
            "stack": "shop",
            "engine": "docker",
            "services": [service("web")],
            "failures": [],
            "entrypoint_url": None,
            "trace_backend": None,
        }
    )
    for width in (75, 80):
        lines = shown(show_status, document, width).splitlines()
        assert lines[1].split() == ["SERVICE", "STATE", "HEALTH", "UPTIME", "RESTARTS", "CPU", "MEMORY"]
        assert lines[3] == "  http://127.0.0.1:18080"


def test_a_rollback_is_told_as_one(shown: Callable[..., str]) -> None:
    document = UpDocument.model_validate(
        {
            "project": "shop-1",
            "stack": "shop",
            "engine": "docker",
            "engine_reason": "",
            "services": [],
            "trace_backend": None,
            "entrypoint_url": None,
            "canary": {"verdict": "skipped"},
            "elapsed_ms": 1,
            "failures": [{"service": "web", "reason": "exited with code 1"}],
            "warnings": [],
        }
    )
    rolled = shown(lambda each, output: show_up(each, output, rolled_back=True), document)
    assert "Rolled back" in rolled
    assert "keep running" not in rolled
    assert "keep running" in shown(show_up, document)


def test_kept_volumes_are_not_nothing(shown: Callable[..., str]) -> None:
    document = DownDocument.model_validate(
        {
            "project": "shop-1",
            "removed": {"containers": ["a"], "networks": [], "volumes": [], "processes": []},
            "kept": {"volumes": ["data"]},
            "left": [],
        }
    )
    assert shown(show_down, document).splitlines()[-1] == "Nothing else is left."


@pytest.mark.parametrize("view", [progress, run_progress])
def test_quiet_hides_notices_but_not_warnings(view: Any, shown: Callable[..., str]) -> None:
    def report(events: list[e.Event], output: Output) -> None:
        with view(output) as sink:
            for event in events:
                sink(event)

    events = [e.Notice(message="engine docker"), e.Notice(message="spans were lost", warning=True)]
    assert shown(report, events, quiet=True) == "warning: spans were lost\n"
    assert shown(report, events) == "engine docker\nwarning: spans were lost\n"
    assert shown(report, events, json=True) == ""


@pytest.mark.parametrize("view", [progress, run_progress])
def test_warnings_are_printed_above_a_live_view(view: Any) -> None:
    master, slave = pty.openpty()
    stream = os.fdopen(slave, "w")
    with stream, view(Output(style=Style(), stdout=stream, stderr=stream, live=True, colour=True)) as sink:
        sink(e.Notice(message="[red]spans[/red] were \x1b]52;c;eA==\x07lost", warning=True))
    parts = []
    with suppress(OSError):  # the other end is closed: all is read
        while part := os.read(master, 65536):
            parts.append(part)
    os.close(master)
    found = b"".join(parts).decode()
    assert "warning: [red]spans[/red] were \\x1b]52;c;eA==\\x07lost" in found
    assert "\x1b]52" not in found


def test_a_log_record_is_marked_and_each_of_its_lines_has_the_name() -> None:
    screen = Screen(80)
    view = LineView(Output(style=Style(), stdout=screen, stderr=screen, live=False, colour=False))
    record = ServiceLine(
        service="web", instance=0, time=1.0, stream="otlp", text="boom\x1b[2J\n  at x", trace_id="a", severity="ERROR"
    )
    view.show(record)
    view.show(ServiceLine(service="web", instance=2, time=1.0, stream="event", text="miss", trace_id="a", span_id="b"))
    assert screen.getvalue().splitlines() == [
        "web | ERROR boom\\x1b[2J  [log record]",
        "web |   at x",
        "web-2 | miss  [event of span b]",
    ]
