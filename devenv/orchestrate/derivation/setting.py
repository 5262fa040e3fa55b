"""Where the command of a service runs."""

from __future__ import annotations

import os
import posixpath
from pathlib import Path
from typing import TYPE_CHECKING

from devenv.immutable import immutable

if TYPE_CHECKING:
    from devenv.orchestrate.derivation.outcome import Machine
    from devenv.orchestrate.derivation.places import Places


@immutable(kw_only=True)
class Setting:
    """Where a command runs.

    Attributes:
        places: the files of the image.
        inside: the working directory in the container, absolute.
        cwd: the same on this machine.
        root: the directory of the stack file.
        machine: this machine.
    """

    places: Places
    inside: str
    cwd: Path
    root: Path
    machine: Machine

    def shown(self, path: Path) -> str:
        """``path`` as the user writes it: relative to the stack file."""
        return os.path.relpath(path, self.root) if path.is_relative_to(self.root) else str(path)

    def relative(self, path: Path) -> str:
        """``path`` for a command in the working directory."""
        relative = os.path.relpath(path, self.cwd)
        return relative if os.sep in relative else f"./{relative}"

    def file(self, word: str) -> Path | None:
        """The file of this machine that ``word`` names in the container, absolute or from its working directory."""
        found = self.places.find(posixpath.normpath(posixpath.join(self.inside, word)))
        if found is None and not word.startswith("/") and (self.cwd / word).exists():
            return self.cwd / word
        return found
