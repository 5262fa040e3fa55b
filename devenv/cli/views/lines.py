"""Log lines for people: one colour per service, names in one column."""

from __future__ import annotations

from typing import TYPE_CHECKING

from devenv.cli.table import Styled

if TYPE_CHECKING:
    from devenv.app.environment.logs import ServiceLine
    from devenv.cli.output import Output

_COLOURS = (36, 33, 32, 35, 34, 96, 93, 92)
"""ANSI foreground colours that are legible on light and dark."""


class LineView:
    """Writes lines as they arrive; the column of names is as wide as the longest name so far."""

    def __init__(self, output: Output) -> None:
        self._output = output
        self._colours: dict[str, int] = {}
        self._width = 0

    def show(self, line: ServiceLine) -> None:
        """Write one line and flush it."""
        name = line.service if line.instance <= 1 else f"{line.service}-{line.instance}"
        self._width = max(self._width, len(name))
        colour = self._colours.setdefault(line.service, _COLOURS[len(self._colours) % len(_COLOURS)])
        self._output.log_line(Styled(f"{name:<{self._width}} |", str(colour)), line.text)
