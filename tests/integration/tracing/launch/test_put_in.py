"""The library as `up` puts it into containers, on every Python that this machine has: traced."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from tracing_collector import Collector

from devenv.orchestrate.instrumentation.injection import Surroundings, python_injection
from devenv.orchestrate.instrumentation.python_library import python_library

VERSIONS = ("3.9", "3.10", "3.11", "3.12", "3.13")
PROGRAM = """
import sqlite3
sqlite3.connect(":memory:").execute("select 1")
print("runs")
"""


def interpreters() -> dict[str, str]:
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"), "versions")
    found = {}
    for version in VERSIONS:
        of_pyenv = sorted(pyenv.glob(f"{version}.*/bin/python{version}"))
        if program := str(of_pyenv[-1]) if of_pyenv else shutil.which(f"python{version}"):
            found[version] = program
    return found or {f"{sys.version_info[0]}.{sys.version_info[1]}": sys.executable}


FOUND = interpreters()


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("python")
    for name, file in python_library().tree.files:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(file if isinstance(file, bytes) else file.read_bytes())
    return folder


@pytest.fixture
def collector() -> Iterator[Collector]:
    made = Collector().start()
    yield made
    made.stop()


def traced(tree: Path, version: str, collector: Collector, *path: Path) -> None:
    environ = {
        "PYTHONPATH": ":".join([f"{tree}/devenv/tracing/startup", *map(str, path)]),
        "DEVENV_TRACING_LIBRARIES": f">={python_library().oldest}:{tree}/library.zip:{tree}",
    }
    traced_with(environ, version, collector)


def traced_with(environ: Mapping[str, str], version: str, collector: Collector) -> None:
    common = {
        "PYTHONDONTWRITEBYTECODE": "1",
        "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url,
        "OTEL_SERVICE_NAME": "web",
    }
    command = [FOUND[version], "-s", "-c", PROGRAM]
    done = subprocess.run(command, env={**common, **environ}, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (0, "runs\n"), done.stderr
    assert done.stderr == ""
    assert collector.spans()


@pytest.mark.parametrize("version", FOUND)
def test_a_program_without_opentelemetry_is_traced(tree: Path, version: str, collector: Collector) -> None:
    traced(tree, version, collector)


@pytest.mark.parametrize("version", FOUND)
def test_a_process_is_traced_by_the_library_beside_devenv(version: str, collector: Collector) -> None:
    injection = python_injection(Surroundings(own={}, processes=True), python_library())
    traced_with(injection.environment, version, collector)


@pytest.mark.parametrize("version", [version for version in FOUND if version != "3.9"])
def test_a_program_with_an_opentelemetry_api_of_its_own_is_traced(
    tree: Path, version: str, collector: Collector, tmp_path: Path
) -> None:
    with zipfile.ZipFile(tree / "library.zip") as library:
        for name in library.namelist():
            if name.startswith(("opentelemetry.", "typing_extensions.")) and name.endswith(".py"):
                path = tmp_path / f"{name.removesuffix('.py').replace('.', '/')}.py"
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(library.read(name))
    traced(tree, version, collector, tmp_path)


@pytest.mark.parametrize(
    "missing", ["_ssl", "zlib", "_bz2", "_lzma", "_ctypes", "_hashlib", "_multiprocessing", "_uuid", "_decimal"]
)
def test_a_python_that_is_built_without_a_module_is_traced(
    tree: Path, missing: str, collector: Collector, tmp_path: Path
) -> None:
    (tmp_path / f"{missing}.py").write_text("raise ImportError('not built')")
    version = next(iter(FOUND))
    traced(tree, version, collector, tmp_path)


WORKERS = """
import multiprocessing, sys
def work(number):
    import sqlite3
    sqlite3.connect(":memory:").execute(f"select {number} as worker")
if __name__ == "__main__":
    context = multiprocessing.get_context(sys.argv[1])
    processes = [context.Process(target=work, args=(number,)) for number in (1, 2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    print([process.exitcode for process in processes], "sqlite3" in sys.modules)
"""


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_workers_in_which_tracing_is_first_used_deliver_before_they_end(
    tree: Path, collector: Collector, tmp_path: Path, method: str
) -> None:
    (tmp_path / "program.py").write_text(WORKERS)
    environ = {
        "PYTHONPATH": f"{tree}/devenv/tracing/startup",
        "DEVENV_TRACING_LIBRARIES": f">={python_library().oldest}:{tree}/library.zip:{tree}",
        "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url,
        "OTEL_BSP_SCHEDULE_DELAY": "60000",  # what is delivered is delivered at the end
        "OTEL_SERVICE_NAME": "worker",
    }
    command = [sys._base_executable, "-s", str(tmp_path / "program.py"), method]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.stderr) == ("[0, 0] False\n", "")
    assert len([span for span in collector.spans() if span.name.startswith("select")]) == 2
