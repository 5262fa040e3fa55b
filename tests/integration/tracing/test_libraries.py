"""Threads, logging, `auto` and what an import costs."""

from __future__ import annotations

import io
import logging
import os
import subprocess
import sys
import textwrap
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from devenv import tracing
from devenv.tracing.integrations import log_records, threads


def test_threads_and_executors(rec, patched):
    def work(name):
        with tracing.span(name):
            pass

    with tracing.span("own"), tracing.TracedExecutor(1) as pool:
        pool.submit(work, "traced executor").result()
    threads.instrument()
    with tracing.span("caller"):
        with ThreadPoolExecutor(1) as pool:
            pool.submit(work, "executor").result()
        thread = threading.Thread(target=work, args=("thread",))
        thread.start()
        thread.join()
    assert rec.span("traced executor").parent_id == rec.span("own").span_id
    assert rec.span("executor").parent_id == rec.span("thread").parent_id == rec.span("caller").span_id


def test_log_records_and_lines(rec, patched):
    before = logging.getLogRecordFactory()
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logging.Formatter("%(levelname)s %(message)s"))
    log = logging.getLogger("test_log_records")
    log.propagate = False
    log.addHandler(handler)
    try:
        log_records.instrument_lines()
        log_records.instrument_lines()
        log.warning("outside")
        with tracing.span("s") as span:
            log.warning("inside %s", 1)
            try:
                raise ValueError("x")
            except ValueError:
                log.exception("failed")
            context = span.get_span_context()
        record = logging.getLogger("x").makeRecord("x", 20, "f", 1, "m", (), None)
        assert (record.trace_id, record.trace_sampled, record.service_name) == ("", False, "lib")
    finally:
        logging.setLogRecordFactory(before)
    ids = f"trace_id={context.trace_id:032x} span_id={context.span_id:016x}"
    lines = stream.getvalue().splitlines()
    assert lines[:2] == ["WARNING outside", f"WARNING inside 1 {ids}"]
    assert lines[2] == f"ERROR failed {ids}"
    assert lines[-1] == "ValueError: x"


def run(code, tmp_path, **environ):
    result = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        env={**os.environ, "OTEL_TRACES_EXPORTER": "console", **environ},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert result.returncode == 0, result.stderr
    return result


def test_auto_traces_what_the_program_imports_and_imports_nothing_itself(tmp_path, upstream):
    code = f"""
        import sys
        from devenv import tracing
        tracing.auto(service_name="auto", leave_out=["sqlalchemy"])
        assert not {{"aiohttp", "httpx", "requests", "flask", "starlette", "redis", "sqlalchemy"}} & set(sys.modules)
        import logging, sqlite3
        logging.basicConfig(stream=sys.stdout, format="%(message)s")
        import httpx
        import asyncio
        from starlette.applications import Starlette
        from starlette.responses import PlainTextResponse
        from starlette.routing import Route

        async def endpoint(request):
            logging.warning("working")
            sqlite3.connect(":memory:").execute("SELECT 1")
            async with httpx.AsyncClient() as client:
                await client.get("{upstream.url}")
            return PlainTextResponse("ok")

        app = Starlette(routes=[Route("/do", endpoint)])

        async def main():
            async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://app") as client:
                assert (await client.get("/do")).status_code == 200

        asyncio.run(main())
        import sqlalchemy
        from sqlalchemy import event
        assert not sqlalchemy.create_engine("sqlite://").dispatch.before_cursor_execute
    """
    result = run(code, tmp_path)
    for name in ('"name":"GET /do"', '"name":"SELECT"', '"name":"GET"'):
        assert name in result.stderr
    trace_id = upstream.got[0]["traceparent"].split("-")[1]
    assert f"working trace_id={trace_id}" in result.stdout
    assert result.stderr.count(trace_id) >= 3


def test_what_is_only_looked_for_is_traced_when_it_is_imported(tmp_path):
    code = """
        import sys
        from importlib.util import find_spec
        from devenv import tracing
        tracing.auto(service_name="auto")
        assert find_spec("requests") and find_spec("sqlite3")
        assert not {"requests", "sqlite3"} & set(sys.modules)
        import sqlite3
        assert sqlite3.__spec__.loader.get_filename()
        sqlite3.connect(":memory:").execute("SELECT 1")
    """
    assert '"name":"SELECT"' in run(code, tmp_path).stderr


def test_auto_survives_a_library_that_it_does_not_know(tmp_path):
    (tmp_path / "redis.py").write_text("Redis = None\n")
    code = """
        from devenv import tracing
        tracing.auto(service_name="auto")
        import redis
        assert redis.Redis is None
        import flask, uvicorn, aiohttp.web, requests
        assert flask.__spec__.loader.get_filename()
    """
    assert "cannot trace redis" in run(code, tmp_path).stderr


def test_import_is_light(tmp_path):
    code = """
        import sys
        import devenv.tracing
        assert not [name for name in sys.modules if name.startswith(("opentelemetry", "yaml", "aiohttp"))]
        tracing = devenv.tracing
        tracing.setup(service_name="s", environ={"OTEL_TRACES_EXPORTER": "none"})
        with tracing.span("x"):
            pass
        heavy = {"opentelemetry.sdk", "requests", "google.protobuf", "pydantic", "httpx", "aiohttp", "asyncio.events"}
        assert not heavy - {"asyncio.events"} & set(sys.modules), heavy & set(sys.modules)
    """
    run(code, tmp_path)


def test_every_public_name_is_there():
    for name in tracing.__all__:
        assert getattr(tracing, name) is not None
    assert set(tracing._WHERE) == set(tracing.__all__)
    with pytest.raises(AttributeError):
        _ = tracing.nothing


def test_a_program_is_traced_without_a_change_of_its_code(tmp_path, upstream):
    from devenv.tracing.launch.program import environment

    (tmp_path / "sitecustomize.py").write_text("import builtins\nbuiltins.own_customization = True\n")
    (tmp_path / "config.yaml").write_text("tracing:\n  service_name: ignored\n  exporter: {type: console}\n")
    program = tmp_path / "program.py"
    program.write_text(f"import httpx\nprint(own_customization, httpx.get('{upstream.url}').status_code)\n")
    given = {**os.environ, "PYTHONPATH": str(tmp_path), "OTEL_TRACES_EXPORTER": ""}
    twice = environment(environment(given, service_name="run"), config=tmp_path / "config.yaml")
    assert twice["PYTHONPATH"].count("startup") == 1
    result = subprocess.run([sys.executable, program], env=twice, capture_output=True, text=True, timeout=60)
    assert (result.returncode, result.stdout) == (0, "True 200\n"), result.stderr
    assert '"name":"GET"' in result.stderr
    assert "traceparent" in upstream.got[0]
    (tmp_path / "config.yaml").write_text("tracing:\n  nonsense: 1\n")
    result = subprocess.run([sys.executable, program], env=twice, capture_output=True, text=True, timeout=60)
    assert (result.returncode, result.stdout) == (0, "True 200\n")
    assert "config.yaml:2:3" in result.stderr
