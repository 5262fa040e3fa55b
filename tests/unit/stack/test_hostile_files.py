"""Stack files, env files and their neighbours in a cloned repository: bounded in time and memory, read only if regular.

Each test has the attacker's file. `limited` runs it in a process with little memory and little CPU time.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from devenv.errors import DevenvError, StackFileError
from devenv.model.stack import FileSource
from devenv.orchestrate.files import content_of
from devenv.stack import load_stack

pytestmark = pytest.mark.slow

SERVICE = "services: {a: {image: x}}\n"
MEMORY = 700 * 2**20
CPU_SECONDS = 10
SECONDS = 120


def limited(folder: Path, environ: dict[str, str] | None = None) -> str:
    """The error of loading ``folder/compose.yaml`` in its own process, with the limits."""
    program = f"""
        import resource, sys, pathlib
        resource.setrlimit(resource.RLIMIT_AS, ({MEMORY}, {MEMORY}))
        resource.setrlimit(resource.RLIMIT_CPU, ({CPU_SECONDS}, {CPU_SECONDS}))
        from devenv.errors import DevenvError
        from devenv.stack import load_stack
        try:
            load_stack([pathlib.Path("compose.yaml")], environ={environ or {}!r})
        except DevenvError as error:
            print(error)
    """
    arguments = [sys.executable, "-c", textwrap.dedent(program)]
    done = subprocess.run(arguments, cwd=folder, capture_output=True, text=True, timeout=SECONDS, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def test_a_dotenv_of_doubling_lines_ends_with_its_place(tmp_path: Path) -> None:
    (tmp_path / "compose.yaml").write_text(SERVICE)
    lines = ["V0=0123456789", *(f"V{n}=$V{n - 1}$V{n - 1}" for n in range(1, 41))]
    (tmp_path / ".env").write_text("\n".join(lines))
    assert limited(tmp_path).startswith(".env:20:5: variables add more than 8 MiB to the file")


def test_many_lines_of_one_large_value_count_together(tmp_path: Path) -> None:
    (tmp_path / "compose.yaml").write_text(SERVICE)
    text = f"BIG={'x' * 2**20}\n" + "".join(f"V{n}=${{BIG}}y\n" for n in range(100_000))
    (tmp_path / ".env").write_text(text)
    assert ".env:10:4: variables add more than 8 MiB" in limited(tmp_path)


def test_a_large_variable_used_often_in_the_stack_file(tmp_path: Path) -> None:
    values = "".join(f"  v{n}: ${{BIG}}y\n" for n in range(20_000))
    (tmp_path / "compose.yaml").write_text(f"{SERVICE}x-y:\n{values}")
    (tmp_path / ".env").write_text(f"BIG={'x' * 2**20}\n")
    assert "compose.yaml:11:7: variables add more than 8 MiB" in limited(tmp_path)


@pytest.mark.parametrize("operator", [":-", "-", ":+", "+", ":?", "?"])
@pytest.mark.parametrize("name", ["A", "HOME"])
def test_nested_expressions_are_bounded(tmp_path: Path, operator: str, name: str) -> None:
    deep = f"${{{name}{operator}" * 20_000 + "x" + "}" * 20_000
    (tmp_path / "compose.yaml").write_text(f'services: {{a: {{image: "{deep}"}}}}')
    shown = limited(tmp_path, {"HOME": "/home"})
    if (name, operator[-1]) in {("A", "+"), ("HOME", "-"), ("HOME", "?")}:
        assert "nested" not in shown, "what is not used is not looked into"
    else:
        assert "compose.yaml:1:" in shown
        assert "expressions nested more than 50 levels deep" in shown


def test_fifty_levels_are_allowed(tmp_path: Path) -> None:
    deep = "${A:-" * 50 + "x" + "}" * 50
    (tmp_path / "compose.yaml").write_text(f'services: {{a: {{image: "{deep}"}}}}')
    assert load_stack([tmp_path / "compose.yaml"], environ={}).services["a"].image == "x"


@pytest.mark.parametrize(
    "text",
    [
        "{" * 1_000_000 + "${A",
        "${" * 500_000,
        "${A:-" * 40 + "{" * 500_000 + "}" * 500_000 + "}" * 40,
        "$A" * 500_000,
        "$A ${B}" * 5_000,
        "$$" * 500_000,
    ],
    ids=["braces", "unclosed", "balanced", "uses", "unset", "dollars"],
)
def test_odd_templates_take_no_time(tmp_path: Path, text: str) -> None:
    (tmp_path / "compose.yaml").write_text(f"services: {{a: {{image: x, command: ['{text}']}}}}")
    limited(tmp_path)


def test_aliases_of_a_large_text_are_bounded(tmp_path: Path) -> None:
    aliases = "".join(f"  v{n}: *big\n" for n in range(2_000))
    (tmp_path / "compose.yaml").write_text(f"x-big: &big {'$A' * 10_000}{'x' * 4_000_000}\n{SERVICE}x-y:\n{aliases}")
    assert "compose.yaml:4:3: aliases expand to more than 16 MiB of text" in limited(tmp_path)


def test_nested_aliases_are_bounded(tmp_path: Path) -> None:
    levels = "".join(f"x-{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 10)}]\n" for n in range(1, 12))
    (tmp_path / "compose.yaml").write_text(f"x-0: &l0 [a]\n{levels}{SERVICE}")
    assert "expands to more than 50000 values" in limited(tmp_path)


def test_merge_keys_of_many_mappings_take_no_time(tmp_path: Path) -> None:
    maps = "".join(f"x-{n}: &m{n} {{k{n}: 1}}\n" for n in range(6_000))
    merged = ", ".join(f"*m{n}" for n in range(6_000))
    (tmp_path / "compose.yaml").write_text(f"{maps}x-all: {{<<: [{merged}]}}\n{SERVICE}")
    limited(tmp_path)


def test_many_mistakes_and_many_variables_take_no_time(tmp_path: Path) -> None:
    unknown = "".join(f"  s{n}: {{imag: x}}\n" for n in range(1_500))
    (tmp_path / "compose.yaml").write_text(f"services:\n{unknown}")
    (tmp_path / ".env").write_text("A=1\n" * 200_000)
    assert "compose.yaml:2:8: unknown key 'imag'" in limited(tmp_path)


def test_env_files_count_once_for_each_service(tmp_path: Path) -> None:
    (tmp_path / "big.env").write_text(f"BIG={'x' * 4_000_000}\n")
    services = "".join(f"  s{n}: {{image: x, env_file: big.env}}\n" for n in range(2_000))
    (tmp_path / "compose.yaml").write_text(f"services:\n{services}")
    shown = limited(tmp_path)
    assert "compose.yaml:10:" in shown
    assert "the env files of the stack have more than 32 MiB" in shown


def fifo(path: Path) -> None:
    os.mkfifo(path)


def listening(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))


def endless(path: Path) -> None:
    path.symlink_to("/dev/zero")


ODD = pytest.mark.parametrize("make", [fifo, listening, endless])


@ODD
@pytest.mark.parametrize("name", ["compose.yaml", "compose.override.yaml", ".env", "values.env"])
def test_only_regular_files_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make: object, name: str) -> None:
    monkeypatch.chdir(tmp_path)  # a socket's path is short
    (tmp_path / "compose.yaml").write_text("services: {a: {image: x, env_file: values.env}}")
    (tmp_path / "compose.override.yaml").write_text(SERVICE)
    (tmp_path / "values.env").write_text("A=1")
    (tmp_path / name).unlink(missing_ok=True)
    make(Path(name))  # type: ignore[operator] # one of the three above
    files = [tmp_path / "compose.yaml", tmp_path / "compose.override.yaml"]
    with pytest.raises(StackFileError, match="not a regular file") as caught:
        load_stack(files, environ={})
    assert name in str(caught.value)
    assert caught.value.location is not None


@ODD
def test_a_secret_is_a_regular_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make: object) -> None:
    monkeypatch.chdir(tmp_path)
    make(Path("token"))  # type: ignore[operator] # one of the three above
    with pytest.raises(DevenvError, match="token: cannot read the file of token: not a regular file"):
        content_of(FileSource(key="token", file=Path("token")))


def test_dev_null_is_an_empty_env_file(tmp_path: Path) -> None:
    (tmp_path / "compose.yaml").write_text("services: {a: {image: x, env_file: /dev/null}}")
    assert load_stack([tmp_path / "compose.yaml"], environ={}).services["a"].environment == {}
