"""How a load run notices that its project was removed."""

from __future__ import annotations

import shutil
from pathlib import Path

from devenv.app.invocation import Invocation
from devenv.app.load.load import removal_check
from devenv.app.record import Record, forget_record, write_record


def running(directory: Path) -> None:
    write_record(directory, Record(id="p-1", name="p", stack="s", engine="process"))


def test_down_is_noticed(tmp_path: Path) -> None:
    running(tmp_path)
    gone = removal_check(Invocation(directory=tmp_path))
    assert not gone()
    forget_record(tmp_path)
    assert gone()


def test_a_deleted_state_directory_is_not_taken_for_down(tmp_path: Path) -> None:
    running(tmp_path)
    gone = removal_check(Invocation(directory=tmp_path))
    shutil.rmtree(tmp_path / ".devenv")
    assert not gone()


def test_without_a_record_nothing_is_concluded(tmp_path: Path) -> None:
    assert not removal_check(Invocation(directory=tmp_path))()
