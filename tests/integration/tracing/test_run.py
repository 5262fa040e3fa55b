"""`devenv run`: existing programs, unchanged, whose traces arrive under the right service name."""

from __future__ import annotations

import json
import os
import pty
import re
import shutil
import signal
import subprocess
import sys
import textwrap
import time
import venv
from pathlib import Path

import pytest
from traced_programs import CLI, clean, serving
from tracing_collector import dead_port

from devenv.model.identity import identify

RUN = (*CLI, "run", "--")
LOST = "traces may be lost until one does (hint: run `devenv up`)"
LIGHT = (sys.executable, "-m", "devenv.tracing", "--")


@pytest.fixture
def project(tmp_path):
    folder = tmp_path / "orders"
    folder.mkdir()
    return folder


def write(folder: Path, name: str, text: str) -> None:
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(textwrap.dedent(text))


def arrived(collector, count, kind="server"):
    """The spans of a kind once there are so many."""

    def found():
        return [span for span in collector.spans() if span.kind == kind]

    collector.wait(lambda: len(found()) >= count)
    assert len(found()) == count
    return found()


def services(spans):
    return {span.resource["service.name"] for span in spans}


def to(collector, **more):
    return clean(OTEL_EXPORTER_OTLP_ENDPOINT=collector.url, **more)


def run(command, folder, environ, **options):
    return subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True, timeout=60, **options)


@pytest.mark.parametrize("launcher", [RUN, LIGHT])
def test_flask(collector, project, launcher):
    app = """
        from flask import Flask
        app = Flask(__name__)
        @app.get("/items/<int:number>")
        def item(number):
            return str(1 // number)
    """
    write(project, "app.py", app)
    flask = (sys.executable, "-m", "flask", "run", "--port", "{port}")
    with serving((*launcher, *flask), project, to(collector)) as server:
        assert server.get("/items/1") == (200, b"1")
        assert server.get("/items/0")[0] == 500
        spans = arrived(collector, 2)
    assert [span.name for span in spans] == ["GET /items/<int:number>"] * 2
    assert [span.status for span in spans] == ["unset", "error"]
    assert services(spans) == {"orders"}


def test_a_plain_http_server_that_calls_another_with_requests(collector, project, upstream):
    program = """
        import sys
        from http.server import BaseHTTPRequestHandler, HTTPServer
        import requests

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                text = requests.get(sys.argv[1]).content
                self.send_response(200)
                self.end_headers()
                self.wfile.write(text)

        HTTPServer(("127.0.0.1", int(sys.argv[2])), Handler).serve_forever()
    """
    write(project, "relay.py", program)
    command = (*RUN, sys.executable, "relay.py", upstream.url, "{port}")
    with serving(command, project, to(collector)) as server:
        assert server.get("/") == (200, b"ok")
        (span,) = arrived(collector, 1, "client")
    assert (span.name, services([span])) == ("GET", {"relay"})
    assert span.trace_id in upstream.got[0]["traceparent"]


STARLETTE = """
    import os
    from starlette.applications import Starlette
    from starlette.responses import PlainTextResponse
    from starlette.routing import Route

    async def show(request):
        return PlainTextResponse(str(os.getpid()))

    app = Starlette(routes=[Route("/shown/{number:int}", show)])
"""


def test_starlette_under_uvicorn_with_workers(collector, project):
    write(project, "shop/app.py", STARLETTE)
    uvicorn = ("-m", "uvicorn", "shop.app:app", "--port", "{port}", "--workers", "2")
    with serving((*RUN, sys.executable, *uvicorn), project, to(collector)) as server:
        asked = server.pids("/shown/1", 2)
        spans = arrived(collector, asked)
        server.stop()
    assert {span.name for span in spans} == {"GET /shown/{number}"}
    assert services(spans) == {"shop"}
    assert len({span.resource["process.pid"] for span in spans}) == 2
    assert len({span.resource["service.instance.id"] for span in spans}) == 2


def test_starlette_under_uvicorn_with_reload(collector, project):
    write(project, "shop/app.py", STARLETTE)
    uvicorn = ("-m", "uvicorn", "shop.app:app", "--port", "{port}", "--reload", "--reload-dir", "shop")
    with serving((*RUN, sys.executable, *uvicorn), project, to(collector)) as server:
        old = server.get("/shown/1")[1]
        arrived(collector, 1)
        time.sleep(0.3)  # the reloader compares times of change, and has to have seen the file as it was
        write(project, "shop/app.py", STARLETTE.replace("str(os.getpid())", "'new ' + str(os.getpid())"))
        asked = 1
        deadline = time.monotonic() + 30
        while (new := server.get("/shown/1")[1]) == old:
            asked += 1
            assert time.monotonic() < deadline, server.log.read_text()
            time.sleep(0.1)
        assert new.startswith(b"new ")
        spans = arrived(collector, asked + 1)
    assert spans[-1].resource["process.pid"] == int(new.split()[1])
    assert services(spans) == {"shop"}


def test_leaving_out_a_library(collector, project, upstream):
    write(project, "call.py", "import sys, requests, sqlite3\nrequests.get(sys.argv[1])\n")
    command = (*CLI, "run", "--leave-out", "requests", "--", sys.executable, "call.py", upstream.url)
    assert run(command, project, to(collector)).returncode == 0
    assert "traceparent" not in upstream.got[0]
    assert collector.spans() == []


def test_terminal_signals_streams_and_exit_code_are_the_programs_own(project):
    environ = clean(OTEL_TRACES_EXPORTER="none")
    code = "import os, sys; print(os.getpid(), sys.argv[1:], sys.stdin.read()); sys.exit(7)"
    command = (*RUN, sys.executable, "-c", code, "--json", "-q", "--", "a b")
    process = subprocess.Popen(command, cwd=project, env=environ, stdin=-1, stdout=-1, stderr=-1, text=True)
    out, err = process.communicate("typed", timeout=30)
    assert (out, err, process.returncode) == (f"{process.pid} ['--json', '-q', '--', 'a b'] typed\n", "", 7)
    process = subprocess.Popen((*RUN, "sleep", "60"), cwd=project, env=environ)
    while b"sleep" not in Path(f"/proc/{process.pid}/cmdline").read_bytes().split(b"\0")[0]:
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    assert process.wait(10) == -signal.SIGINT
    # A program that is not Python's has the signals as they were before Python came.
    ignored = run((*RUN, "grep", "SigIgn", "/proc/self/status"), project, environ).stdout
    assert int(ignored.split()[1], 16) & 1 << (signal.SIGPIPE - 1) == 0


def test_a_terminal_stays_one(project):
    main, other = pty.openpty()
    command = (*RUN, sys.executable, "-c", "import os; print(os.isatty(0), os.isatty(1), os.isatty(2))")
    environ = clean(OTEL_TRACES_EXPORTER="none")
    subprocess.run(command, cwd=project, env=environ, stdin=other, stdout=other, stderr=other, timeout=30, check=True)
    assert os.read(main, 100).split() == [b"True"] * 3
    os.close(main)
    os.close(other)


@pytest.mark.parametrize("launcher", [RUN, LIGHT])
def test_one_line_says_that_nothing_answers_and_the_program_runs(project, launcher):
    url = dead_port()
    done = run((*launcher, "echo", "it runs"), project, clean(OTEL_EXPORTER_OTLP_ENDPOINT=url))
    assert (done.returncode, done.stdout) == (0, "it runs\n")
    assert done.stderr == f"devenv: no OTLP receiver responds at {url}/v1/traces; {LOST}\n"


@pytest.mark.parametrize("launcher", [RUN, LIGHT])
def test_a_command_that_is_not_there_is_a_usage_error(project, launcher):
    done = run((*launcher, "no-such-program"), project, clean())
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.splitlines()[0] == "devenv: command 'no-such-program' not found: not on the PATH"
    assert done.stderr.splitlines()[1].startswith("  hint: ")


@pytest.mark.parametrize("launcher", [(*CLI, "run"), LIGHT[:-1]])
def test_a_wrong_configuration_is_named_by_line_and_nothing_runs(project, launcher):
    write(project, "config.yaml", "tracing:\n  sampler: {ratio: 2}\n")
    done = run((*launcher, "--config", "config.yaml", "--", "echo", "ran"), project, clean())
    assert (done.returncode, done.stdout) == (2, "")
    assert re.match(r"devenv: \S*config\.yaml:2:20: ", done.stderr), done.stderr


@pytest.mark.parametrize("launcher", [RUN, LIGHT])
def test_the_backend_of_the_project_that_is_up_here_is_found(collector, project, launcher):
    (project / ".devenv").mkdir()
    record = {
        "id": identify(project, "orders").id,
        "name": "orders",
        "stack": "orders",
        "engine": "process",
        "otlp_http_url": collector.url,
    }
    write(project, ".devenv/project.json", json.dumps(record))
    code = "import sqlite3; sqlite3.connect(':memory:').execute('SELECT 1')"
    done = run((*launcher, sys.executable, "-c", code), project, clean())
    assert (done.returncode, done.stderr) == (0, "")
    (span,) = arrived(collector, 1, "client")
    assert services([span]) == {"orders"}


def test_a_stale_record_keeps_nobody_waiting(project):
    (project / ".devenv").mkdir()
    url = dead_port()
    record = {
        "id": identify(project, "orders").id,
        "name": "orders",
        "stack": "orders",
        "engine": "process",
        "otlp_http_url": url,
    }
    write(project, ".devenv/project.json", json.dumps(record))
    done = run((*RUN, "echo", "it runs"), project, clean())
    assert done.stdout == "it runs\n"
    assert done.stderr == f"devenv: no OTLP receiver responds at {url}; {LOST}\n"


@pytest.fixture(scope="module")
def bare_python(tmp_path_factory):
    """An interpreter of the same version with no packages at all."""
    folder = tmp_path_factory.mktemp("bare")
    venv.create(folder, with_pip=False)
    return folder / "bin" / "python"


CALL = """
    import importlib.util, sys, urllib.request, sqlite3
    sqlite3.connect(":memory:").execute("SELECT 1")
    print([name for name in ("typer", "numpy", "uvloop", "aiohttp") if importlib.util.find_spec(name)], sys.prefix)
"""


@pytest.mark.parametrize("provider", ["light", "sdk"])
def test_an_interpreter_without_devenv_borrows_it_and_sees_nothing_else_of_it(
    collector, project, bare_python, provider
):
    write(project, "call.py", CALL)
    done = run((*RUN, bare_python, "call.py"), project, to(collector, DEVENV_TRACING_PROVIDER=provider))
    assert (done.stdout, done.stderr) == (f"[] {bare_python.parents[1]}\n", "")
    (span,) = arrived(collector, 1, "client")
    assert (span.name, services([span])) == ("SELECT", {"call"})
    assert span.resource["telemetry.distro.version"] != "unknown"


def test_the_programs_own_packages_win(collector, project, bare_python):
    """Also if they share a name with devenv's packages: a namespace, or the other tool that is called devenv."""
    packages = next((bare_python.parents[1] / "lib").glob("python*")) / "site-packages"
    write(packages, "devenv/__init__.py", "OWN = True\n")
    write(packages, "opentelemetry/mine.py", "OWN = True\n")
    try:
        check = "import devenv, opentelemetry.mine\nprint(devenv.OWN, opentelemetry.mine.OWN)\n"
        write(project, "call.py", textwrap.dedent(CALL) + check)
        done = run((*RUN, bare_python, "call.py"), project, to(collector))
        assert done.stdout.endswith("\nTrue True\n"), done.stderr
    finally:
        shutil.rmtree(packages / "devenv")
        shutil.rmtree(packages / "opentelemetry")
    arrived(collector, 1, "client")


def test_an_interpreter_of_another_version_says_what_to_install_where(project, bare_python):
    from devenv.tracing.launch.program import LIBRARIES, environment

    given = environment(clean())
    given[LIBRARIES] = os.pathsep.join(["3.99", *given[LIBRARIES].split(os.pathsep)[1:]])
    write(project, "call.py", CALL)
    done = run((bare_python, "call.py"), project, given)
    assert done.stdout.startswith("[] ")
    (line,) = done.stderr.splitlines()
    assert "devenv's own packages are for Python 3.99" in line
    assert line.endswith(f"run `{bare_python} -m pip install devenv-otel`")
