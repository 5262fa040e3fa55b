"""The values that all drawing is made of: colours, type, space and sizes.

No page, report or picture uses a value outside these tables. ``tests/unit/drawing/test_tokens.py`` computes the
contrasts (WCAG 2.2) and the distances between the services' colours (CIEDE2000, with three kinds of colour blindness
simulated).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from devenv.immutable import immutable


@immutable()
class Colour:
    """A colour in the light and in the dark theme, as ``#rrggbb``."""

    light: str
    dark: str


@immutable()
class ServiceColour:
    """The colour of a service's marks: bars, stripes, edges of nodes; never text, and never under text.

    Attributes:
        name: its name for people.
        colour: in both themes.
    """

    name: str
    colour: Colour


@immutable()
class Type:
    """A size of text in pixels at the browser's default size: the letters, the line, and the weight."""

    size: int
    line: int
    weight: int


COLOURS: Mapping[str, Colour] = {
    "bg": Colour("#ffffff", "#101317"),
    "surface": Colour("#f4f6f8", "#181c21"),
    "sunken": Colour("#e9edf1", "#21272e"),
    "select": Colour("#dcebfb", "#1a3350"),
    "line": Colour("#d3dae1", "#303841"),
    "control": Colour("#7c8793", "#75808c"),
    "fg": Colour("#171c21", "#e8ebee"),
    "soft": Colour("#515c67", "#a4aeb8"),
    "link": Colour("#0b57b0", "#82b8ff"),
    "bad": Colour("#a8151f", "#f97583"),
    "warn": Colour("#8f5f00", "#f5c86a"),
    "ok": Colour("#0f6e5a", "#63d2b0"),
    "info": Colour("#0b57b0", "#82b8ff"),
    "neutral": Colour("#515c67", "#a4aeb8"),
}
"""By the name of what they are for; ``line`` is decoration, ``control`` the edge of inputs and buttons."""

TINTS: Mapping[str, Colour] = {
    "bad": Colour("#fdecea", "#3a191d"),
    "warn": Colour("#fff3d6", "#352a10"),
    "ok": Colour("#e2f4ee", "#10302a"),
    "info": Colour("#e4effc", "#16304f"),
    "neutral": COLOURS["sunken"],
}
"""What is behind a status's word."""

SERVICES = (
    ServiceColour("rose", Colour("#a13957", "#ba5566")),
    ServiceColour("orange", Colour("#d46b01", "#d48c3a")),
    ServiceColour("olive", Colour("#695f01", "#dbd856")),
    ServiceColour("sage", Colour("#7a8f59", "#a7b88f")),
    ServiceColour("forest", Colour("#254d25", "#2c7d1f")),
    ServiceColour("teal", Colour("#408a77", "#199b85")),
    ServiceColour("steel", Colour("#206681", "#7a8cb1")),
    ServiceColour("sky", Colour("#1d8ef5", "#30aff8")),
    ServiceColour("indigo", Colour("#4f4de3", "#bdd1f9")),
    ServiceColour("violet", Colour("#560499", "#8450d9")),
    ServiceColour("mauve", Colour("#a17dac", "#806383")),
    ServiceColour("plum", Colour("#5c3052", "#d5a8be")),
)

TYPES: Mapping[str, Type] = {
    "xs": Type(12, 16, 400),
    "sm": Type(13, 20, 400),
    "base": Type(14, 20, 400),
    "md": Type(16, 24, 600),
    "lg": Type(20, 28, 600),
    "xl": Type(28, 32, 600),
}

SPACES = (2, 4, 8, 12, 16, 24, 32, 48)
"""Pixels of ``--sp-1`` to ``--sp-8``."""

NARROW = 560
"""Pixels of width below which a page is in one column, and controls move below each other."""

TEXT_COLUMN = 1200
"""Pixels that text and tables are wide at most."""

_DEFAULT_SIZE = 16
"""Pixels of a browser's text: sizes are in rem, so that a larger text setting enlarges all of them."""


def properties() -> str:
    """The tokens as custom properties of a style sheet, for both themes.

    A page follows the browser's setting, unless ``data-theme`` of the document's element names a theme.
    """
    fixed = {
        **{f"t-{name}": f"{_rem(each.size)}/{_rem(each.line)}" for name, each in TYPES.items()},
        **{f"size-{name}": _rem(each.size) for name, each in TYPES.items()},
        **{f"sp-{number}": f"{pixels}px" for number, pixels in enumerate(SPACES, 1)},
    }
    light = "".join(f"--{name}:{colour.light};" for name, colour in _colours())
    dark = "".join(f"--{name}:{colour.dark};" for name, colour in _colours())
    shared = "".join(f"--{name}:{value};" for name, value in fixed.items())
    return (
        f":root{{color-scheme:light;{shared}{light}}}"
        f"@media(prefers-color-scheme:dark){{:root:not([data-theme=light]){{color-scheme:dark;{dark}}}}}"
        f":root[data-theme=dark]{{color-scheme:dark;{dark}}}"
    )


def _colours() -> Iterator[tuple[str, Colour]]:
    yield from COLOURS.items()
    yield from ((f"{name}-tint", colour) for name, colour in TINTS.items())
    yield from ((f"s{slot}", each.colour) for slot, each in enumerate(SERVICES))


def _rem(pixels: int) -> str:
    return f"{pixels / _DEFAULT_SIZE:g}rem"
