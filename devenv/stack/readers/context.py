"""What the readers of one stack share: its directory, the variables of the shell, and where problems go."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from devenv.stack.env.interpolation import Lookup
from devenv.stack.problems import Problems


@dataclass(frozen=True, slots=True)
class Context:
    """Surroundings of a stack.

    Attributes:
        directory: absolute; relative paths of all its files start here.
        environ: environment of the command, for ``~``.
        lookup: environment of the command, then ``.env``.
        origins: where values came from that do not stand in a stack file, by key.
    """

    directory: Path
    environ: Mapping[str, str]
    lookup: Lookup
    problems: Problems
    origins: dict[str, str] = field(default_factory=dict)

    def path(self, text: str) -> Path:
        """The absolute path that ``text`` names; ``~`` is the home directory."""
        if text == "~" or text.startswith("~/"):
            text = self.environ.get("HOME", str(Path.home())) + text[1:]
        return Path(os.path.normpath(self.directory / text))
