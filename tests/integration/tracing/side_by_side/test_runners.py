"""The situations under real servers, by `devenv run`: the same spans as in process, whatever serves them."""

from __future__ import annotations

import sys

import pytest
from side_by_side.facts import facts_of
from side_by_side.recorders import AUTO
from side_by_side.situations import CALLER, SITUATIONS
from side_by_side.tables import SUPPORT, facts
from traced_programs import CLI, clean, serving

GUNICORN = ("-m", "gunicorn", "--bind", "127.0.0.1:{port}")
RUNNERS = {
    "uvicorn with 2 workers": (
        "starlette",
        ("-m", "uvicorn", "--factory", "side_by_side.app_starlette:make", "--port", "{port}", "--workers", "2"),
    ),
    "hypercorn": ("fastapi", ("-m", "hypercorn", "side_by_side.app_fastapi:make()", "--bind", "127.0.0.1:{port}")),
    "gunicorn sync": ("flask", (*GUNICORN, "side_by_side.app_flask:make()")),
    "gunicorn gthread": ("django", (*GUNICORN, "-k", "gthread", "--threads", "4", "side_by_side.app_django:make()")),
    "gunicorn with uvicorn's worker": (
        "fastapi",
        (*GUNICORN, "-k", "uvicorn.workers.UvicornWorker", "--workers", "2", "side_by_side.app_fastapi:make()"),
    ),
}
ASKED = (
    "200 below a caller",
    "404",
    "500 by an exception",
    "403 by the framework's exception",
    "503 without an exception",
    "redirect",
    "stream",
    "sub-application",
    "path and query parameters",
    "secrets",
)
# What the server of the tables and a real one differ in: addresses.
OF_THE_NETWORK = {f"server: {name}" for name in ("client.address", "client.port", "server.address", "server.port")}


@pytest.mark.parametrize("runner", RUNNERS)
def test_a_real_server_has_the_spans_of_the_table(collector, tmp_path, runner):
    framework, command = RUNNERS[runner]
    expected = {name: found for name, found in facts(framework, AUTO).items() if name in ASKED}
    for found in expected.values():
        found["server: parent"] = "the caller"  # each request is told from the others by its trace
    spans = sum(name.endswith(": kind") for found in expected.values() for name in found)
    environ = clean(OTEL_EXPORTER_OTLP_ENDPOINT=collector.url, OTEL_BSP_SCHEDULE_DELAY="50", PYTHONPATH=str(SUPPORT))
    with serving((*CLI, "run", "--", sys.executable, *command), tmp_path, environ) as server:
        responses = {}
        for number, name in enumerate(ASKED, 1):
            asked = SITUATIONS[name]
            headers = {**asked.fields(), "traceparent": f"00-{number:032x}-{CALLER}-01"}
            target = asked.path + (f"?{asked.query}" if asked.query else "")
            responses[name] = str(server.get(target, headers)[0])
        collector.wait(lambda: len(collector.spans()) >= spans)
    for number, name in enumerate(ASKED, 1):
        now = facts_of(span for span in collector.spans() if span.trace_id == f"{number:032x}")
        kept = {key: value for key, value in {"response": responses[name], **now}.items() if key not in OF_THE_NETWORK}
        wanted = {key: value for key, value in expected[name].items() if key not in OF_THE_NETWORK}
        wanted["response"] = wanted["response"].partition(",")[0]
        assert kept == wanted, name
