"""What a value of a stack file means: the directory of its relative paths, and the variables of its ``$``."""

from __future__ import annotations

import os
from pathlib import Path

from devenv.immutable import immutable
from devenv.stack.env.interpolation import Lookup


@immutable()
class ReadingScope:
    """The scope of the stack's own files, or of files that are included.

    Attributes:
        directory: absolute; relative paths start there.
        home: replaces ``~``.
        lookup: finds variables for interpolation.
        including: the files that are being included, from the outermost to the innermost; empty for the stack's own.
    """

    directory: Path
    home: str
    lookup: Lookup
    including: tuple[Path, ...] = ()

    def path(self, text: str) -> Path:
        """Return the absolute path of ``text``."""
        if text == "~" or text.startswith("~/"):
            text = self.home + text[1:]
        return Path(os.path.normpath(self.directory / text))
