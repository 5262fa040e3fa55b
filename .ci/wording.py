#!/usr/bin/env python3
"""Finds the commonest faults of wording in the text that people read; docs/wording.md has the guide.

Usage: wording.py [PATH...]; without a path, every file that git tracks. In Python, only comments and strings are text,
and in tests, only comments and docstrings.
Prints one `file:line:column` per finding with the advice, and exits with 1 if there is one.
"""

from __future__ import annotations

import io
import re
import subprocess
import sys
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

# The rules quote what they refuse; the guide and its tests do, too.
EXEMPT = {".ci/wording.py", "docs/wording.md", "tests/unit/repository/test_wording.py", "LICENSE"}
# Recorded documents and other people's files.
EXEMPT_FOLDERS = ("tests/contract/golden/", "tests/fixtures/", "tests/integration/tracing/side_by_side/")
SUFFIXES = {".md", ".yaml", ".yml", ".toml", ".sh", ".txt", ".env", ""}


@dataclass(frozen=True)
class Rule:
    """What is refused, the advice, and what looks like it and is right.

    Both patterns ignore case, and a space in them matches any white space, line ends included.
    """

    keys: tuple[str, ...]
    """Lowercase texts, with single spaces, of which every finding contains one: looked for first, as that is fast."""
    refused: str
    advice: str
    right: str = r"(?!)"
    """Searched around the finding; the finding is right if it begins inside a match."""

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        """What is refused, compiled."""
        return re.compile(rf"\b(?:{self.refused})".replace(" ", r"\s+"), re.IGNORECASE)

    @cached_property
    def exception(self) -> re.Pattern[str]:
        """What is right, compiled."""
        return re.compile(self.right.replace(" ", r"\s+"), re.IGNORECASE)


PLACE = (
    r"(?:director(?:y|ies)|folders?|files?|places?|lines?|positions?|points?|columns?|namespace|calendar|context"
    r"|(?:say|tell|show|know|see|find|ask|remember|learn|decide|choose|matter)(?:s|ed|ing|n)?|said|told|known|found|chosen"
    r"|from|exactly|itself|is|stays?)"
)
COUNTED = "requests|spans|traces|times|calls|writes|messages|samples|bytes|[kmg]i?b"
RULES = (
    Rule(
        ("where",),
        r"where (?:it|there|one|that|none|nothing|no|neither|both|something|anything)\b"
        r"|(?:none|empty|true|false)`* where\b",
        'write "if" for a condition; "where" is for a place',
        rf"\b{PLACE},? where ",
    ),
    Rule(("anew",), r"anew\b", 'write "again", or a verb such as recreate, restart, reload'),
    Rule((" had",), r"(?:be|been) had\b", 'write "available", "not available", "not found"'),
    Rule(("want of",), r"(?:for|from) want of\b", 'write "without …" or "because … is missing"'),
    Rule(
        ("body", "whoever", "someone", "anyone"),
        r"(?:nobody|whoever|somebody|someone|anybody|anyone)\b",
        "name the actor, or use the passive",
    ),
    Rule(
        ("stand", "stood"),
        r"st(?:ands?|ood) (?:in|at|behind|there|below|above|under|inside|elsewhere|before|beside|between|on)\b",
        'write "is in", "exists", "comes after"',
        r"\bst(?:ands?|ood) in for\b",
    ),
    Rule(
        ("is no ", "are no ", "was no ", "were no "),
        r"(?:is|are|was|were) no [a-z]+",
        'negate the verb: "is not a …", "does not exist", "is missing"',
        r"\bthere (?:is|are|was|were) no |\b(?:is|are|was|were) no (?:longer|more|less|better|worse|slower|later)\b",
    ),
    Rule(("take no", "takes no"), r"takes? no\b", 'write "does not accept" or "does not need"'),
    Rule(
        ("there already", "already there", "there is ", "there are "),
        r"(?:is|are|was|were) (?:there already|already there)\b|there (?:is|are) (?:an? )?[\w/{}!`' ]{1,30} already\b",
        'write "already exists"',
    ),
    Rule(("go on", "goes on", "going on", "went on"), r"(?:goes|go|going|went) on\b", 'write "continues" or "keeps"'),
    Rule(("let ", "lets "), r"lets? (?:\w+ )?go\b", 'write "evicts", "drops", "releases"'),
    Rule(
        ("s own", "r own"),
        r"of (?:its|their|our|your|his|one's|the user's) own\b",
        'write "its own …", or leave it out',
    ),
    Rule(
        (" a second", " a minute", "hour", "once a", "one "),
        rf"(?:{COUNTED}) an? (?:second|minute|hour)\b"
        r"|one \w+ an? (?:second|minute|hour)\b"
        r"|(?:once|one(?: \w+)?) an? (?:process|service|request|span|trace|line|module|verb|command)\b",
        'write "per second", "per process", or "/s" after a number',
    ),
    Rule(("-case", "letters"), r"(?:lower|upper)-case\b|small letters\b", 'write "lowercase" or "uppercase"'),
    Rule(
        (
            "1 error",
            "1 span",
            "1 request",
            "1 service",
            "1 container",
            "1 warning",
            "1 line",
            "1 trace",
            "1 file",
            "1 prob",
        ),
        r"(?<![\d.,])1[ ](?:errors|spans|requests|services|containers|warnings|lines|traces|files|problems)\b",
        "use the singular after 1",
    ),
    Rule(("(s)",), r"\w+\(s\)", "choose the singular or the plural by the number"),
    Rule(
        ("please", "sorry", "failed to"),
        r"(?:please|sorry|failed to)\b",
        'write "cannot …"; no "please" and no "sorry"',
        r"\bfailed to (?:export|create shim)",  # what OpenTelemetry's exporters and containerd print
    ),
    Rule(("torn",), r"torn\b(?!\.py)", 'write "split trace" or "orphan span"'),
    Rule(("lend", "lent"), r"(?:lends?|lent)\b", 'write "gives" or "makes … available"'),
)


def files(arguments: list[str]) -> list[Path]:
    """Return the files to check: those given, or all that git tracks (in a source distribution, all)."""
    if arguments or not (ROOT / ".git").exists():
        found = [path for name in arguments or [str(ROOT)] for path in walk(Path(name).resolve())]
    else:
        listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True, text=True).stdout
        found = [ROOT / name for name in listed.split("\0") if name]
    return [path for path in found if path.is_file() and is_text(path)]


def walk(path: Path) -> Iterator[Path]:
    """Yield a file, or the files below a folder."""
    if path.is_dir():
        yield from (each for each in sorted(path.rglob("*")) if "__pycache__" not in each.parts)
    else:
        yield path


def is_text(path: Path) -> bool:
    """Return whether people read the file as text, or as code with text in it."""
    name = path.relative_to(ROOT).as_posix() if path.is_relative_to(ROOT) else path.name
    if name in EXEMPT or name.startswith(EXEMPT_FOLDERS):
        return False
    return path.suffix == ".py" or path.suffix in SUFFIXES


def spaces(match: re.Match[str]) -> str:
    """Return as many spaces as the match is long."""
    return " " * len(match[0])


def blanked(text: str) -> str:
    """Return the text with everything but white space replaced by NUL, which no pattern matches."""
    return re.sub(r"\S", "\0", text)


def python_text(source: str, *, data: bool = False) -> str:
    """Return the source with its code blanked, position by position, so that comments and strings are left.

    Args:
        source: Python.
        data: strings are data, as in tests, so only those that are docstrings are left.
    """
    starts = [0]
    for line in source.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    out = list(blanked(source))
    opens = True  # whether the next token is the first of its statement
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        kind = tokenize.tok_name[token.type]
        first, opens = opens, kind in ("NEWLINE", "INDENT", "DEDENT") or (opens and kind in ("NL", "COMMENT"))
        if kind not in ("COMMENT", "STRING", "FSTRING_MIDDLE") or (data and kind != "COMMENT" and not first):
            continue
        begin = starts[token.start[0] - 1] + token.start[1]
        end = starts[token.end[0] - 1] + token.end[1]
        text = source[begin:end]
        if kind == "STRING":  # prefix and quotes become spaces, so that a sentence may go over neighbouring literals
            formatted = "f" in text[:2].lower() and text[0] not in "\"'"
            text = re.sub(r"^\w*(?:'''|\"\"\"|['\"])|(?:'''|\"\"\"|['\"])$", spaces, text)
            text = text.replace("\\n", "  ")
            if formatted:
                text = re.sub(r"\{[^{}]*\}", lambda field: blanked(field[0]), text)
        elif kind == "COMMENT":
            text = " " + text[1:]
        out[begin:end] = text
    return "".join(out)


def plain_text(source: str) -> str:
    """Return the source with the marks of comments and quotations at the beginning of lines blanked."""
    return re.sub(r"^[ \t]*(?:#+|>)", spaces, source, flags=re.MULTILINE)


def findings(path: Path, source: str) -> Iterator[tuple[int, int, str, str]]:
    """Yield line, column, the words found and the advice."""
    # Reading tokens and searching patterns takes time, and hardly a file has a candidate.
    rough = re.sub(r"\b[bfru]{1,2}(?=[\"'])|[\"#]", " ", source) if path.suffix == ".py" else plain_text(source)
    flat = " ".join(rough.lower().split())
    rules = [rule for rule in RULES if any(key in flat for key in rule.keys)]
    if path.suffix == ".py":
        rules = [rule for rule in rules if rule.pattern.search(rough.replace("'", " "))]
    if not rules:
        return
    in_tests = path.is_relative_to(ROOT / "tests")
    text = python_text(source, data=in_tests) if path.suffix == ".py" else plain_text(source)
    for rule in rules:
        right = [range(*match.span()) for match in rule.exception.finditer(text)]
        for match in rule.pattern.finditer(text):
            start = match.start()
            if any(start in each for each in right):
                continue
            line = text.count("\n", 0, start) + 1
            column = start - text.rfind("\n", 0, start)
            yield line, column, " ".join(text[start : match.end()].split()), rule.advice


def main(arguments: list[str]) -> int:
    """Check the files and return the exit code."""
    count = 0
    for path in files(arguments):
        try:
            source = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        shown = path.relative_to(ROOT) if path.is_relative_to(ROOT) else path
        for line, column, words, advice in sorted(findings(path, source)):
            print(f"{shown}:{line}:{column}: {words!r}: {advice}")
            count += 1
    if count:
        print(f"{count} places; docs/wording.md has the guide, .ci/wording.py the rules and their exceptions")
    return 1 if count else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
