"""Where output goes: results to stdout, progress and diagnostics to stderr, JSON alone on stdout."""

from __future__ import annotations

import json
import os
import sys
from typing import IO, TYPE_CHECKING, Any

from devenv.cli.control_characters import coloured, colourless, visible, visible_in_json
from devenv.cli.table import Styled, table_lines
from devenv.immutable import immutable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from devenv.cli.table import Cell, Column
    from devenv.errors import DevenvError
    from devenv.model.documents import Document


@immutable(kw_only=True)
class Style:
    """The output options of the user."""

    json: bool = False
    plain: bool = False
    quiet: bool = False
    verbose: bool = False


@immutable(kw_only=True)
class Output:
    """Both streams, and the one place through which all output goes.

    Text is never markup, and control characters in it are made visible: it comes from services, traces and files of
    others. A line is one line.

    Attributes:
        live: whether progress may be redrawn in place on stderr.
        colour: whether stdout is a terminal that shows colours.
    """

    style: Style
    stdout: IO[str]
    stderr: IO[str]
    live: bool
    colour: bool

    @classmethod
    def for_process(cls, style: Style) -> Output:
        """Output of this process, from its streams and ``NO_COLOR``, ``CI`` and ``TERM``."""
        dumb = os.environ.get("TERM") == "dumb"
        bare = style.plain or style.json or dumb
        return cls(
            style=style,
            stdout=sys.stdout,
            stderr=sys.stderr,
            live=sys.stderr.isatty() and not bare and not style.quiet and not os.environ.get("CI"),
            colour=sys.stdout.isatty() and not bare and not os.environ.get("NO_COLOR"),
        )

    @property
    def width(self) -> int | None:
        """Columns of the terminal that stdout is; ``None`` if it is a file or a pipe, which have no width."""
        if not self.stdout.isatty():
            return None
        asked = os.environ.get("COLUMNS", "")
        try:
            return (
                int(asked) if asked.isdecimal() and int(asked) else os.get_terminal_size(self.stdout.fileno()).columns
            )
        except OSError:  # a terminal that does not know its size
            return 80

    def document(self, document: Document) -> None:
        """Print the one JSON document of a command."""
        try:
            text = document.model_dump_json(by_alias=True)
        except ValueError:  # lone surrogates, as in file names that are not UTF-8
            text = json.dumps(document.model_dump(mode="json", by_alias=True), ensure_ascii=False)
        self.stdout.write(visible_in_json(text) + "\n")

    def json_line(self, value: dict[str, Any]) -> None:
        """Print one line of a newline-delimited JSON stream and flush it."""
        self.stdout.write(visible_in_json(json.dumps(value, ensure_ascii=False)) + "\n")
        self.stdout.flush()

    def line(self, *cells: Cell) -> None:
        """Print one line of a result, from text and styled text."""
        self.stdout.write("".join(self._shown(cell) for cell in cells) + "\n")

    def lines(self, text: str) -> None:
        """Print text of several lines, such as a file's."""
        for line in text.split("\n"):
            self.line(line)

    def table(self, columns: Sequence[Column], rows: Sequence[Sequence[Cell]]) -> None:
        """Print a table that fits the terminal."""
        for line in table_lines(columns, rows, self.width):
            self.line(*line)

    def log_line(self, head: Styled, text: str) -> None:
        """Print a line of a service's output and flush it; its own colours are kept if colours are shown."""
        shown = coloured(text) if self.colour else visible(colourless(text))
        self.stdout.write(f"{self._shown(head)} {shown}\n")
        self.stdout.flush()

    def note(self, text: str) -> None:
        """Print one line of progress or a diagnostic."""
        if not self.style.quiet:
            self.warn(text)

    def warn(self, text: str) -> None:
        """Print one line of a diagnostic that ``--quiet`` does not hide."""
        self.stderr.write(visible(text) + "\n")
        self.stderr.flush()

    def _shown(self, cell: Cell) -> str:
        if not isinstance(cell, Styled):
            return visible(cell)
        text = visible(cell.text)
        return f"\x1b[{cell.style}m{text}\x1b[0m" if self.colour and cell.style and text else text

    def live_console(self) -> Console:
        """A console on stderr for progress that is redrawn in place."""
        from rich.console import Console

        return Console(file=self.stderr, highlight=False, markup=False, emoji=False)

    def error(self, error: DevenvError) -> None:
        """Print an error: as a JSON document with ``--json``, else as message and hint on stderr."""
        if self.style.json:
            from devenv.model.documents import ErrorDocument, ErrorPart

            part = ErrorPart(
                code=error.exit_code,
                kind=error.kind,
                message=error.message,
                hint=error.hint,
                details=error.details,
            )
            self.document(ErrorDocument(error=part))
            return
        for one in (error, *getattr(error, "others", ())):
            self.warn(f"devenv: {one.message}")
            expected = getattr(one, "expected", "")
            if expected and expected not in one.message:
                self.warn(f"  expected: {expected}")
            if one.hint:
                self.warn(f"  hint: {one.hint}")
        for line in error.details.get("output", ()):
            self.warn(f"  | {colourless(line)}")
