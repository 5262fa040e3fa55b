"""Parses documentation pages into what they ask a reader to do: files to write, commands to run, output to expect.

The rules, which hold for every page that says "start in a copy of `DIRECTORY`" or "start in an empty directory", and
for the README of a folder, which starts in a copy of that folder:

- ```` ```console ````: each line that begins with `$ ` is a command; the following lines that begin with `> ` belong to
  it, and so does the line after a `\\`. The lines below are its output: all lines, complete and in order. `…` inside a
  line matches any text; a line that is only `…` matches any number of lines. Runs of spaces inside a line are equal.
  A command without output lines may print anything. A command has to exit with 0, unless the last line is
  `[exit code N]`. If the exit code depends on the machine, the command has its own block with the possible codes in the
  opening line: ```` ```console exit 0 or 1 ````.
- ```` ```python ```` or ```` ```yaml ````: a file. The first line is a comment with its path.
- ```` ```text ````: for reading only. Every other kind of block is a mistake, so that no block is skipped silently.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

FILES = ("python", "yaml")
GAP = "…"
_FENCE = re.compile(r"^```(.*)$")
_NAMED = re.compile(r"^# ([\w./-]+)$")
_START = re.compile(r"\bstart in (?:a copy of \[?`([\w./-]+)`|an empty directory)")
_EXIT = re.compile(r"^\[exit code (\d+)\]$")
_EXITS = re.compile(r"^console exit (\d+(?: or \d+)+)$")


class PageMistake(AssertionError):
    """A page breaks the rules, or its commands do not do what it shows; the message begins with page and line."""


@dataclass(slots=True)
class Command:
    """What a reader types, and the expected result."""

    line: int
    text: str
    expected: list[str] = field(default_factory=list)
    exit_codes: tuple[int, ...] = (0,)


@dataclass(frozen=True, slots=True)
class File:
    """A file that a reader writes."""

    line: int
    path: str
    text: str


Step = Command | File


@dataclass(frozen=True, slots=True)
class Page:
    """One page.

    Attributes:
        name: Name in messages.
        start: Directory of the repository that is copied; empty for an empty one, None if the page names none.
        steps: What to do, in order.
    """

    name: str
    start: str | None
    steps: tuple[Step, ...]


def read_page(path: Path, *, start: str | None = None) -> Page:
    """Read a page.

    Args:
        path: File of the page.
        start: Directory in whose copy it starts if the page itself names none.

    Raises:
        PageMistake: If the page breaks the rules above.
    """
    return parse_page(path.read_text(encoding="utf-8"), path.name, start=start)


def parse_page(text: str, name: str, *, start: str | None = None) -> Page:
    """Parse the text of a page, as `read_page` does."""
    steps: list[Step] = []
    prose: list[str] = []
    lines = text.splitlines()
    at = 0
    while at < len(lines):
        opened = _FENCE.match(lines[at])
        if not opened:
            prose.append(lines[at])
            at += 1
            continue
        end = next((n for n in range(at + 1, len(lines)) if lines[n].rstrip() == "```"), None)
        if end is None:
            raise PageMistake(f"{name}:{at + 1}: the block is not closed")
        steps += _steps(name, opened[1].strip(), at + 1, lines[at + 1 : end])
        at = end + 1
    said = _START.search(" ".join(prose))
    if said is not None:
        start = said[1] or ""
    if steps and start is None:
        raise PageMistake(f"{name}: it does not say where its commands start (a copy of `DIR`, or an empty directory)")
    return Page(name, start, tuple(steps))


def _steps(page: str, kind: str, line: int, body: list[str]) -> list[Step]:
    if kind == "text":
        return []
    exits = _EXITS.match(kind)
    if kind == "console" or exits:
        commands = _commands(page, line, body)
        if exits:
            if len(commands) != 1:
                raise PageMistake(f"{page}:{line}: {kind!r} is for one command, found {len(commands)}")
            commands[0].exit_codes = tuple(int(each) for each in exits[1].split(" or "))
        return list(commands)
    if kind not in FILES:
        raise PageMistake(f"{page}:{line}: a block of kind {kind!r}; expected console, text or {', '.join(FILES)}")
    named = _NAMED.match(body[0]) if body else None
    if named is None:
        raise PageMistake(f"{page}:{line}: the first line of a {kind} block names its file, as `# app.py`")
    path = Path(named[1])
    if path.is_absolute() or ".." in path.parts:
        raise PageMistake(f"{page}:{line}: {path} is outside of the page's directory")
    return [File(line, named[1], "\n".join(body) + "\n")]


def _commands(page: str, line: int, body: list[str]) -> list[Command]:
    found: list[Command] = []
    open_line = False
    for number, text in enumerate(body, line + 1):
        if open_line or (found and not found[-1].expected and text.startswith("> ")):
            found[-1].text += "\n" + text.removeprefix("> ")
            open_line = text.endswith("\\")
        elif text.startswith("$ "):
            found.append(Command(number, text[2:]))
            open_line = text.endswith("\\")
        elif not found:
            raise PageMistake(f"{page}:{number}: output without a command; a command begins with `$ `")
        elif code := _EXIT.match(text):
            found[-1].exit_codes = (int(code[1]),)
        else:
            found[-1].expected.append(text)
    return found


def agrees(expected: list[str], output: list[str]) -> bool:
    """Return whether an output is what a page shows, by the rules above."""
    wanted, found = _trimmed(expected), _trimmed(output)
    if not wanted:
        return True
    # The positions in the output at which the lines so far may have ended.
    reached = {0}
    for line in wanted:
        if line == GAP:
            reached = set(range(min(reached), len(found) + 1)) if reached else reached
            continue
        pattern = _pattern(line)
        reached = {at + 1 for at in reached if at < len(found) and pattern.fullmatch(found[at])}
    return len(found) in reached


def _pattern(line: str) -> re.Pattern[str]:
    parts = (re.sub(r"(?<=\S)(?:\\ )+", r" +", re.escape(part)) for part in line.split(GAP))
    return re.compile(".*".join(parts))


def _trimmed(lines: list[str]) -> list[str]:
    kept = [line.rstrip() for line in lines]
    while kept and not kept[-1]:
        kept.pop()
    while kept and not kept[0]:
        kept.pop(0)
    return kept
