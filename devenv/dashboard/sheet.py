"""The style sheet of the pages: the tokens of :mod:`devenv.drawing.tokens`, ``pages.css``, and rules with numbers."""

from __future__ import annotations

import re
from pathlib import Path

from devenv.drawing.tokens import NARROW, SERVICES, TEXT_COLUMN, properties

MAX_DEPTH = 40
"""Depth below which rows of the waterfall are not indented further."""

_INDENT, _NARROW_INDENT = 12, 8
"""Pixels for each level of the waterfall."""

_NARROW_DEPTH = 12
"""Levels that are indented on a narrow screen."""


def style_sheet() -> str:
    """The whole sheet, without comments and the blanks that only people need."""
    written = Path(__file__).with_name("pages.css").read_text(encoding="utf-8")
    base = re.sub(r"/\*.*?\*/", "", written, flags=re.DOTALL)
    base = re.sub(r"\s*([{};:,])\s+|\s+([{}])", r"\1\2", base).replace(";}", "}")
    colours = "".join(
        f".s{slot}{{fill:var(--s{slot})}}.stripe.s{slot}{{background-color:var(--s{slot})}}"
        for slot in range(len(SERVICES))
    )
    depths = range(MAX_DEPTH + 1)
    indents = "".join(f".d{depth}{{padding-left:{8 + _INDENT * depth}px}}" for depth in depths)
    narrow = "".join(
        f".d{depth}{{padding-left:{8 + _NARROW_INDENT * min(depth, _NARROW_DEPTH)}px}}" for depth in depths
    )
    column = f":root{{--column:{TEXT_COLUMN}px}}"
    return f"{properties()}{column}{base}{colours}{indents}@media(max-width:{NARROW}px){{{narrow}}}"
