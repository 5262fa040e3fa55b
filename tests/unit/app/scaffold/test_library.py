"""The library's wheel for projects: valid, the same bytes each time, and no other file is changed."""

from __future__ import annotations

import base64
import csv
import hashlib
import os
import shutil
import zipfile
from pathlib import Path

import pytest

from devenv import __version__
from devenv.app import distribution
from devenv.app.scaffold import library
from devenv.app.scaffold.library import build_library, library_changes, vendored
from devenv.errors import EnvironmentFailure

NAME = f"devenv_otel-{__version__}-py3-none-any.whl"
INFO = f"devenv_otel-{__version__}.dist-info"


def vendor_library(project: Path) -> Path:
    wheel, changes = library_changes(project)
    changes.make()
    return wheel


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> zipfile.ZipFile:
    return zipfile.ZipFile(vendor_library(tmp_path_factory.mktemp("project")))


@pytest.fixture
def copied(tmp_path, monkeypatch) -> Path:
    """The package in another directory, as another user would have it: other times, other leftovers."""
    package = tmp_path / "elsewhere" / "devenv"
    root = distribution.PACKAGE.parent
    shutil.copytree(root / "devenv", package, copy_function=shutil.copy)
    for name in ("pyproject.toml", "LICENSE"):
        shutil.copy(root / name, package.parent)
    for module in (distribution, library):
        monkeypatch.setattr(module, "PACKAGE", package)
    return package


def test_the_wheel_holds_the_library_and_nothing_of_the_tool(wheel):
    names = set(wheel.namelist())
    assert {"devenv/__init__.py", "devenv/__main__.py", "devenv/py.typed", "devenv/tracing/__init__.py"} <= names
    assert "devenv/tracing/startup/sitecustomize.py" in names
    others = {name for name in names if not name.startswith(("devenv/tracing/", f"{INFO}/"))}
    assert others == {"devenv/__init__.py", "devenv/__main__.py", "devenv/installation.py", "devenv/py.typed"}
    assert not [name for name in names if name.endswith(".pyc") or "__pycache__" in name]


def test_record_names_every_file_with_its_hash(wheel):
    rows = list(csv.reader(wheel.read(f"{INFO}/RECORD").decode().splitlines()))
    assert [row[0] for row in rows if not row[1]] == [f"{INFO}/RECORD"]
    assert sorted(row[0] for row in rows) == sorted(wheel.namelist())
    for name, digest, size in rows[:-1]:
        content = wheel.read(name)
        found = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
        assert (digest, int(size)) == (f"sha256={found}", len(content))


def test_metadata_is_that_of_the_project_without_the_tools_extras(wheel):
    lines = wheel.read(f"{INFO}/METADATA").decode().splitlines()
    assert f"Version: {__version__}" in lines
    assert "Requires-Dist: opentelemetry-sdk>=1.27" in lines
    assert "Requires-Dist: uvloop>=0.19; (sys_platform != 'win32') and extra == 'sample'" in lines
    extras = {line.removeprefix("Provides-Extra: ") for line in lines if line.startswith("Provides-Extra")}
    assert "sample" in extras
    assert not extras & {"cli", "dev"}


def test_checkout_and_installed_metadata_say_the_same():
    """Fails where an editable installation is older than pyproject.toml: `make .venv/.dev` renews it."""
    assert distribution.read_distribution() == distribution._from_metadata()


def test_the_bytes_depend_on_the_library_alone(copied):
    first = build_library()
    for number, path in enumerate(sorted(copied.rglob("*"))):
        os.utime(path, (1_000_000 + number, 2_000_000 + number))
        if path.is_file():
            path.chmod(0o600)
    (copied / "tracing" / "__pycache__").mkdir(exist_ok=True)
    (copied / "tracing" / "__pycache__" / "spans.cpython-399.pyc").write_bytes(b"x")
    (copied / "tracing" / ".spans.py.swp").write_bytes(b"x")
    assert build_library() == first
    (copied / "tracing" / "spans.py").write_text("changed = True\n")
    assert build_library() != first


def test_pyproject_goes_before_what_an_old_installation_wrote_down(copied):
    path = copied.parent / "pyproject.toml"
    path.write_text(path.read_text().replace('"pyyaml>=6.0"', '"pyyaml>=6.5"'))
    assert "pyyaml>=6.5" in distribution.read_distribution().requires


def test_somebody_elses_pyproject_beside_the_package_is_not_read(copied):
    (copied.parent / "pyproject.toml").write_text('[project]\nname = "shop"\n')
    assert distribution.read_distribution() == distribution._from_metadata()


def test_metadata_of_another_version_is_refused(monkeypatch, copied):
    (copied.parent / "pyproject.toml").unlink()
    monkeypatch.setattr(distribution, "__version__", "9.9")
    with pytest.raises(EnvironmentFailure, match=r"9\.9") as caught:
        distribution.read_distribution()
    assert "devenv-otel[cli]" in caught.value.hint


def test_an_unchanged_wheel_is_not_written_again(tmp_path):
    path = vendor_library(tmp_path)
    os.utime(path, (1, 1))
    assert vendor_library(tmp_path) == path
    assert path.stat().st_mtime == 1


def test_an_older_version_goes_and_what_is_not_ours_stays(tmp_path):
    folder = tmp_path / "vendor"
    folder.mkdir()
    kept = {
        *("devenv_otel-tools-1.0-py3-none-any.whl", "devenv_otel-0.0.9-cp311-none-any.whl", "other-1-py3-none-any.whl"),
        *("devenv-0.0.9-py3-none-any.whl", "a.txt"),  # the first: the library under its former name
    }
    for name in {*kept, "devenv_otel-0.0.9-py3-none-any.whl"}:
        (folder / name).write_text("x")
    (folder / "devenv_otel-0.0.8-py3-none-any.whl").mkdir()
    path = vendor_library(tmp_path)
    assert path.name == NAME
    assert {each.name for each in folder.iterdir()} == {*kept, NAME, "devenv_otel-0.0.8-py3-none-any.whl"}
    assert vendored(tmp_path) == (path,)


def test_what_cannot_be_written_is_an_error_and_leaves_nothing(tmp_path):
    (tmp_path / "vendor").write_text("a file")
    with pytest.raises(EnvironmentFailure, match=r"cannot write .*vendor"):
        vendor_library(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["vendor"]
