"""Workers of every kind export: multiprocessing, reload, exec, pre-forking servers, with and without preload."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time

import pytest
from traced_programs import clean, serving
from tracing_collector import dead_port

NEVER_BY_SCHEDULE = "60000"


def to(collector):
    return clean(OTEL_EXPORTER_OTLP_ENDPOINT=collector.url, OTEL_BSP_SCHEDULE_DELAY=NEVER_BY_SCHEDULE)


def run(code, folder, environ, *arguments):
    (folder / "program.py").write_text(textwrap.dedent(code))
    command = [sys.executable, "program.py", *arguments]
    return subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True, timeout=60)


def names(collector):
    return sorted(span.name for span in collector.spans())


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_workers_of_multiprocessing_deliver_before_they_end(collector, tmp_path, method):
    code = """
        import multiprocessing, sys
        from concurrent.futures import ProcessPoolExecutor
        from devenv import tracing

        tracing.setup(service_name="workers")

        def work(name):
            with tracing.span(name):
                pass

        if __name__ == "__main__":
            context = multiprocessing.get_context(sys.argv[1])
            process = context.Process(target=work, args=("process",))
            process.start()
            process.join()
            pool = context.Pool(1)
            pool.map(work, ["pool"])
            pool.close()
            pool.join()
            with ProcessPoolExecutor(1, mp_context=context) as executor:
                executor.submit(work, "executor").result()
            work("parent")
    """
    done = run(code, tmp_path, to(collector), method)
    assert (done.returncode, done.stderr) == (0, "")
    assert names(collector) == ["executor", "parent", "pool", "process"]
    assert len({span.resource["process.pid"] for span in collector.spans()}) == 4
    assert len({span.resource["service.instance.id"] for span in collector.spans()}) == 4


@pytest.mark.parametrize("call", ["execv(sys.executable, words)", "execvpe(sys.executable, words, os.environ)"])
def test_exec_delivers_first_and_what_follows_exports_as_well(collector, tmp_path, call):
    code = f"""
        import os, sys
        from devenv import tracing
        tracing.setup(service_name="restarts")
        with tracing.span(sys.argv[1]):
            pass
        if sys.argv[1] == "before":
            words = [sys.executable, "program.py", "after"]
            os.{call}
    """
    done = run(code, tmp_path, to(collector), "before")
    assert (done.returncode, done.stderr) == (0, "")
    assert names(collector) == ["after", "before"]
    before, after = sorted(collector.spans(), key=lambda span: span.start_ns)
    assert before.resource["process.pid"] == after.resource["process.pid"]
    assert before.resource["service.instance.id"] != after.resource["service.instance.id"]


def test_exec_without_a_collector_is_not_held_up_for_long_and_says_what_is_lost(tmp_path):
    code = """
        import os, time
        from devenv import tracing
        tracing.setup(service_name="restarts")
        with tracing.span("lost"):
            pass
        print(time.time(), flush=True)
        os.execlp("date", "date", "+%s.%N")
    """
    done = run(code, tmp_path, clean(OTEL_EXPORTER_OTLP_ENDPOINT=dead_port()))
    before, after = map(float, done.stdout.split())
    assert after - before < 5
    assert "cannot export spans before exec" in done.stderr


def test_an_exec_that_fails_leaves_tracing_as_it_was(collector, tmp_path):
    code = """
        import os
        from devenv import tracing
        tracing.setup(service_name="restarts")
        for name in ("first", "second"):
            with tracing.span(name):
                pass
            try:
                os.execv("/no/such/program", ["x"])
            except FileNotFoundError:
                pass
    """
    assert run(code, tmp_path, to(collector)).returncode == 0
    assert names(collector) == ["first", "second"]


WSGI = """
    import os, sys
    from devenv import tracing

    def plain(environ, start_response):
        start_response("200 OK", [])
        return [str(os.getpid()).encode()]

    tracing.setup(service_name="web")
    with tracing.span("loaded"):
        pass
    app = tracing.WSGIMiddleware(plain)
"""


@pytest.mark.parametrize("preload", [True, False])
@pytest.mark.parametrize("worker", ["sync", "gthread"])
def test_every_worker_of_gunicorn_exports_and_its_stop_loses_nothing(collector, tmp_path, preload, worker):
    (tmp_path / "web.py").write_text(textwrap.dedent(WSGI))
    command = [sys.executable, "-m", "gunicorn", "web:app", "-b", "127.0.0.1:{port}", "-w", "2", "-k", worker]
    with serving([*command, "--preload"] if preload else command, tmp_path, to(collector)) as server:
        asked = server.pids("/x", 2)
        assert server.stop() == 0, server.log.read_text()
    requests = [span for span in collector.spans() if span.kind == "server"]
    assert len(requests) == asked
    assert len({span.resource["process.pid"] for span in requests}) == 2
    assert len({span.resource["service.instance.id"] for span in requests}) == 2
    # Loaded once by the parent, or by each worker; either way it arrives exactly as often as it happened.
    assert names(collector).count("loaded") == (1 if preload else 2)


def test_a_worker_that_gunicorn_starts_anew_exports(collector, tmp_path):
    (tmp_path / "web.py").write_text(textwrap.dedent(WSGI))
    command = [sys.executable, "-m", "gunicorn", "web:app", "-b", "127.0.0.1:{port}", "--preload"]
    with serving(command, tmp_path, to(collector)) as server:
        first = int(server.get("/x")[1])
        os.kill(first, signal.SIGTERM)
        server.pids("/x", 1)
        deadline = time.monotonic() + 20
        while int(server.get("/x")[1]) == first:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        server.stop()
    assert len({span.resource["process.pid"] for span in collector.spans() if span.kind == "server"}) == 2


ASGI = """
    import os
    from devenv import tracing
    tracing.setup(service_name="web")

    async def plain(scope, receive, send):
        if scope["type"] == "lifespan":
            while True:
                message = await receive()
                await send({"type": message["type"] + ".complete"})
                if message["type"] == "lifespan.shutdown":
                    return
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"VERSION"})

    app = tracing.TracingMiddleware(plain)
"""


def test_a_reload_loses_nothing_of_the_old_worker_and_the_new_one_exports(collector, tmp_path):
    def write(version):
        (tmp_path / "web.py").write_text(textwrap.dedent(ASGI).replace("VERSION", version))

    write("first")
    uvicorn = [sys.executable, "-m", "uvicorn", "web:app", "--port", "{port}", "--reload", "--reload-dir", "."]
    with serving(uvicorn, tmp_path, to(collector)) as server:
        assert server.get("/first") == (200, b"first")
        time.sleep(0.3)  # the reloader compares times of change, and has to have seen the file as it was
        write("second")
        server.wait_for("/until", b"second")
        assert server.get("/last") == (200, b"second")
        server.stop()
    by_path = {span.attributes["url.path"]: span.resource["process.pid"] for span in collector.spans()}
    assert {"/first", "/last"} <= set(by_path)
    assert by_path["/first"] != by_path["/last"]
