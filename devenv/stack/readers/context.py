"""The context of all readers of one stack: its directory, the variables of the shell, and its problems."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from devenv.immutable import immutable
from devenv.stack.env.interpolation import Lookup
from devenv.stack.problems import Problems

MAXIMUM_ENV_FILES = 32 * 1024 * 1024
"""Bytes of all ``env_file`` files, each counted once for each service that uses it."""


@dataclass(slots=True)
class Allowance:
    """A number of bytes of which a part is used up."""

    left: int


@immutable()
class Context:
    """The context of a stack.

    Attributes:
        directory: absolute; relative paths in all its files are resolved against it.
        environ: environment of the command; its ``HOME`` replaces ``~``.
        lookup: finds a variable in the command's environment, then in ``.env``.
        problems: receives what is wrong.
        env_files: the bytes that ``env_file`` files may still have, all services together.
        origins: origins of the values that are not in a stack file, by key.
    """

    directory: Path
    environ: Mapping[str, str]
    lookup: Lookup
    problems: Problems
    env_files: Allowance = field(default_factory=lambda: Allowance(MAXIMUM_ENV_FILES))
    origins: dict[str, str] = field(default_factory=dict)

    @property
    def home(self) -> str:
        """Return what replaces ``~``."""
        return self.environ.get("HOME", str(Path.home()))

    def path(self, text: str) -> Path:
        """Return the absolute path of ``text``; ``~`` is the home directory."""
        if text == "~" or text.startswith("~/"):
            text = self.home + text[1:]
        return Path(os.path.normpath(self.directory / text))
