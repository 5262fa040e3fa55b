"""The style sheet is made of tokens."""

from __future__ import annotations

import re
from pathlib import Path

import devenv.dashboard
from devenv.dashboard.sheet import style_sheet
from devenv.drawing.tokens import NARROW, SPACES, TYPES

WRITTEN = Path(devenv.dashboard.__file__).with_name("pages.css").read_text()
BUDGET = 24 * 1024


def test_it_names_no_colour_and_no_size_of_text_but_tokens() -> None:
    assert re.findall(r"#[0-9a-f]{3,8}\b|rgb|hsl", WRITTEN) == []
    assert set(re.findall(r"font-size: ([^;]*);", WRITTEN)) <= {f"var(--size-{name})" for name in TYPES}
    assert re.findall(r"font: (?!(?:\d+ )?var\(--t-|inherit)", WRITTEN) == []


def test_spaces_are_tokens() -> None:
    used = re.findall(r"\b(?<!scroll-)(?:gap|padding|margin)(?:-\w+)?: ([^;]*);", WRITTEN)
    pixels = {int(value) for text in used for value in re.findall(r"(?<![\d.])(\d+)px", text)}
    assert pixels <= {1, 6}  # hairlines of chips, and from a stripe to its name
    assert {f"--sp-{number}" for number in range(1, len(SPACES) + 1)} >= set(re.findall(r"--sp-\d+", WRITTEN))


def test_it_changes_at_the_widths_of_the_tokens() -> None:
    assert set(re.findall(r"max-width:(\d+)px", style_sheet())) == {str(NARROW)}


def test_it_is_small_and_complete() -> None:
    sheet = style_sheet()
    assert len(sheet) <= BUDGET
    assert sheet.count("{") == sheet.count("}")
    defined = set(re.findall(r"(--[\w-]+):", sheet))
    assert set(re.findall(r"var\((--[\w-]+)\)", sheet)) <= defined
