"""State of another's making is not trusted: a `.devenv` that is a link or another user's, a record of a clone."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from devenv.app.record import Record, read_record, write_record
from devenv.disk import check_state_directory, make_state_directory
from devenv.engine.process import ProcessEngine
from devenv.errors import EnvironmentFailure
from devenv.model.identity import identify
from devenv.tracing.launch.program import recorded_endpoint

root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a directory to another user")


def record(directory: Path, **fields: object) -> Record:
    values = {"id": identify(directory, "shop").id, "name": "shop", "stack": "shop", "engine": "docker"}
    return Record(**{**values, **fields})  # type: ignore[arg-type]


def test_a_directory_that_others_can_read_is_put_right(tmp_path: Path) -> None:
    (tmp_path / ".devenv").mkdir(mode=0o755)
    (tmp_path / ".devenv").chmod(0o775)
    make_state_directory(tmp_path / ".devenv")
    assert (tmp_path / ".devenv").stat().st_mode & 0o777 == 0o700


def test_a_link_is_neither_read_nor_written_through(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    project = tmp_path / "project"
    project.mkdir()
    write_record(elsewhere.parent, record(elsewhere.parent))
    (project / ".devenv").symlink_to(elsewhere)
    for use in (
        lambda: make_state_directory(project / ".devenv"),
        lambda: read_record(project),
        lambda: write_record(project, record(project)),
    ):
        with pytest.raises(EnvironmentFailure, match=r"\.devenv is a symbolic link"):
            use()
    assert list(elsewhere.iterdir()) == []


def test_a_dangling_link_and_a_file_are_told(tmp_path: Path) -> None:
    (tmp_path / ".devenv").symlink_to(tmp_path / "nowhere")
    with pytest.raises(EnvironmentFailure, match="is a symbolic link"):
        make_state_directory(tmp_path / ".devenv")
    (tmp_path / ".devenv").unlink()
    (tmp_path / ".devenv").write_text("")
    with pytest.raises(EnvironmentFailure, match="a file with this name exists"):
        make_state_directory(tmp_path / ".devenv")


@pytest.mark.parametrize("name", ["project.json", "daemon.log", "lock", "logs", "runs"])
def test_a_link_inside_it_is_refused(tmp_path: Path, name: str) -> None:
    """Git stores links: a clone could let devenv write over a file of the user."""
    victim = tmp_path / "victim"
    victim.write_text("mine")
    (tmp_path / ".devenv").mkdir()
    (tmp_path / ".devenv" / name).symlink_to(victim)
    with pytest.raises(EnvironmentFailure, match=f"{name} is a symbolic link"):
        write_record(tmp_path, record(tmp_path))
    assert victim.read_text() == "mine"


@root
async def test_a_directory_of_another_user_is_refused(tmp_path: Path) -> None:
    write_record(tmp_path, record(tmp_path, otlp_http_url="http://127.0.0.1:4318"))
    os.chown(tmp_path / ".devenv", 12345, 12345)
    with pytest.raises(EnvironmentFailure, match="belongs to another user"):
        check_state_directory(tmp_path / ".devenv")
    with pytest.raises(EnvironmentFailure, match="belongs to another user"):
        read_record(tmp_path)
    with pytest.raises(EnvironmentFailure, match="belongs to another user"):
        await ProcessEngine(identify(tmp_path)).observe(None)
    assert recorded_endpoint(tmp_path) == ""


def test_a_record_of_another_directory_is_not_ours(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    for directory in (first, second):
        directory.mkdir()
    write_record(first, record(first, otlp_http_url="http://127.0.0.1:4318"))
    assert read_record(first) is not None
    assert recorded_endpoint(first) == "http://127.0.0.1:4318"
    (first / ".devenv").rename(second / ".devenv")
    assert read_record(second) is None
    assert recorded_endpoint(second) == ""


@pytest.mark.parametrize(
    ("url", "used"),
    [
        ("http://127.0.0.1:4318", True),
        ("http://localhost:4318", True),
        ("http://[::1]:4318", True),
        ("http://collector.example:4318", False),
        ("http://127.0.0.1.example:4318", False),
        ("http://user@10.0.0.1:4318", False),
        ("http://[::1", False),
    ],
)
def test_only_the_loopback_is_taken_from_a_record(tmp_path: Path, url: str, used: bool) -> None:
    write_record(tmp_path, record(tmp_path, otlp_http_url=url))
    assert recorded_endpoint(tmp_path) == (url if used else "")


def test_a_record_that_is_no_object_is_none(tmp_path: Path) -> None:
    (tmp_path / ".devenv").mkdir()
    for text in ("[]", "null", "1", json.dumps({"id": 1, "name": 2, "stack": 3, "engine": 4})):
        (tmp_path / ".devenv" / "project.json").write_text(text)
        assert read_record(tmp_path) is None
        assert recorded_endpoint(tmp_path) == ""
