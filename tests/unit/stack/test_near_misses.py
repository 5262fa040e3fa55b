"""A misspelt `x-devenv` is told; an extension of the user's own is not, however much its name looks like it."""

from __future__ import annotations

from pathlib import Path

import pytest

from devenv.errors import StackFileError
from devenv.stack import load_stack
from devenv.suggestions import is_slip


def warned(folder: Path, name: str) -> list[str]:
    """What is said about the key `name` at the top level and in a service."""
    path = folder / "compose.yaml"
    path.write_text(f"{name}: {{}}\nservices:\n  a:\n    image: x\n    {name}: {{}}\n")
    return [warning.message for warning in load_stack([path], environ={}).warnings]


@pytest.mark.parametrize(
    "name",
    [
        "x-devnev",
        "x-devenv-",
        "x-dev-env",
        "x-dev_env",
        "x-devnv",
        "x-deven",
        "x-evenv",
        "x-devvenv",
        "x-devenvs",
        "x-devemv",
        "x-edvenv",
        "x-devevn",
        "x-DevEnv",
        "x--devenv",
        "x-dev-envs",
    ],
)
def test_a_misspelling_is_told(tmp_path: Path, name: str) -> None:
    said = "is ignored: did you mean 'x-devenv'?"
    assert warned(tmp_path, name) == [f"{name} {said}", f"services.a.{name} {said}"]


@pytest.mark.parametrize(
    "name",
    [
        "x-env",
        "x-envs",
        "x-dev",
        "x-develop",
        "x-devices",
        "x-devops",
        "x-devel",
        "x-common-env",
        "x-dev-environment",
        "x-django-env",
        "x-default-env",
        "x-environment",
        "x-venv",
        "x-denv",
        "x-even",
        "x-devenv-common",
        "x-service",
        "x-",
    ],
)
def test_a_name_of_the_users_own_is_not(tmp_path: Path, name: str) -> None:
    assert warned(tmp_path, name) == []


@pytest.mark.parametrize("name", ["x_devenv", "X-devenv", "devenv", "xdevenv"])
def test_without_its_prefix_it_is_an_unknown_key(tmp_path: Path, name: str) -> None:
    with pytest.raises(StackFileError) as caught:
        warned(tmp_path, name)
    assert [error.hint for error in (caught.value, *caught.value.others)] == ["did you mean 'x-devenv'?"] * 2


@pytest.mark.parametrize(
    ("name", "word", "slip"),
    [
        ("aab", "ab", True),
        ("ab", "aab", True),
        ("aa", "aaa", True),
        ("ba", "ab", True),
        ("", "a", True),
        ("axc", "abc", True),
        ("abc", "abc", True),
        ("cba", "abc", False),
        ("abdc", "bacd", False),
        ("", "ab", False),
        ("abxy", "ab", False),
    ],
)
def test_one_slip(name: str, word: str, slip: bool) -> None:
    assert is_slip(name, word) is slip
