"""An OpenTelemetry API that is written for newer Pythons than the program's: adapted as it is loaded, or said why not.

tests/integration/tracing/launch/test_put_in.py loads the real API on the Python 3.9 of the machine, if it has one.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

STARTUP = Path(__file__).parents[4] / "devenv" / "tracing" / "startup"

# What Python 3.9 lacks, in the ways that OpenTelemetry's API uses it.
MODULE = '''
"""A docstring."""
from __future__ import annotations

from importlib.metadata import EntryPoints, entry_points as original, version
from types import MappingProxyType, NoneType
from typing import Any, TypeAlias, Written

from . import part

Value: TypeAlias = str | list[int] | "Later" | None
FLAGS = 1 | 4

def shown(value: Value | int, kind: type[Any] | None = None) -> str | None:
    return str(FLAGS)
'''
PROGRAM = """
import sys, types, typing
sys.path.append({startup!r})
from types import ModuleType
extensions = ModuleType("typing_extensions")
extensions.Written = "from the extensions"
sys.modules["typing_extensions"] = extensions
sys.flags  # the interpreter's own modules are left as they are
before = set(vars(types)) | set(vars(typing))
from _devenv_older import adapt
failure = adapt([{folder!r}])
assert set(vars(types)) | set(vars(typing)) == before
if failure:
    print(failure)
    assert not [name for name in sys.modules if name.startswith("opentelemetry")]
    assert not [finder for finder in sys.meta_path if type(finder).__module__ == "_devenv_older"]
else:
    import opentelemetry.trace as api
    print(api.__doc__, api.shown(1), api.Written)
    assert api.NoneType is type(None) and isinstance(api.original(), api.EntryPoints)
    print(api.original(group="none of this name"), repr(api.Value).replace("typing.", ""))
"""


def adapted(folder: Path, module: str) -> list[str]:
    package = folder / "opentelemetry" / "trace"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text(module)
    (package / "part.py").write_text("")
    program = PROGRAM.format(startup=str(STARTUP), folder=str(folder))
    program = program.replace("from _devenv", f"sys.path.append({str(folder)!r}); from _devenv")
    command = [sys.executable, "-S", "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, env={"PYTHONDONTWRITEBYTECODE": "1"})
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.splitlines()


def test_what_an_older_python_lacks_is_replaced_in_the_api_alone(tmp_path: Path) -> None:
    first, second = adapted(tmp_path, MODULE)
    assert first == "A docstring. 5 from the extensions"
    assert second.startswith("()")
    assert "int" in second


@pytest.mark.parametrize(
    ("module", "failure"),
    [
        ("import nothing_of_this_name", "ModuleNotFoundError"),
        ("not a module", "SyntaxError"),
        ("from typing import NothingOfThisName", "AttributeError"),
        ("raise RuntimeError('too new')", "RuntimeError: too new"),
    ],
)
def test_an_api_that_cannot_be_adapted_leaves_nothing_behind(tmp_path: Path, module: str, failure: str) -> None:
    (line,) = adapted(tmp_path, module)
    assert line.startswith(failure)


def test_the_program_is_told_what_to_do(tmp_path: Path) -> None:
    package = tmp_path / "opentelemetry"
    package.mkdir()
    (package / "trace.py").write_text("raise RuntimeError('too new')")
    environ = {"PYTHONPATH": str(STARTUP), "DEVENV_TRACING_LIBRARIES": f">=99.0:{tmp_path}"}
    command = [sys.executable, "-S", "-c", "import sitecustomize; print('runs')"]  # -S: without installed packages
    done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (0, "runs\n")
    assert done.stderr.count("\n") == 1
    assert "RuntimeError: too new" in done.stderr
    assert "add `opentelemetry-api` to its own packages" in done.stderr


def test_a_program_with_too_old_an_api_is_told_so_in_one_line(tmp_path: Path) -> None:
    package = tmp_path / "opentelemetry"
    package.mkdir()
    (package / "trace.py").write_text("class TracerProvider: pass")
    root = STARTUP.parents[2]
    environ = {"PYTHONPATH": f"{STARTUP}:{tmp_path}:{root}", "DEVENV_TRACING_LIBRARIES": f">=3.9:{root}"}
    command = [sys.executable, "-S", "-c", "import sitecustomize, sqlite3; print('runs')"]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (0, "runs\n")
    assert done.stderr.count("\n") == 1, done.stderr
    assert "needs opentelemetry-api 1.9 or later" in done.stderr
