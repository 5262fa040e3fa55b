"""A program that is traced from outside installs its own provider, or sets `devenv.tracing` up itself."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[4]
STARTUP = ROOT / "devenv" / "tracing" / "startup"

OWN_PROVIDER = """
import sys
from opentelemetry import trace
early = trace.get_tracer("early")
with early.start_as_current_span("before") as span:
    print("before", span.is_recording())
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import ConsoleSpanExporter, SimpleSpanProcessor
own = TracerProvider()
exporter = ConsoleSpanExporter(out=sys.stdout, formatter=lambda span: f"own {span.name}\\n")
own.add_span_processor(SimpleSpanProcessor(exporter))
trace.set_tracer_provider(own)
print("installed", trace.get_tracer_provider() is own)
early.start_span("early").end()
trace.get_tracer("later").start_span("later").end()
import sqlite3
sqlite3.connect(":memory:").execute("select 1")
"""

OWN_SETUP = """
from devenv.tracing import setup
tracing = setup({"tracing": {"service_name": "theirs"}})
print(tracing.service_name, setup() is tracing)
"""


def run(program: str, *, libraries: str = f">=3.9:{ROOT}") -> tuple[list[str], str]:
    environ = {
        "PYTHONPATH": f"{STARTUP}:{ROOT}",
        "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9",
        "DEVENV_TRACING_LIBRARIES": libraries,
    }
    done = subprocess.run([sys.executable, "-c", program], env=environ, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines(), done.stderr


def test_the_programs_own_provider_takes_the_place_of_ours() -> None:
    lines, errors = run(OWN_PROVIDER)
    assert lines == ["before True", "installed True", "own early", "own later", "own select"]
    assert "Overriding" not in errors
    assert "the program has installed a tracer provider" in errors


def test_the_programs_own_setup_takes_the_place_of_ours() -> None:
    lines, _ = run(OWN_SETUP)
    assert lines == ["theirs True"]


@pytest.mark.parametrize("libraries", [">=99.0:/nowhere", ">=99.0", "", "2.7:/nowhere"])
def test_a_library_that_cannot_be_used_leaves_the_program_alone(libraries: str) -> None:
    program = "print('runs')"
    environ = {"PYTHONPATH": str(STARTUP), "DEVENV_TRACING_LIBRARIES": libraries}
    command = [sys.executable, "-S", "-c", f"import sitecustomize; {program}"]  # -S: without installed packages
    done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (0, "runs\n")
    assert done.stderr.count("\n") == 1
    assert "the program is not traced" in done.stderr
