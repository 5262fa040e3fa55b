"""Stacks of several files, written below a directory."""

from __future__ import annotations

from pathlib import Path

import pytest

from devenv.errors import StackFileError
from devenv.model.stack import Stack
from devenv.stack import load_stack


def write(place: Path, files: dict[str, str]) -> None:
    """Write files by their paths below ``place``."""
    for name, text in files.items():
        path = place / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def load(place: Path, files: dict[str, str], **environ: str) -> Stack:
    """Load ``compose.yaml``, with variables."""
    write(place, files)
    return load_stack([place / "compose.yaml"], environ=environ)


def failure(place: Path, files: dict[str, str]) -> StackFileError:
    """Return the error of loading ``compose.yaml``."""
    with pytest.raises(StackFileError) as caught:
        load(place, files)
    return caught.value
