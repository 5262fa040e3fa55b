"""Log lines for people: one colour per service, names in one column."""

from __future__ import annotations

from typing import TYPE_CHECKING

from devenv.cli.table import Styled

if TYPE_CHECKING:
    from devenv.cli.output import Output
    from devenv.model.log import ServiceLine

_COLOURS = (36, 33, 32, 35, 34, 96, 93, 92)
"""ANSI foreground colours that are legible on light and dark."""
_SENT = {"otlp": "log record", "event": "event"}


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
        head = Styled(f"{name:<{self._width}} |", str(colour))
        for text in _texts(line):
            self._output.log_line(head, text)


def _texts(line: ServiceLine) -> list[str]:
    """What to print: a log record or an event is marked as such, because the service did not print it."""
    if line.stream not in _SENT:
        return [line.text]
    first, *rest = line.text.splitlines() or [""]
    where = f" of span {line.span_id}" if line.span_id else ""
    severity = f"{line.severity} " if line.severity else ""
    return [f"{severity}{first}  [{_SENT[line.stream]}{where}]", *rest]
