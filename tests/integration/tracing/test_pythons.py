"""The wheel on every Python that this machine has: the library's own tests, and what the command says.

Interpreters are those on PATH and pyenv's; one of each version. On a machine without others,
`tests/unit/repository/test_pythons.py` still holds the library to the grammar of the oldest.
"""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from traced_programs import clean

TESTS = Path(__file__).parents[2]
RUNNING = f"{sys.version_info[0]}.{sys.version_info[1]}"
VERSIONS = ("3.9", "3.10", "3.11", "3.12", "3.13", "3.14")
UNREACHABLE = re.compile(r"from versions: none|Connection|Temporary failure|timed out|Max retries", re.IGNORECASE)
# They need a framework or a server, which are in the development environment only, or measure time.
LEFT_OUT = ("starlette", "fastapi", "aiohttp", "every_worker_of_a_server", "gunicorn", "a_reload_loses", "held_up")
# What the tests beside those of the units need: processes, and programs that go to extremes.
FURTHER = ("test_processes.py", "test_workers.py", "test_extremes.py")
WANTED = ("pytest>=8.2", "pytest-asyncio>=0.24", "pytest-timeout>=2.3", "gevent>=24.2", "eventlet>=0.36")
AS_WHEELS = "--only-binary=gevent,greenlet"  # a build takes minutes
INSTALLED = {"devenv", "google", "opentelemetry", "pytest", "yaml", *sys.stdlib_module_names}
INI = """
[pytest]
asyncio_mode = auto
asyncio_default_fixture_loop_scope = function
timeout = 120
addopts = --import-mode=importlib -p no:cacheprovider
pythonpath = {support}
markers =
    slow: takes a second
"""


def interpreters() -> dict[str, str]:
    """One program of each version."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"), "versions")
    found = {}
    for version in VERSIONS:
        of_pyenv = sorted(pyenv.glob(f"{version}.*/bin/python{version}"))
        program = str(of_pyenv[-1]) if of_pyenv else shutil.which(f"python{version}")
        if program and subprocess.run([program, "-c", "import venv"], capture_output=True, timeout=20).returncode == 0:
            found[version] = program
    # The running one is for all other tests. It is used here only if there is no other, so that nothing is skipped.
    return {version: path for version, path in found.items() if version != RUNNING} or {RUNNING: sys.executable}


FOUND = interpreters()


def lacking(module: Path) -> set[str]:
    """Packages that a test module imports at its top, and that do not come with the wheel."""
    names = set()
    for node in ast.parse(module.read_text()).body:
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add((node.module or "").partition(".")[0])
    return names - INSTALLED - {path.stem for path in (TESTS / "support").iterdir()}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    built = subprocess.run(build, cwd=TESTS.parent, capture_output=True, text=True, timeout=120)
    assert built.returncode == 0, built.stderr
    return next(folder.glob("*.whl"))


@pytest.fixture(params=sorted(FOUND, key=lambda version: int(version.partition(".")[2])))
def python(request, wheel, tmp_path) -> Path:
    """An interpreter in a new environment with the wheel and pytest."""
    place = tmp_path / "venv"
    subprocess.run([FOUND[request.param], "-m", "venv", "--without-pip", place], check=True, timeout=60)
    found = place / "bin" / "python"
    pip = [sys.executable, "-m", "pip", "--python", str(found), "--disable-pip-version-check", "install", "-q"]
    done = subprocess.run(
        [*pip, "--retries", "1", AS_WHEELS, str(wheel), *WANTED],
        env=clean(),
        capture_output=True,
        text=True,
        timeout=280,
    )
    if done.returncode != 0:
        if UNREACHABLE.search(done.stderr):
            pytest.skip(f"the package registry is not reached: {done.stderr.strip()}")
        pytest.fail(done.stderr, pytrace=False)
    return found


# The newest SDK for Python 3.9 has no random flag and no maps as attributes; what `provider: sdk` does depends on it.
OF_THIS_YEAR = "from opentelemetry.sdk.trace.id_generator import IdGenerator; IdGenerator.is_trace_id_random"
SPEAKS = """
    import asyncio, threading, sys
    from devenv import tracing
    from devenv.tracing.testing import recording

    async def work():
        with tracing.span("in a task"):
            await asyncio.sleep(0)

    async def main():
        with tracing.span("outer"):
            await asyncio.gather(tracing.create_task(work()), tracing.run_in_thread(inside))

    def inside():
        with tracing.span("in a thread"):
            pass

    with recording() as rec:
        asyncio.run(main())
        spans = {span.name: span for span in rec.spans()}
        assert spans["in a task"].parent_id == spans["in a thread"].parent_id == spans["outer"].span_id
    assert "devenv.model" not in sys.modules
"""


@pytest.mark.timeout(600)
def test_the_library_passes_its_tests(python, tmp_path):
    def run(*words: str, **environ: str) -> subprocess.CompletedProcess[str]:
        command = [str(python), *words]
        return subprocess.run(command, cwd=tmp_path, env=clean(**environ), capture_output=True, text=True, timeout=340)

    said = run("-c", textwrap.dedent(SPEAKS))
    assert (said.returncode, said.stderr) == (0, "")

    for program in (["-m", "devenv"], [str(python.parent / "devenv")]):
        said = run(*program, "up")
        assert (said.returncode, said.stdout) == (3, "")
        (line,) = said.stderr.splitlines()
        assert "3.11 or later" in line or "pip install 'devenv-otel[cli]'" in line

    config = tmp_path / "pytest.ini"
    config.write_text(INI.format(support=TESTS / "support"))
    folder = TESTS / "unit" / "tracing"
    further = [TESTS / "integration" / "tracing" / name for name in FURTHER]
    assert [path.name for path in further if lacking(path)] == []
    tests = [str(path) for path in (*sorted(folder.glob("test_*.py")), *further) if not lacking(path)]
    assert len(tests) > 10
    left_out = [*LEFT_OUT, *(["sdk"] if run("-c", OF_THIS_YEAR).returncode else [])]
    options = ["-q", "-c", str(config), "--rootdir", str(TESTS), "--confcutdir", str(folder)]
    result = run("-m", "pytest", *options, "-k", f"not ({' or '.join(left_out)})", *tests)
    assert result.returncode == 0, result.stdout[-6000:] + result.stderr
    assert re.search(r"([5-9]|\d\d)\d\d passed", result.stdout), result.stdout[-500:]
