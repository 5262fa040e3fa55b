"""The identity of a project: its directory and the derived name of its engine objects."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from devenv.immutable import immutable

LABEL_PROJECT = "devenv.project"
LABEL_DIRECTORY = "devenv.directory"
LABEL_STACK = "devenv.stack"
LABEL_SERVICE = "devenv.service"
LABEL_INSTANCE = "devenv.instance"
LABEL_CONFIG_HASH = "devenv.config-hash"
LABEL_ROLE = "devenv.role"
"""Roles of a service, joined by commas: ``entrypoint``, ``trace-backend``."""

HASH_LENGTH = 6
"""Hex digits of the directory's hash: so that two worktrees of one project have different names."""


@immutable()
class Project:
    """A project's identity.

    Attributes:
        directory: absolute, symlink-free path.
        name: slug of the stack file's ``name:``, else of the directory's name.
        id: ``<name>-<hash of the directory>``; prefix of the names of all objects that devenv creates for it.
    """

    directory: Path
    name: str
    id: str

    @property
    def state_directory(self) -> Path:
        """``.devenv/`` in the project directory; may not exist."""
        return self.directory / ".devenv"


def slug(text: str) -> str:
    """Return ``text`` in the characters of a Compose project name (``[a-z0-9_-]``); ``devenv`` if none is left."""
    cleaned = re.sub(r"[^a-z0-9_-]+", "-", text.lower()).strip("-_")
    return cleaned or "devenv"


def identify(directory: Path, name: str | None = None) -> Project:
    """Return the identity of the project in ``directory`` with the stack file's ``name``.

    Only the resolved path is hashed; a renamed stack in the same directory is found by its directory label.
    """
    resolved = directory.resolve()
    digest = hashlib.sha256(str(resolved).encode("utf-8", "surrogateescape")).hexdigest()[:HASH_LENGTH]
    project_name = slug(name or resolved.name)
    return Project(directory=resolved, name=project_name, id=f"{project_name}-{digest}")
