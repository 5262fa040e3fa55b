"""Programs that go to extremes: many threads and spans, deep nesting, greenlets, threads that outlive the main one.

Each runs in its own process, ends without an exception, and delivers or counts every span. The same tests run on
every Python of the machine, by `test_pythons.py`.
"""

from __future__ import annotations

import subprocess
import sys
import textwrap
from importlib.util import find_spec

import pytest
from traced_programs import clean

# Prints what has become of the spans, when none waits any more.
COUNTS = """
def count(active):
    while active.stats().queued:
        active.force_flush(60)
    found = active.stats()
    print(found.exported, found.dropped, found.failed)
"""
ROOMY = {"OTEL_BSP_MAX_QUEUE_SIZE": "20000", "DEVENV_TRACING_TRACE_SPANS": "0"}


def run(code, collector, *arguments, **environ):
    """What a program prints, on stdout and on stderr; it must end well."""
    program = [sys.executable, "-c", COUNTS + textwrap.dedent(code), *arguments]
    given = clean(OTEL_EXPORTER_OTLP_ENDPOINT=collector.url, **environ)
    done = subprocess.run(program, env=given, capture_output=True, text=True, timeout=110)
    assert done.returncode == 0, done.stderr
    return done.stdout, done.stderr


def test_ten_thousand_threads(collector):
    code = """
        import threading
        from devenv import tracing
        active = tracing.auto(service_name="threads")

        def work(number):
            with tracing.span(f"thread {number}"):
                pass

        with tracing.span("main"):
            for first in range(0, 10_000, 100):
                threads = [threading.Thread(target=work, args=(first + number,)) for number in range(100)]
                for thread in threads:
                    thread.start()
                for thread in threads:
                    thread.join()
        count(active)
    """
    assert run(code, collector, **ROOMY) == ("10001 0 0\n", "")
    spans = collector.spans()
    (main,) = [span for span in spans if span.name == "main"]
    assert len({span.name for span in spans}) == len(spans) == 10_001
    assert {span.parent_id for span in spans if span is not main} == {main.span_id}


@pytest.mark.parametrize("provider", ["light", "sdk"])
def test_five_thousand_nested_spans(collector, provider):
    code = """
        import contextlib
        from devenv import tracing
        active = tracing.setup(service_name="nested")
        with contextlib.ExitStack() as stack:
            for number in range(5_000):
                stack.enter_context(tracing.span(f"span {number}"))
        assert tracing.current_ids() == ("", "")
        count(active)
    """
    found = run(code, collector, **ROOMY, DEVENV_TRACING_PROVIDER=provider)
    assert found == ("5000 0 0\n", "")
    by_name = {span.name: span for span in collector.spans()}
    assert len(by_name) == 5_000
    for number in range(1, 5_000):
        assert by_name[f"span {number}"].parent_id == by_name[f"span {number - 1}"].span_id


def test_a_million_spans_in_bounded_memory_are_exported_or_counted(collector):
    code = """
        import resource
        from devenv import tracing
        active = tracing.setup(service_name="many")

        def make(number):
            for _ in range(number):
                with tracing.span("one", attributes={"n": number}):
                    pass
            return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

        warm = make(100_000)
        grown = make(900_000) - warm
        count(active)
        print(grown)
    """
    out, err = run(code, collector)
    counts, grown = out.splitlines()
    exported, dropped, failed = map(int, counts.split())
    assert (exported + dropped, failed) == (1_000_000, 0)
    assert sum(1 for _ in collector.spans()) == exported
    assert int(grown) < 16 * 1024 * (1024 if sys.platform == "darwin" else 1)  # KiB, on macOS bytes
    said = [line for line in err.splitlines() if "dropped" not in line]
    assert (said, bool(err)) == ([], dropped > 0)


def test_threads_and_exit_functions_that_outlive_the_main_thread(collector):
    code = """
        import atexit, threading
        from devenv import tracing

        def work(name):
            with tracing.span(name):
                pass

        def late():
            threading.main_thread().join()
            for number in range(100):
                work(f"late {number}")

        def forever():
            while True:
                work("daemon")

        atexit.register(work, "exit, registered first")
        tracing.setup(service_name="late")
        atexit.register(work, "exit, registered last")
        threading.Thread(target=late).start()
        threading.Thread(target=forever, daemon=True).start()
    """
    _, err = run(code, collector, OTEL_BSP_SCHEDULE_DELAY="60000")
    names = {span.name for span in collector.spans()} - {"daemon"}
    assert [line for line in err.splitlines() if "dropped" not in line and "not exported" not in line] == []
    assert {f"late {number}" for number in range(100)} | {"exit, registered last"} <= names or "dropped" in err


GREENLETS = {
    "gevent": (
        "from gevent import monkey; monkey.patch_all()",
        "import gevent; spawn = gevent.spawn; pause = gevent.sleep",
    ),
    "eventlet": ("import eventlet; eventlet.monkey_patch()", "spawn = eventlet.spawn; pause = eventlet.sleep"),
}


@pytest.mark.parametrize("library", GREENLETS)
def test_greenlets_have_contexts_of_their_own_and_deliver(collector, library):
    if find_spec(library) is None:
        pytest.skip(f"{library} is not installed")
    patch, spawn = GREENLETS[library]
    code = f"""
        {patch}
        {spawn}
        from devenv import tracing
        active = tracing.auto(service_name="greenlets")

        def work(number):
            with tracing.span(f"outer {{number}}"):
                pause(0)
                with tracing.span(f"inner {{number}}"):
                    pause(0.001)
            assert tracing.current_ids() == ("", "")

        for greenlet in [spawn(work, number) for number in range(500)]:
            getattr(greenlet, "get", getattr(greenlet, "wait", None))()
        count(active)
    """
    out, err = run(code, collector, **ROOMY)
    assert (out, [line for line in err.splitlines() if "devenv" in line or "Error" in line]) == ("1000 0 0\n", [])
    by_name = {span.name: span for span in collector.spans()}
    for number in range(500):
        assert by_name[f"inner {number}"].parent_id == by_name[f"outer {number}"].span_id
        assert not by_name[f"outer {number}"].parent_id
