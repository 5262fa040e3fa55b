"""Where output goes: results to stdout, progress and diagnostics to stderr, JSON alone on stdout."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

    from devenv.errors import DevenvError
    from devenv.model.documents import Document


WIDTH_OF_FILES = 200
"""Columns of output that is not a terminal, so that a table in a file or a pipe is not cut."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Style:
    """The output options of the user."""

    json: bool = False
    plain: bool = False
    quiet: bool = False
    verbose: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """Both streams, and how to write to them.

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

    def document(self, document: Document) -> None:
        """Print the one JSON document of a command."""
        self.stdout.write(document.model_dump_json(by_alias=True) + "\n")

    def json_line(self, value: dict[str, Any]) -> None:
        """Print one line of a newline-delimited JSON stream and flush it."""
        self.stdout.write(json.dumps(value, ensure_ascii=False) + "\n")
        self.stdout.flush()

    def line(self, text: str = "") -> None:
        """Print one line of a result."""
        self.stdout.write(text + "\n")

    def note(self, text: str) -> None:
        """Print one line of progress or a diagnostic."""
        if not self.style.quiet:
            self.stderr.write(text + "\n")
            self.stderr.flush()

    def console(self, *, stderr: bool = False) -> Console:
        """A rich console on one of the streams."""
        from rich.console import Console

        stream = self.stderr if stderr else self.stdout
        bare = self.style.plain or self.style.json
        width = None if stream.isatty() else WIDTH_OF_FILES
        return Console(file=stream, no_color=bare or None, highlight=False, width=width, emoji=False)

    def render(self, renderable: RenderableType) -> None:
        """Print a table or text to stdout."""
        self.console().print(renderable)

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
            self.stderr.write(f"devenv: {one.message}\n")
            expected = getattr(one, "expected", "")
            if expected and expected not in one.message:
                self.stderr.write(f"  expected: {expected}\n")
            if one.hint:
                self.stderr.write(f"  hint: {one.hint}\n")
        for line in error.details.get("output", ()):
            self.stderr.write(f"  | {line}\n")
        self.stderr.flush()
