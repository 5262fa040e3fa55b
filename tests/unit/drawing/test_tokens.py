"""The palette can be read by everybody: contrasts and distances are computed from the tokens."""

from __future__ import annotations

import re
from itertools import combinations

import pytest
from colours.maths import VISIONS, ciede2000, contrast, lab

from devenv.drawing.tokens import COLOURS, SERVICES, TINTS, Colour, properties

THEMES = ("light", "dark")
GROUNDS = ("bg", "surface", "sunken", "select")
TEXT = ("fg", "soft", "link", "bad", "warn", "ok", "info", "neutral")
READABLE = 4.5  # WCAG 2.2, 1.4.3
VISIBLE = 3.0  # WCAG 2.2, 1.4.11


def of(colour: Colour, theme: str) -> str:
    return str(getattr(colour, theme))


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("ground", GROUNDS)
@pytest.mark.parametrize("name", TEXT)
def test_text_is_readable_on_each_ground(name: str, ground: str, theme: str) -> None:
    assert contrast(of(COLOURS[name], theme), of(COLOURS[ground], theme)) >= READABLE


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("name", TINTS)
def test_a_status_is_readable_on_its_tint(name: str, theme: str) -> None:
    assert contrast(of(COLOURS[name], theme), of(TINTS[name], theme)) >= READABLE


@pytest.mark.parametrize("theme", THEMES)
def test_the_label_of_the_primary_button_is_readable(theme: str) -> None:
    assert contrast(of(COLOURS["bg"], theme), of(COLOURS["link"], theme)) >= READABLE


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("ground", GROUNDS)
def test_the_edge_of_a_control_is_seen(ground: str, theme: str) -> None:
    assert round(contrast(of(COLOURS["control"], theme), of(COLOURS[ground], theme)), 1) >= VISIBLE


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("ground", ["bg", "surface"])
@pytest.mark.parametrize("each", SERVICES, ids=lambda each: each.name)
def test_the_mark_of_a_service_is_seen(each: object, ground: str, theme: str) -> None:
    assert contrast(of(each.colour, theme), of(COLOURS[ground], theme)) >= VISIBLE  # type: ignore[attr-defined]


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("vision", VISIONS)
def test_services_are_told_apart_by_everybody(vision: str, theme: str) -> None:
    seen = {each.name: lab(of(each.colour, theme), vision) for each in SERVICES}
    nearest = min((ciede2000(seen[one], seen[other]), one, other) for one, other in combinations(seen, 2))
    assert nearest[0] >= 10.5, nearest


def test_the_distances_are_those_of_the_published_data() -> None:
    """Three pairs of the test data of Sharma, Wu and Dalal (2005)."""
    pairs = [
        ((50, 2.6772, -79.7751), (50, 0, -82.7485), 2.0425),
        ((50, -1.1848, -84.8006), (50, 0, -82.7485), 1.0),
        ((60.2574, -34.0099, 36.2677), (60.4626, -34.1751, 39.4387), 1.2644),
    ]
    assert [round(ciede2000(one, other), 4) for one, other, _ in pairs] == [wanted for *_, wanted in pairs]


def test_the_style_sheet_holds_each_token_in_both_themes() -> None:
    sheet = properties()
    for name, colour in COLOURS.items():
        assert re.findall(rf"--{name}:(#\w+);", sheet) == [colour.light, colour.dark, colour.dark]
    assert [f"--s{slot}:" in sheet for slot in range(len(SERVICES) + 1)] == [True] * len(SERVICES) + [False]
