"""What is wrong before anything starts: each with its own message, exit code 2, and nothing done."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from devenv_cli import Devenv

CASES = {
    "unknown key": ("services:\n  web:\n    imgae: x\n", "StackFileError", ":3:5", "imgae"),
    "wrong type": ("services:\n  web:\n    image: x\n    depends_on: 7\n", "StackFileError", ":4:17", "depends_on"),
    "cycle": (
        "services:\n  a: {image: x, depends_on: [b]}\n  b: {image: x, depends_on: [a]}\n",
        "StackFileError",
        ":2:",
        "a → b → a",
    ),
    "undefined variable": (
        "services:\n  web:\n    image: ${NO_SUCH_THING:?is not set}\n",
        "StackFileError",
        ":3:12",
        "NO_SUCH_THING",
    ),
    "not YAML": ("services: [\n", "StackFileError", ":2:1", ""),
    "two replicas, one port": (
        "services:\n  web: {image: x, ports: ['8080:80'], deploy: {replicas: 2}}\n",
        "",
        ":2:",
        "replicas",
    ),
}


def failed(tool: Devenv, *arguments: str, code: int) -> dict[str, Any]:
    document = tool.json(*arguments, code=code)
    assert document["schema"] == "devenv.error/1"
    error: dict[str, Any] = document["error"]
    assert error["code"] == code
    return error


@pytest.mark.parametrize("name", CASES)
def test_a_wrong_stack_file(name: str, tmp_path: Path) -> None:
    text, kind, place, word = CASES[name]
    file = tmp_path / "compose.yaml"
    file.write_text(text)
    error = failed(Devenv(tmp_path, "process", files=(file,)), "up", code=2)
    assert kind in error["kind"]
    assert f"{file.name}{place}" in error["message"]
    assert word in error["message"]


def test_a_file_that_is_no_text(tmp_path: Path) -> None:
    file = tmp_path / "compose.yaml"
    file.write_bytes(b"\xff\xfe\x00")
    error = failed(Devenv(tmp_path, "process", files=(file,)), "up", code=2)
    assert file.name in error["message"]


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    error = failed(Devenv(tmp_path, "process", files=(tmp_path / "nosuch.yaml",)), "up", code=2)
    assert "nosuch.yaml" in error["message"]


def test_a_service_that_is_not_there(tmp_path: Path) -> None:
    file = tmp_path / "compose.yaml"
    file.write_text("services:\n  web: {image: x}\n")
    error = failed(Devenv(tmp_path, "process", files=(file,)), "up", "wep", code=2)
    assert "wep" in error["message"]
    assert "web" in error["hint"]
