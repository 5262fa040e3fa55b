"""The tracing library in one file with byte code: what Python imports from it, and whose file in the cache is used."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from devenv.orchestrate.instrumentation import library_archive as archive
from devenv.orchestrate.instrumentation.python_library import python_library

OWN_SITECUSTOMIZE = """
import sys
compiled = []
def note(event, arguments):
    if event == "compile" and arguments[0] is not None:
        compiled.append(str(arguments[1]))
sys.addaudithook(note)
sys.compiled = compiled
"""
LOOK = """
import inspect, importlib, json
import devenv.tracing.errors as module, opentelemetry, yaml
source = inspect.getsource(module)
print(json.dumps([[source == module.__spec__.loader.get_source(), importlib.reload(module) is module,
                   len(yaml.__path__), getattr(opentelemetry, "__file__", None)], module.__file__]))
"""
PROGRAM = """
import sys, json
import sqlite3
import devenv.tracing, opentelemetry.trace
print(json.dumps([[name for name in sys.compiled if "python/" in name], opentelemetry.trace.__file__]))
"""


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("put") / "python"
    for name, file in python_library().tree.files:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(file if isinstance(file, bytes) else file.read_bytes())
    return folder


def run(tree: Path, own: Path, program: str = PROGRAM) -> tuple[list[Any], str]:
    own.mkdir(exist_ok=True)
    (own / "sitecustomize.py").write_text(OWN_SITECUSTOMIZE)
    environ = {
        "PYTHONPATH": f"{tree}/devenv/tracing/startup:{own}",
        "DEVENV_TRACING_LIBRARIES": f">=3.9:{tree}/library.zip:{tree}",
        "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    command = [sys._base_executable, "-s", "-c", program]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=60, cwd="/")
    assert (done.returncode, done.stderr) == (0, "")
    compiled, place = json.loads(done.stdout)
    return compiled, place


def test_an_interpreter_of_this_version_compiles_nothing(tree: Path, tmp_path: Path) -> None:
    compiled, place = run(tree, tmp_path / "own")
    assert compiled == []
    assert place.startswith(f"{tree}/library.zip/opentelemetry/trace/")


def test_one_that_does_not_take_the_byte_code_compiles_the_source(tree: Path, tmp_path: Path) -> None:
    other = tmp_path / "python"
    for name, file in python_library().tree.files:
        (other / name).parent.mkdir(parents=True, exist_ok=True)
        content = file if isinstance(file, bytes) else file.read_bytes()
        (other / name).write_bytes(content.replace(archive.MAGIC_NUMBER, b"\0\0\r\n"))  # of no version
    # The check sums of what was replaced are wrong now; Python does not look at them.
    compiled, place = run(other, tmp_path / "own")
    assert f"{other}/library.zip/devenv/tracing/runtime.py" in compiled
    assert place.startswith(f"{other}/library.zip/opentelemetry/trace/")


def test_its_modules_look_like_those_of_a_folder(tree: Path, tmp_path: Path) -> None:
    found, place = run(tree, tmp_path / "own", LOOK)
    assert found == [True, True, 1, None]
    assert place == f"{tree}/library.zip/devenv/tracing/errors.py"


def test_a_start_leaves_the_files_as_they_are(tree: Path, tmp_path: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in tree.rglob("*")}
    run(tree, tmp_path / "own")
    assert {path: path.stat().st_mtime_ns for path in tree.rglob("*")} == before


def test_no_path_of_this_machine_is_in_the_archive() -> None:
    content = dict(python_library().tree.files)["library.zip"]
    assert isinstance(content, bytes)
    with zipfile.ZipFile(io.BytesIO(content)) as found:
        compiled = [found.read(name) for name in found.namelist() if name.startswith("devenv.tracing.runtime.cpython")]
    assert len(compiled) == 1
    assert b"/.devenv/python/library.zip/devenv/tracing/runtime.py" in compiled[0]
    assert os.fsencode(Path(archive.__file__).parents[3]) not in compiled[0]


@pytest.fixture
def module(tmp_path: Path) -> Mapping[str, Path]:
    path = tmp_path / "module.py"
    path.write_text("x = 1\n")
    return {"module.py": path}


def made(module: Mapping[str, Path], cache: Path) -> bytes:
    return archive.library_archive(module, "d" * 64, "/there", {"XDG_CACHE_HOME": str(cache)})


def kept(cache: Path) -> Path:
    return cache / "devenv" / "python" / f"{'d' * 32}.zip"


def test_it_is_made_once_and_kept_for_this_user_alone(module: Mapping[str, Path], tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    first = made(module, cache)
    assert kept(cache).read_bytes() == first
    assert (kept(cache).stat().st_mode & 0o777, kept(cache).parent.stat().st_mode & 0o777) == (0o600, 0o700)
    module["module.py"].unlink()
    assert made(module, cache) == first


@pytest.mark.parametrize("which", ["file", "folder", "owner"])
def test_what_somebody_else_could_have_written_is_not_used(
    which: str, module: Mapping[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = tmp_path / "cache"
    good = made(module, cache)
    with zipfile.ZipFile(kept(cache), "w") as planted:
        planted.writestr("module.py", "planted")
    assert made(module, cache) != good  # the file of this user is taken as it is
    if which == "owner":
        monkeypatch.setattr(os, "geteuid", lambda: Path("/").stat().st_uid + 4711)
    else:
        (kept(cache) if which == "file" else kept(cache).parent).chmod(0o722)
    assert made(module, cache) == good
    assert which != "file" or kept(cache).stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("content", [b"", b"PK half a file"])
def test_a_broken_file_is_made_again(content: bytes, module: Mapping[str, Path], tmp_path: Path) -> None:
    good = made(module, tmp_path / "cache")
    kept(tmp_path / "cache").write_bytes(content)
    assert made(module, tmp_path / "cache") == good
    assert kept(tmp_path / "cache").read_bytes() == good


def test_without_a_cache_it_is_made_each_time(module: Mapping[str, Path], tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("in the way")
    assert zipfile.ZipFile(io.BytesIO(made(module, tmp_path / "cache"))).namelist() == [
        "module.py",
        f"module.{sys.implementation.cache_tag}.pyc",
    ]


def test_files_that_nothing_has_written_for_long_are_removed(module: Mapping[str, Path], tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    made(module, cache)
    old, recent = kept(cache).with_name("old.zip"), kept(cache).with_name("recent.zip")
    for path, age in ((old, 40 * 24 * 3600), (recent, 3600)):
        path.write_bytes(b"")
        os.utime(path, (path.stat().st_mtime - age,) * 2)
    kept(cache).unlink()
    made(module, cache)
    assert (old.exists(), recent.exists()) == (False, True)
