"""What `devenv up` puts into Python programs costs nothing before something is traced, and traces all of it then."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from devenv.orchestrate.instrumentation.python_library import python_library
from devenv.tracing.launch.deferred import can_wait

LIBRARY = python_library()
FOLDERS = os.pathsep.join(LIBRARY.folders)
SHOW = "import sys, json; print(json.dumps(sorted(sys.modules)))"
AT_START = {
    "__future__", "atexit", "importlib", "importlib._bootstrap", "importlib._bootstrap_external", "importlib.machinery",
    "warnings", "sitecustomize", "_devenv_archive", "_devenv_borrowed", "devenv", "devenv.tracing",
    "devenv.tracing.integrations", "devenv.tracing.integrations.on_import",
    "devenv.tracing.integrations.supported", "devenv.tracing.launch",
    "devenv.tracing.launch.deferred",
}  # fmt: skip
WHOLE = "devenv.tracing.runtime"


def run(program: str, *, traced: bool = True, own: str = "", site: str = "-s", **environ: str) -> str:
    """What a program prints in an interpreter without devenv; `own` is its own PYTHONPATH."""
    added = {"DEVENV_TRACING_LIBRARIES": f">=3.9:{FOLDERS}", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9"}
    entries = [LIBRARY.startup, own] if traced else [own]
    environment = {"PYTHONPATH": os.pathsep.join(filter(None, entries)), **(added if traced else {}), **environ}
    command = [sys._base_executable, site, "-c", program]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, cwd="/")
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def modules(program: str = "", **options: str) -> set[str]:
    return set(json.loads(run(f"{program}\n{SHOW}", **options)))


def test_the_start_of_a_program_imports_almost_nothing() -> None:
    show = "import os, sys; print(*sys.modules)"  # -S: what is installed beside Python may import more when it starts
    bare = set(run(show, traced=False, site="-S").split())
    assert set(run(f"import sitecustomize; {show}", site="-S").split()) - bare <= AT_START


def test_what_is_common_and_not_traced_by_itself_sets_nothing_up() -> None:
    assert WHOLE not in modules("import argparse, json, logging, threading, concurrent.futures, urllib.parse")


@pytest.mark.parametrize("first", ["sqlite3", "urllib.request", "opentelemetry.trace", "opentelemetry.baggage"])
def test_the_first_use_sets_tracing_up(first: str) -> None:
    program = f"import {first}, sys; from devenv.tracing.active import state; print(state.tracing.provisional)"
    assert run(program) == "True\n"
    assert WHOLE in modules(f"import {first}")


def test_the_libraries_that_waited_for_it_are_traced_with_it() -> None:
    program = """
import logging, threading
start = threading.Thread.start
import sqlite3
print(threading.Thread.start is not start, hasattr(logging.makeLogRecord({}), "trace_id"))
"""
    assert run(program) == "True True\n"


def test_a_library_that_imports_a_traced_one_is_traced_when_it_is_complete(tmp_path: Path) -> None:
    (tmp_path / "aiosqlite").mkdir()
    (tmp_path / "aiosqlite" / "__init__.py").write_text("")
    (tmp_path / "aiosqlite" / "core.py").write_text(
        "import sqlite3, sys\nprint('devenv.tracing.runtime' in sys.modules)\n"
        "class Connection:\n    def _execute(self): ..."
    )
    program = "import aiosqlite.core as c; print(c.Connection._execute.__module__)"
    assert run(program, own=str(tmp_path)) == "True\ndevenv.tracing.integrations.aiosqlite\n"


@pytest.mark.parametrize("looked_for", [False, True])
def test_the_programs_opentelemetry_is_the_one_that_is_set_up(*, looked_for: bool) -> None:
    look = "import importlib.util; importlib.util.find_spec('opentelemetry.trace')" if looked_for else ""
    program = f"""
import importlib
{look}
import opentelemetry.trace as api
import opentelemetry
from devenv.tracing.process import global_api
print(global_api.trace is api is opentelemetry.trace, importlib.reload(api) is api)
"""
    assert run(program) == "True True\n"


def test_what_is_collected_from_the_start_is_set_up_at_the_start() -> None:
    program = f"{SHOW}\nimport os; sys.stdout.flush(); os._exit(0)"  # without an export at the exit
    assert WHOLE in set(json.loads(run(program, OTEL_METRICS_EXPORTER="otlp")))
    assert can_wait({"OTEL_METRICS_EXPORTER": "none", "OTEL_LOGS_EXPORTER": "", "OTEL_SERVICE_NAME": "web"})
    assert not can_wait({"OTEL_LOGS_EXPORTER": "otlp"})
    for name in ("OTEL_CONFIG_FILE", "OTEL_EXPERIMENTAL_CONFIG_FILE", "DEVENV_TRACING_CONFIG"):
        assert not can_wait({name: "/config.yaml"})


def test_spans_of_an_exit_function_that_was_registered_before_are_exported() -> None:
    program = """
import atexit, sys
sys.stderr = sys.stdout
def last():
    from devenv.tracing import span
    with span("at the exit"):
        pass
atexit.register(last)
import sqlite3
"""
    assert '"name":"at the exit"' in run(program, OTEL_TRACES_EXPORTER="console")


def test_a_wrong_setting_is_said_at_the_first_use_and_the_import_succeeds() -> None:
    program = "import sys; sys.stderr = sys.stdout; import sqlite3; print(sqlite3.__name__)"
    said = run(program, OTEL_TRACES_SAMPLER="sometimes")
    assert "OTEL_TRACES_SAMPLER" in said
    assert said.endswith("sqlite3\n")
