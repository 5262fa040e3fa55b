"""README and docs against the command line: every command is documented, every documented one exists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import typer.main

from devenv.cli.globals import VALUED
from devenv.cli.main import app
from devenv.errors import NEGATIVE_VERDICT, TIMED_OUT, DevenvError

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
PAGES = [README, *sorted((ROOT / "docs").rglob("*.md")), *sorted((ROOT / "stacks").rglob("*.md"))]


def commands() -> dict[str, object]:
    """Command objects by their words, such as `runs show`."""
    found: dict[str, object] = {}

    def walk(group: object, words: tuple[str, ...]) -> None:
        for name, command in getattr(group, "commands", {}).items():
            found[" ".join((*words, name))] = command
            walk(command, (*words, name))

    walk(typer.main.get_command(app), ())
    return found


def options_of(command: object) -> set[str]:
    return {option for parameter in command.params for option in [*parameter.opts, *parameter.secondary_opts]}  # type: ignore[attr-defined]


GLOBAL = options_of(typer.main.get_command(app)) | {"--help", "-h"}


def documented_lines() -> list[tuple[Path, str]]:
    """Every `devenv …` in code blocks and code spans of the docs."""
    found = []
    for page in PAGES:
        text = page.read_text()
        blocks = re.findall(r"```(sh|console|bash)[^\n]*\n(.*?)```", text, re.DOTALL)
        lines = [
            line.removeprefix("$ ").strip()
            for kind, block in blocks
            for line in block.splitlines()
            if kind != "console" or line.startswith("$ ")  # all else there is output
        ]
        lines += re.findall(r"(?<!`)`(devenv [^`]+)`", text)
        found += [(page, line) for line in lines if line.startswith("devenv ")]
    return found


def test_every_command_has_a_row_in_the_readme() -> None:
    rows = set(re.findall(r"^\| `devenv ([a-z]+)", README.read_text(), re.MULTILINE))
    assert rows == {name.split()[0] for name in commands()}


def test_the_docs_name_commands() -> None:
    assert len(documented_lines()) > 10


def words_of(line: str) -> list[str]:
    """The words behind `devenv`, as far as the shell's next operator, without global options that take a value."""
    words = re.split(r" (?:#|\||\|\||&|&&|;|[12]?>.*)(?: |$)", line, maxsplit=1)[0].split()[1:]
    while words and words[0] in VALUED:
        del words[:2]
    return words


@pytest.mark.parametrize(("page", "line"), documented_lines())
def test_documented_command_and_options_exist(page: Path, line: str) -> None:
    words = words_of(line)
    plain = [word for word in words if not word.startswith("-")]
    if not plain:
        assert all(word.split("=")[0] in GLOBAL for word in words)
        return
    known = commands()
    name = next((name for name in (" ".join(plain[:2]), plain[0]) if name in known), None)
    assert name is not None, f"{page.name}: no command {' '.join(plain[:2])!r}"
    before_dashes = words[: words.index("--")] if "--" in words else words
    options = {word.split("=")[0] for word in before_dashes if word.startswith("-")}
    assert options <= options_of(known[name]) | GLOBAL


@pytest.mark.parametrize("name", sorted(commands()))
def test_every_command_has_help_with_an_example(name: str) -> None:
    command = commands()[name]
    assert getattr(command, "help", None), f"{name} has no help"
    if not getattr(command, "commands", None):
        assert f"devenv {name}" in (getattr(command, "epilog", None) or ""), f"{name} has no example"


def test_exit_codes_of_the_readme_are_those_of_the_error_tree() -> None:
    listed = {int(code) for code in re.findall(r"^\| (\d+) \|", README.read_text(), re.MULTILINE)}

    def codes(cls: type[DevenvError]) -> set[int]:
        return {cls.exit_code}.union(*(codes(sub) for sub in cls.__subclasses__()))

    assert listed == codes(DevenvError) | {0, NEGATIVE_VERDICT, TIMED_OUT}


def test_links_between_pages_lead_somewhere() -> None:
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.relative_to(ROOT)} links to {target}"


def test_files_that_the_docs_name_are_there() -> None:
    """`devenv/…`, `tests/…`, `stacks/…` in code spans; a pattern has to match something."""
    for page in PAGES:
        prose = re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)
        for name in re.findall(r"`((?:devenv|tests|stacks|docs)/[\w./*-]*)`", prose):
            assert list(ROOT.glob(name.rstrip("/"))), f"{page.relative_to(ROOT)} names {name}"


def test_modules_that_the_implementation_page_names_are_there() -> None:
    """Short names of modules are of one of the folders that its section names."""
    text = re.sub(r"```.*?```", "", (ROOT / "docs" / "implementation.md").read_text(), flags=re.DOTALL)
    for section in text.split("\n## ")[1:]:
        folders = [ROOT / name for name in re.findall(r"`(devenv/[\w/]+)(?:/[\w.]+\.py|/)`", section)]
        for name in re.findall(r"(?<!/)`((?:\w+/)?\w+\.py)`", section):
            assert any((each / name).exists() or list(each.glob(f"*/{name}")) for each in folders), (name, section[:40])
