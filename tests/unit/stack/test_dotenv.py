"""``.env`` and ``env_file``; ``tests/contract/stack_files`` compares with what Compose makes of such text."""

from __future__ import annotations

from pathlib import Path

import pytest

from devenv.errors import StackFileError
from devenv.stack import load_stack
from devenv.stack.env.dotenv import read_dotenv
from devenv.stack.env.interpolation import Variable
from devenv.stack.problems import Problems


def read(tmp_path: Path, text: str, *, raw: bool = False, **environ: str) -> dict[str, str]:
    path = tmp_path / "values.env"
    path.write_text(text)
    problems = Problems()
    lookup = {name: Variable(value, "the environment") for name, value in environ.items()}.get
    found = read_dotenv(path, lookup, problems, raw=raw)
    problems.check()
    return {name: variable.value for name, variable in found.items()}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", {}),
        ("\n\n# comment\n  # indented\n", {}),
        ("A=1", {"A": "1"}),
        ("A=1\nB=2\n", {"A": "1", "B": "2"}),
        ("A=1\r\nB=2\r\n", {"A": "1", "B": "2"}),
        ("\ufeffA=1", {"A": "1"}),
        ("export A=1", {"A": "1"}),
        ("export=1", {"export": "1"}),
        ("  A = spaced value  ", {"A": "spaced value"}),
        ("A: yaml", {"A": "yaml"}),
        ("A=", {"A": ""}),
        ("A=\nB=1", {"A": "", "B": "1"}),
        ("A=a=b", {"A": "a=b"}),
        ("A=a#b", {"A": "a#b"}),
        ("A=a #b", {"A": "a"}),
        ("A='$B #x'", {"A": "$B #x"}),
        ("A='it\\'s'", {"A": "it's"}),
        ("A='a\\nb'", {"A": "a\\nb"}),
        ('A="a\\nb\\t\\"q\\" \\\\"', {"A": 'a\nb\t"q" \\'}),
        ('A="$B"', {"A": "shell"}),
        ('A="\\$B"', {"A": "$B"}),
        ('A="$$B"', {"A": "$B"}),
        ('A="\\0101"', {"A": "A"}),
        ('A="two\nlines" # comment\nC=1', {"A": "two\nlines", "C": "1"}),
        ("A=$B-${C:-d}", {"A": "shell-d"}),
        ("A=1\nC=${A}2\nD=$C", {"A": "1", "C": "12", "D": "12"}),
        ("B=file\nA=$B", {"B": "file", "A": "shell"}),
        ("B", {"B": "shell"}),
        ("C", {}),
        ("A.b-c[0]=1", {"A.b-c[0]": "1"}),
        ("A=1\nA=2", {"A": "2"}),
    ],
)
def test_reading(tmp_path, text, expected):
    assert read(tmp_path, text, B="shell") == expected


def test_raw_values_stand_as_they_are(tmp_path):
    text = "A=\"q\" # c\nB='$X'\n# comment\n\nC= x \nD\nE\n"
    assert read(tmp_path, text, raw=True, D="shell") == {"A": '"q" # c', "B": "'$X'", "C": " x ", "D": "shell"}


@pytest.mark.parametrize(
    ("text", "place", "message"),
    [
        ("A=1\n=2", "2:1", "not a valid variable name"),
        ("A=1\n\n  B C=2", "3:4", "invalid character in a variable name"),
        ("A='open\nB=1\n", "1:3", "unclosed quote"),
        ('A="a" b', "1:6", "text after a quoted value"),
        ("A=1\nB=x${C", "2:3", "unclosed ${"),
        ("A=${C:?is needed}", "1:3", "required variable C is not set: is needed"),
        ("%", "1:1", "not a valid variable name"),
    ],
)
def test_errors_have_their_place(tmp_path, text, place, message):
    with pytest.raises(StackFileError) as caught:
        read(tmp_path, text)
    assert caught.value.message == f"{tmp_path}/values.env:{place}: {message}"


def test_unset_variable_is_stated(tmp_path):
    (tmp_path / ".env").write_text("\nA=x$NOPE\n")
    (tmp_path / "compose.yaml").write_text("services: {a: {image: $A}}")
    stack = load_stack([tmp_path / "compose.yaml"], environ={})
    assert stack.services["a"].image == "x"
    assert [str(warning.location) for warning in stack.warnings] == [f"{tmp_path}/.env:2:3"]


def test_broken_dotenv_is_an_error_of_the_stack(tmp_path):
    (tmp_path / ".env").write_text("A='open")
    (tmp_path / "compose.yaml").write_text("services: {a: {image: x}}")
    with pytest.raises(StackFileError, match=r"\.env:1:3: unclosed quote"):
        load_stack([tmp_path / "compose.yaml"], environ={})


def test_env_file_sees_the_service_s_own_environment(tmp_path):
    (tmp_path / "e.env").write_text("A=$OWN-$SHELL_ONE\nOWN=file\n")
    text = "services: {a: {image: x, env_file: e.env, environment: {OWN: own, SHELL_ONE: own}}}"
    (tmp_path / "compose.yaml").write_text(text)
    environment = load_stack([tmp_path / "compose.yaml"], environ={"SHELL_ONE": "shell"}).services["a"].environment
    assert environment == {"A": "own-shell", "OWN": "own", "SHELL_ONE": "own"}


def test_env_file_paths(tmp_path):
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "h.env").write_text("H=1")
    (tmp_path / "abs.env").write_text("A=1")
    text = f"services: {{a: {{image: x, env_file: [~/h.env, {tmp_path}/abs.env, {{path: no.env, required: false}}]}}}}"
    (tmp_path / "compose.yaml").write_text(text)
    stack = load_stack([tmp_path / "compose.yaml"], environ={"HOME": str(tmp_path / "home")})
    assert stack.services["a"].environment == {"H": "1", "A": "1"}


def test_env_file_that_is_a_directory(tmp_path):
    (tmp_path / "d").mkdir()
    (tmp_path / "compose.yaml").write_text("services: {a: {image: x, env_file: d}}")
    with pytest.raises(StackFileError, match="env_file d: this is a directory"):
        load_stack([tmp_path / "compose.yaml"], environ={})
