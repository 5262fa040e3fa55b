"""The situations under real servers, by `devenv run`: the same spans as in process, whatever serves them."""

from __future__ import annotations

import sys
import time

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
    "gunicorn gevent": ("flask", (*GUNICORN, "-k", "gevent", "side_by_side.app_flask:make()")),
    "gunicorn's own ASGI worker": ("starlette", (*GUNICORN, "-k", "asgi", "side_by_side.app_starlette:make()")),
    "uvicorn with Django": (
        "django",
        ("-m", "uvicorn", "--factory", "side_by_side.app_django:make_asgi", "--port", "{port}"),
    ),
    "hypercorn with Django": (
        "django",
        ("-m", "hypercorn", "side_by_side.app_django:make_asgi()", "--bind", "127.0.0.1:{port}"),
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


RELOADED = """
from side_by_side.app_starlette import make
from starlette.responses import PlainTextResponse

app = make()
app.add_route("/version", lambda request: PlainTextResponse("VERSION"))
"""


def expected_of(framework):
    """The facts of the table, from another program."""
    found = {name: those for name, those in facts(framework, AUTO).items() if name in ASKED}
    for those in found.values():
        those["server: parent"] = "the caller"  # each request is told from the others by its trace
    return found


def spans_of(expected):
    return sum(name.endswith(": kind") for those in expected.values() for name in those)


def ask(server, first):
    """Ask for everything, in traces with the numbers from `first` on; the statuses."""
    responses = {}
    for number, name in enumerate(ASKED, first):
        asked = SITUATIONS[name]
        headers = {**asked.fields(), "traceparent": f"00-{number:032x}-{CALLER}-01"}
        target = asked.path + (f"?{asked.query}" if asked.query else "")
        responses[name] = str(server.get(target, headers)[0])
    return responses


def compare(expected, responses, spans, first):
    for number, name in enumerate(ASKED, first):
        now = facts_of(span for span in spans if span.trace_id == f"{number:032x}")
        kept = {key: value for key, value in {"response": responses[name], **now}.items() if key not in OF_THE_NETWORK}
        wanted = {key: value for key, value in expected[name].items() if key not in OF_THE_NETWORK}
        wanted["response"] = wanted["response"].partition(",")[0]
        assert kept == wanted, name


@pytest.mark.parametrize("runner", RUNNERS)
def test_a_real_server_has_the_spans_of_the_table(collector, tmp_path, runner):
    framework, command = RUNNERS[runner]
    expected = expected_of(framework)
    environ = clean(OTEL_EXPORTER_OTLP_ENDPOINT=collector.url, OTEL_BSP_SCHEDULE_DELAY="50", PYTHONPATH=str(SUPPORT))
    with serving((*CLI, "run", "--", sys.executable, *command), tmp_path, environ) as server:
        responses = ask(server, 1)
        collector.wait(lambda: len(collector.spans()) >= spans_of(expected))
    compare(expected, responses, collector.spans(), 1)


def test_a_server_that_reloads_has_the_spans_of_the_table_before_and_after(collector, tmp_path):
    def write(version):
        (tmp_path / "served.py").write_text(RELOADED.replace("VERSION", version))

    def of(first):
        return [span for span in collector.spans() if first <= int(span.trace_id, 16) < first + len(ASKED)]

    expected = expected_of("starlette")
    environ = clean(OTEL_EXPORTER_OTLP_ENDPOINT=collector.url, OTEL_BSP_SCHEDULE_DELAY="50", PYTHONPATH=str(SUPPORT))
    uvicorn = ("-m", "uvicorn", "served:app", "--port", "{port}", "--reload", "--reload-dir", str(tmp_path))
    write("first")
    with serving((*CLI, "run", "--", sys.executable, *uvicorn), tmp_path, environ) as server:
        server.wait_for("/version", b"first")
        before = ask(server, 1)
        time.sleep(0.3)  # the reloader compares times of change, and has to have seen the file as it was
        write("second")
        server.wait_for("/version", b"second")
        after = ask(server, 101)
        collector.wait(lambda: len(of(1)) + len(of(101)) >= 2 * spans_of(expected))
    compare(expected, before, of(1), 1)
    compare(expected, after, of(101), 101)
    (old,), (new,) = ({span.resource["process.pid"] for span in of(first)} for first in (1, 101))
    assert old != new
