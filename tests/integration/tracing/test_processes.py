"""Set-up and export over the life of real processes: end, fork, workers of a server."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time

import pytest
from tracing_collector import dead_port

from devenv.tracing import ConfigError, setup
from devenv.tracing.active import state
from devenv.tracing.configuration.resolution import resolve
from devenv.tracing.runtime import Tracing


def run(code, environ, *, wait=True):
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code)], env={**os.environ, **environ}, stdout=subprocess.PIPE, text=True
    )
    if wait:
        out, _ = process.communicate(timeout=30)
        assert process.returncode == 0
        return out
    return process


def test_a_process_that_ends_delivers_first(collector):
    code = """
        from devenv import tracing
        tracing.setup(service_name="short")
        with tracing.span("only"):
            pass
    """
    run(code, {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url})
    (span,) = collector.spans()
    assert (span.name, span.resource["service.name"]) == ("only", "short")


def test_a_process_ends_in_time_without_a_collector():
    code = """
        from devenv import tracing
        tracing.setup(service_name="short")
        with tracing.span("only"):
            pass
    """
    started = time.monotonic()
    run(code, {"OTEL_EXPORTER_OTLP_ENDPOINT": dead_port()})
    assert time.monotonic() - started < 5


@pytest.mark.parametrize("provider", ["light", "sdk"])
def test_forked_children_export_as_instances_of_their_own(collector, provider):
    code = """
        import os
        from devenv import tracing
        active = tracing.setup(service_name="pre-fork")
        with tracing.span("parent before"):
            pass
        for number in range(2):
            pid = os.fork()
            if pid == 0:
                with tracing.span(f"child {number}"):
                    pass
                ok = active.force_flush(10) and active.stats().exported == 1
                os._exit(0 if ok else 1)
            assert os.waitpid(pid, 0)[1] == 0
        with tracing.span("parent after"):
            pass
    """
    run(code, {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, "DEVENV_TRACING_PROVIDER": provider})
    spans = {span.name: span for span in collector.spans()}
    assert sorted(spans) == ["child 0", "child 1", "parent after", "parent before"]
    assert len(collector.spans()) == 4
    instances = {name: span.resource["service.instance.id"] for name, span in spans.items()}
    assert len(set(instances.values())) == 3
    assert instances["parent before"] == instances["parent after"]
    assert len({span.resource["process.pid"] for span in spans.values()}) == 3


def test_a_configured_instance_is_told_apart_in_workers(collector):
    code = """
        import os
        from devenv import tracing
        active = tracing.setup(service_name="s")
        if os.fork() == 0:
            with tracing.span("child"):
                pass
            active.force_flush(10)
            os._exit(0)
        os.wait()
        with tracing.span("parent"):
            pass
    """
    run(code, {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, "OTEL_RESOURCE_ATTRIBUTES": "service.instance.id=web-1"})
    instances = {span.name: span.resource["service.instance.id"] for span in collector.spans()}
    assert instances["parent"] == "web-1"
    assert instances["child"].startswith("web-1-")


APP = """
import os

from devenv import tracing

tracing.setup(service_name="web")

async def handler(scope, receive, send):
    if scope["type"] == "lifespan":
        while True:
            message = await receive()
            await send({"type": message["type"] + ".complete"})
            if message["type"] == "lifespan.shutdown":
                return
    with tracing.span("business"):
        await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": str(os.getpid()).encode()})

app = tracing.TracingMiddleware(handler)
"""


def ask(port, count, workers):
    """At least `count` requests, and until each worker has answered; how many were answered."""
    import http.client

    answered, pids = 0, set()
    deadline = time.monotonic() + 20
    while (answered < count or len(pids) < workers) and time.monotonic() < deadline:
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
            connection.request("GET", "/x")
            pids.add(connection.getresponse().read())
            answered += 1
            connection.close()
        except OSError:
            time.sleep(0.05)
    assert len(pids) == workers
    return answered


@pytest.mark.parametrize("workers", [1, 2])
def test_every_worker_of_a_server_exports_and_sigterm_loses_nothing(collector, tmp_path, workers):
    (tmp_path / "webapp.py").write_text(APP)
    port = int(dead_port().rpartition(":")[2])
    environ = {**os.environ, "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, "OTEL_BSP_SCHEDULE_DELAY": "60000"}
    command = [sys.executable, "-m", "uvicorn", "webapp:app", "--port", str(port), "--log-level", "warning"]
    process = subprocess.Popen([*command, "--workers", str(workers)], env=environ, cwd=tmp_path)
    try:
        sent = ask(port, 60, workers)
        process.send_signal(signal.SIGTERM)
        process.wait(20)
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
    spans = collector.spans()
    assert sent >= 60
    assert len([span for span in spans if span.name == "business"]) == sent
    assert len({span.resource["service.instance.id"] for span in spans}) == workers


def test_setup_is_idempotent_until_shutdown_and_installs_the_globals(collector, tmp_path):
    from opentelemetry import propagate, trace

    assert state.tracing is None
    config = tmp_path / "config.yaml"
    config.write_text(f"tracing:\n  service_name: mine\n  exporter: {{endpoint: '{collector.url}/v1/traces'}}\n")
    first = setup(config, environ={})
    try:
        assert setup(service_name="other") is first
        assert trace.get_tracer_provider() is first.provider
        assert propagate.get_global_textmap() is first.propagator
        with trace.get_tracer("third.party").start_as_current_span("theirs"):
            headers: dict[str, str] = {}
            propagate.inject(headers)
        assert "traceparent" in headers
    finally:
        assert first.shutdown(5)
    assert [span.scope for span in collector.spans()] == ["third.party"]
    second = setup({"service_name": "second"}, environ={"OTEL_TRACES_EXPORTER": "none"})
    try:
        assert second is not first
        assert trace.get_tracer_provider() is second.provider
    finally:
        second.shutdown(1)


def test_wrong_config_sets_nothing_up(tmp_path):
    config = tmp_path / "config.yaml"
    config.write_text("tracing:\n  sampler: {ratio: 2}\n")
    with pytest.raises(ConfigError, match=r"config\.yaml:2:20"):
        setup(config, environ={})
    assert state.tracing is None


def test_console_exporter(capsys):
    tracing = Tracing(resolve({"exporter": {"type": "console"}, "service_name": "s"}, environ={}))
    for _ in range(2):
        tracing.tracer("t").start_span("s").end()
    assert tracing.shutdown(5)
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2
    assert '"name":"s"' in lines[0]
