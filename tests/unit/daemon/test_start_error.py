"""What is said of a process that cannot start."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from devenv.daemon.supervised import start_error
from devenv.engine.process.launch import Launch

LAUNCH = Launch(
    id="web-1",
    name="web-1",
    service="web",
    index=1,
    labels={},
    command=("python3", "app.py"),
    places={"cwd": "compose.yaml:7:9", "command": "compose.yaml:6:9"},
)
MISSING = FileNotFoundError(2, "No such file or directory")


def test_a_missing_working_directory_is_named_with_the_place_of_its_key(tmp_path: Path) -> None:
    launch = replace(LAUNCH, cwd=str(tmp_path / "srv"))
    text = f"compose.yaml:7:9: the working directory {tmp_path}/srv does not exist"
    assert start_error(launch, {"PATH": "/usr/bin:/bin"}, MISSING) == text
    (tmp_path / "srv").write_text("")
    assert start_error(launch, {}, NotADirectoryError(20, "Not a directory")).endswith("srv is not a directory")


@pytest.mark.parametrize(
    ("command", "error", "text"),
    [
        (("pyton3", "app.py"), MISSING, "program 'pyton3' is not on the PATH of the service"),
        (("sh", "app.sh"), MISSING, "sh: No such file or directory"),
        (("/no/such", "x"), MISSING, "/no/such: No such file or directory"),
        (("./app", "x"), PermissionError(13, "Permission denied"), "./app: Permission denied"),
        (("sh", "a\0b"), ValueError("embedded null byte"), "sh: embedded null byte"),
    ],
)
def test_the_program_is_named_with_the_place_of_the_command(
    tmp_path: Path, command: tuple[str, ...], error: OSError | ValueError, text: str
) -> None:
    launch = replace(LAUNCH, cwd=str(tmp_path), command=command)
    assert start_error(launch, {"PATH": "/usr/bin:/bin"}, error) == f"compose.yaml:6:9: {text}"
