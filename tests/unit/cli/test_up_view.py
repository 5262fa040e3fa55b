"""The words of `up` on the terminal, and the progress of builds in plain lines."""

from __future__ import annotations

import io

import pytest

from devenv.cli.output import Output, Style
from devenv.cli.views import progress
from devenv.cli.views.progress import Board
from devenv.cli.views.services import show_status, show_up
from devenv.events import ImageBuilding
from devenv.model.documents import (
    CanaryDocument,
    CollectorRouteDocument,
    InstanceDocument,
    ServiceDocument,
    StatusDocument,
    UpDocument,
)


def written() -> tuple[Output, io.StringIO]:
    stdout = io.StringIO()
    return Output(style=Style(), stdout=stdout, stderr=io.StringIO(), live=False, colour=False), stdout


def test_an_untraced_up_does_not_read_like_a_success() -> None:
    output, stdout = written()
    document = UpDocument(
        project="p",
        stack="s",
        engine="docker",
        engine_reason="",
        services=[],
        trace_backend=None,
        entrypoint_url=None,
        canary=CanaryDocument(verdict="absent"),
        elapsed_ms=11000,
    )
    show_up(document, output)
    assert stdout.getvalue().splitlines()[-1].startswith("Not traced: the canary trace is absent.")


def test_a_stack_without_tracing_gets_the_verdict_first_and_lines_to_paste() -> None:
    output, stdout = written()
    advice = ["devenv init --from compose.yaml --library", "devenv run -- python app.py"]
    document = UpDocument(
        project="p",
        stack="s",
        engine="docker",
        engine_reason="",
        services=[],
        trace_backend=None,
        entrypoint_url=None,
        canary=CanaryDocument(verdict="absent", untraced=True, advice=advice),
        elapsed_ms=3000,
    )
    show_up(document, output)
    verdict, *lines = stdout.getvalue().splitlines()[-4:]
    assert verdict.startswith("Not traced: no service has any tracing yet.")
    assert [line.strip() for line in lines[:2]] == advice
    assert "--no-canary" in lines[2]
    assert "doctor" not in stdout.getvalue()


def test_a_service_that_is_restarted_shows_how_often_and_why() -> None:
    output, stdout = written()
    row = InstanceDocument(id="1", state="restarting", health="unhealthy", restarts=3, exit_code=1)
    web = ServiceDocument(name="web", state="restarting", health="unhealthy", instances=[row], restarts=3)
    document = StatusDocument(
        project="p", stack="s", engine="docker", services=[web], trace_backend=None, entrypoint_url=None
    )
    show_status(document, output)
    assert "restarting (3 times, last exit 1)" in stdout.getvalue()


def test_a_project_on_two_engines_is_said_to_be_on_both() -> None:
    output, stdout = written()
    document = StatusDocument(project="p", stack="s", engine="docker", services=[], also_on=["process"])
    show_status(document, output)
    assert stdout.getvalue().splitlines()[:2] == [
        "p on the docker engine",
        "The project also runs on the process engine; `devenv down` takes down both",
    ]


def test_a_build_prints_progress_every_few_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    board = Board(verbose=False)
    lines = []
    for number in range(10):
        lines.append(board.take(ImageBuilding(service="web", line=f"step {number}")))
        now[0] += 0.7
    shown = [line for line in lines if line]
    assert shown == [f"build web | step {number}" for number in (0, 3, 6, 9)]


@pytest.mark.parametrize(("arrive", "text"), [(True, "spans arrive"), (False, "no spans yet"), (None, "not checked")])
def test_the_way_through_a_collector_is_one_line(arrive: bool | None, text: str) -> None:
    output, stdout = written()
    way = CollectorRouteDocument(services=["web", "api"], collector="otel", backend="jaeger", spans_arrive=arrive)
    document = StatusDocument(project="p", stack="s", engine="docker", services=[], collectors=[way])
    show_status(document, output)
    assert stdout.getvalue().splitlines()[-1] == f"web, api → otel → jaeger: {text}"
