"""The runner of documentation pages can fail: by a wrong command, a wrong output, a wrong file, a hidden block."""

from __future__ import annotations

import os
from pathlib import Path

import psutil
import pytest
from documentation import Command, File, PageMistake, agrees, parse_page
from documentation_run import Shell, run_page

START = "The commands start in an empty directory.\n"


def run(text: str, tmp_path: Path) -> int:
    return run_page(parse_page(START + text, "page.md"), tmp_path, tmp_path / "scratch")


@pytest.fixture(autouse=True)
def _scratch(tmp_path: Path) -> None:
    (tmp_path / "scratch").mkdir()


def console(*lines: str) -> str:
    return "\n".join(["```console", *lines, "```", ""])


def test_a_page_becomes_files_and_commands() -> None:
    text = "```python\n# shop/app.py\nprint(1)\n```\n" + console("$ python \\", "  shop/app.py", "1", "[exit code 3]")
    text += "```console exit 3 or 4\n$ true\n```\n"
    page = parse_page("They start in a copy of\n[`stacks/sample`](x).\n" + text, "page.md")
    assert page.start == "stacks/sample"
    assert page.steps == (
        File(3, "shop/app.py", "# shop/app.py\nprint(1)\n"),
        Command(8, "python \\\n  shop/app.py", ["1"], (3,)),
        Command(14, "true", [], (3, 4)),
    )


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("```sh\ntrue\n```\n", "a block of kind 'sh'"),
        ("```\ntrue\n```\n", "a block of kind ''"),
        ("```python\nprint(1)\n```\n", "names its file"),
        ("```python\n# ../app.py\n```\n", "outside of the page's directory"),
        ("```yaml\n```\n", "names its file"),
        ("```console exit 0 or 1\n$ true\n$ true\n```\n", "for one command, found 2"),
        ("```console exit 0\n$ true\n```\n", "a block of kind 'console exit 0'"),
        ("```console\noutput\n```\n", "output without a command"),
        ("```console\n$ true\n", "not closed"),
    ],
)
def test_a_page_that_breaks_the_rules_is_refused(text: str, says: str) -> None:
    with pytest.raises(PageMistake, match=says):
        parse_page(START + text, "page.md")


def test_a_page_with_commands_says_where_they_start() -> None:
    with pytest.raises(PageMistake, match="does not say where"):
        parse_page(console("$ true"), "page.md")
    assert parse_page("Prose.\n```text\nanything\n```\n", "page.md").steps == ()


def test_a_start_may_be_given_and_what_the_page_says_comes_first() -> None:
    assert parse_page(console("$ true"), "page.md", start="stacks/sample").start == "stacks/sample"
    assert parse_page(START + console("$ true"), "page.md", start="stacks/sample").start == ""
    assert parse_page("Prose.", "page.md").start is None


@pytest.mark.parametrize(
    ("expected", "output", "agree"),
    [
        (["one", "two"], ["one", "two"], True),
        (["one"], ["one", "two"], False),
        (["one", "two"], ["one"], False),
        (["two", "one"], ["one", "two"], False),
        (["one", "…"], ["one", "two", "three"], True),
        (["one", "…"], ["one"], True),
        (["…", "three"], ["one", "two", "three"], True),
        (["…", "two"], ["one", "two", "three"], False),
        (["…", "one", "…", "one"], ["one", "x", "one"], True),
        (["p50 … ms  ok"], ["p50 3.1 ms      ok"], True),
        (["p50 … ms"], ["p50 3.1 s"], False),
        (["  a"], ["    a"], False),
        (["a.c"], ["abc"], False),
        ([], ["whatever"], True),
        (["one", "", "two"], ["", "one", "", "two  ", ""], True),
    ],
)
def test_what_agrees(expected: list[str], output: list[str], agree: bool) -> None:
    assert agrees(expected, output) is agree


def test_a_page_runs_in_one_shell(tmp_path: Path) -> None:
    text = "```yaml\n# sub/settings.yaml\na: 1\n```\n" + console(
        "$ cd sub && export NAME=value",
        "$ cat settings.yaml",
        "# sub/settings.yaml",
        "a: 1",
        "$ cat <<END",
        "> $NAME",
        "> END",
        "value",
        "$ false",
        "[exit code 1]",
        "$ echo to stderr >&2; cat",
        "to stderr",
    )
    assert run(text, tmp_path) == 5


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (console("$ no-such-program"), "exit code 127, expected 0"),
        (console("$ echo one", "two"), "expected:\ntwo\nprinted:\none"),
        (console("$ true", "[exit code 1]"), "exit code 0, expected 1"),
        (console("$ exit 0"), "ended the shell"),
        (console("$ if then"), "syntax error"),
        ("```python\n# app.py\nraise OSError('told')\n```\n" + console("$ python app.py"), "OSError: told"),
    ],
)
def test_what_a_page_has_wrong_fails(text: str, says: str, tmp_path: Path) -> None:
    with pytest.raises(PageMistake) as raised:
        run(text, tmp_path)
    assert says in str(raised.value)
    assert str(raised.value).startswith("page.md:")


def test_a_command_that_does_not_end_is_given_up(tmp_path: Path) -> None:
    shell = Shell(tmp_path, tmp_path, dict(os.environ))
    try:
        with pytest.raises(TimeoutError, match=r"within 0\.2 s"):
            shell.run("sleep 60", timeout=0.2)
    finally:
        shell.close()


def test_what_runs_in_the_background_ends_with_the_page(tmp_path: Path) -> None:
    run(console("$ sleep 600 >sleep.log 2>&1 &", "$ echo $! > pid"), tmp_path)
    pid = int((tmp_path / "scratch/work/pid").read_text())
    # If the machine's first process does not collect orphans, the entry of an ended one stays as a zombie.
    assert not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
