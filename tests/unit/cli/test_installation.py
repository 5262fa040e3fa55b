"""Which distribution runs, from where, and a stranger's `devenv` beside it."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from devenv import __main__, __version__
from devenv.app.environment import doctor
from devenv.cli.main import run
from devenv.installation import ROOT, find_installation


def distribution(folder: Path, entry: str, **direct_url: object) -> Path:
    """Make the folder that an installer leaves in the environment's packages."""
    info = folder / entry
    info.mkdir(parents=True)
    if direct_url:
        (info / "direct_url.json").write_text(json.dumps(direct_url))
    return info


def editable(folder: Path, checkout: Path, version: str = "0.1.0", *, really: bool = True) -> None:
    url = checkout.resolve().as_uri()
    distribution(folder, f"devenv_otel-{version}.dist-info", dir_info={"editable": really}, url=url)


def test_a_wheel_lies_beside_its_metadata(tmp_path):
    distribution(tmp_path, "devenv_otel-1.2.dist-info")
    found = find_installation([str(tmp_path)], str(tmp_path))
    assert (found.version, found.origin, found.folder) == ("1.2", "wheel", str(tmp_path))
    assert str(found) == f"devenv-otel 1.2, wheel in {tmp_path}"
    assert (found.warning, found.hint) == ("", "")


@pytest.mark.parametrize("name", ["checkout", "a folder, ümlaut & 100%"])
def test_an_editable_installation_names_its_checkout(tmp_path, name):
    checkout = tmp_path / name
    checkout.mkdir()
    editable(tmp_path / "site", checkout)
    found = find_installation([str(tmp_path / "site")], str(checkout))
    assert str(found) == f"devenv-otel 0.1.0, editable checkout {checkout}"


def test_metadata_of_another_installation_is_not_taken_for_ours(tmp_path):
    checkout = tmp_path / "checkout"
    (tmp_path / "other").mkdir()
    distribution(
        tmp_path / "a", "devenv_otel-1.dist-info"
    )  # a wheel in an environment that this code does not come from
    editable(tmp_path / "b", tmp_path / "other")
    editable(tmp_path / "c", checkout, really=False)
    distribution(tmp_path / "d", "devenv_otel-2.dist-info", url="file:///")
    distribution(tmp_path / "e", "devenv_otel-3.dist-info").joinpath("direct_url.json").write_text('"editable": true')
    path = [str(tmp_path / each) for each in ("a", "b", "c", "d", "e", "missing")]
    found = find_installation(path, str(checkout))
    assert (found.version, found.origin) == (None, "checkout")
    assert str(found) == f"checkout {checkout}, not installed"
    assert found.version_line == f"devenv {__version__} (checkout {checkout}, not installed)"


@pytest.mark.parametrize(
    ("entry", "version"),
    [
        ("devenv-0.3.1.dist-info", "0.3.1"),
        ("Devenv-0.3.1.dist-info", "0.3.1"),
        ("devenv-0.3.1-py3.11.egg-info", "0.3.1"),
        ("devenv.egg-info", "unknown version"),
    ],
)
def test_a_strangers_devenv_is_warned_of(tmp_path, entry, version):
    distribution(tmp_path, "devenv_otel-1.2.dist-info")
    distribution(tmp_path, entry)
    found = find_installation([str(tmp_path), str(tmp_path)], str(tmp_path))
    assert found.others == (f"{version} in {tmp_path}",)
    assert found.warning.endswith(f": {version} in {tmp_path}")
    assert found.hint == "run `pip uninstall devenv`, then install devenv-otel again"


def test_names_that_only_begin_alike_are_no_strangers(tmp_path):
    for entry in ("devenv_tools-1.dist-info", "devenv-1.whl", "devenv", "devenvy-1.dist-info"):
        distribution(tmp_path, entry)
    assert find_installation([str(tmp_path)], str(tmp_path)).others == ()


@pytest.fixture
def stranger(tmp_path, monkeypatch) -> str:
    distribution(tmp_path, "devenv-0.3.1.dist-info")
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path)])
    return f"0.3.1 in {tmp_path}"


def test_version_prints_one_line_and_warns_on_stderr(capsys, monkeypatch, stranger):
    monkeypatch.setattr(sys, "argv", ["devenv", "--version"])
    assert __main__.main() == 0
    direct = capsys.readouterr()
    assert run(["--plain", "--version"]) == 0
    assert capsys.readouterr() == direct
    assert direct.out == f"{find_installation().version_line}\n"
    assert direct.out.startswith(f"devenv {__version__} (")
    assert ROOT in direct.out
    warning, hint = direct.err.splitlines()
    assert warning.startswith("devenv: another distribution named devenv")
    assert stranger in warning
    assert hint.startswith("  hint: run `pip uninstall devenv`")


def test_doctor_shows_the_distribution_and_warns(stranger, monkeypatch):
    check = doctor._distribution()
    assert (check.name, check.verdict) == ("distribution", "warning")
    assert stranger in check.found
    assert "pip uninstall devenv" in check.hint
    monkeypatch.setattr(sys, "path", sys.path[:-1])
    check = doctor._distribution()
    assert (check.verdict, check.found, check.hint) == ("ok", str(find_installation()), "")
