"""``devenv init``: creates a project from the sample stack; its images build without any published package."""

from __future__ import annotations

import os
import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from devenv.app.scaffold.changes import new_files
from devenv.app.scaffold.library import FOLDER, build_library, vendored
from devenv.disk import read_regular_file
from devenv.errors import EnvironmentFailure, UsageError
from devenv.model.identity import slug
from devenv.model.scaffold import InitDocument
from devenv.stack.discovery import OVERRIDE_NAMES, files_in, shipped_stacks, shipped_templates

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from devenv.app.invocation import Invocation

STACK_FILE = "compose.yaml"
_SAMPLE = "sample"
_TEMPLATE = "project"
_LEFT_OUT = frozenset({"__pycache__", ".devenv", FOLDER})
_IGNORES = (".dockerignore", ".gitignore")
# Files of a new repository, which the stack does not need to run.
_MAY_STAY = ("README.md", *_IGNORES)
_HIDES_THE_LIBRARY = frozenset({FOLDER, f"{FOLDER}/*", f"{FOLDER}/**", "*.whl", "*", "**"})
_IMAGE = ("x-image", "image")
_BUILD = ("x-image", "build")


def init_project(
    invocation: Invocation, *, directory: Path | None = None, name: str | None = None, dry_run: bool = False
) -> InitDocument:
    """Create a project from the sample stack; an existing README.md, .dockerignore or .gitignore is not changed.

    Args:
        invocation: its directory is the project's, unless another is given.
        directory: relative to it; created if it does not exist.
        name: of the project; by default derived from the directory's.
        dry_run: write nothing.

    Raises:
        UsageError: If the directory contains a stack file or one of the new files, or the name is not valid.
        EnvironmentFailure: If a file cannot be read or written; then nothing is created.
    """
    root = (invocation.start / (directory or "")).resolve()
    _refuse_a_stack(root)
    files = project_files(_name_for(root, name))
    _refuse_other_wheels(root, files)
    kept = {name: files.pop(name) for name in _MAY_STAY if (root / name).is_file()}
    notes = [_about_kept(root / name, content) for name, content in kept.items()]
    changes = new_files(root, files)
    if not dry_run:
        changes.make()
    return InitDocument(
        directory=str(root),
        file=str(root / STACK_FILE),
        files=list(files),
        changed=not dry_run,
        dry_run=dry_run,
        entrypoint="gateway",
        notes=notes,
        next=_next(invocation.start, root),
    )


def project_files(name: str) -> dict[str, bytes]:
    """The files of a project called ``name``, by path; the stack file is last: if it exists, all files do."""
    files = {**dict(_below(shipped_stacks() / _SAMPLE)), **dict(_below(shipped_templates() / _TEMPLATE))}
    stack_file = _edited(files.pop(STACK_FILE).decode(), name)
    wheel, content = build_library()
    return {**dict(sorted(files.items())), f"{FOLDER}/{wheel}": content, STACK_FILE: stack_file.encode()}


def _below(folder: Path) -> Iterator[tuple[str, bytes]]:
    for path in sorted(folder.rglob("*")):
        inside = path.relative_to(folder)
        if path.is_file() and not _LEFT_OUT.intersection(inside.parts) and path.suffix != ".pyc":
            yield inside.as_posix(), path.read_bytes()


def _edited(text: str, name: str) -> str:
    """The sample's stack file, for a project whose directory is the build context."""
    from devenv.stack.edit import YamlText, scalar

    stack_file = YamlText(text, STACK_FILE)
    stack_file.replace(("name",), scalar(name))
    stack_file.replace(_IMAGE, scalar(f"{_repository(name)}:latest"))
    stack_file.replace((*_BUILD, "context"), ".")
    stack_file.replace((*_BUILD, "dockerfile"), "Dockerfile")
    return stack_file.text


def _repository(name: str) -> str:
    """A valid image name, without repeated separators."""
    return re.sub(r"[_-]{2,}", "-", name)


def _name_for(root: Path, name: str | None) -> str:
    if name is None:
        return slug(root.name)
    if slug(name) != name:
        raise UsageError(
            f"--name: found {name!r}, expected lowercase letters, digits, - and _ (used for images and containers)",
            hint=f"use --name {slug(name)}",
        )
    return name


def _refuse_a_stack(root: Path) -> None:
    if root.exists() and not root.is_dir():
        raise UsageError(f"{root} is not a directory", hint="pass a directory; devenv creates it if it does not exist")
    if found := files_in(root):
        raise _is_a_project(root, [path.name for path in found])
    # An override file alone is not a stack, but would change the one that init creates.
    if overrides := [name for name in OVERRIDE_NAMES if (root / name).exists()]:
        raise _is_a_project(root, overrides)


def _is_a_project(root: Path, names: list[str]) -> UsageError:
    return UsageError(
        f"{root} is already a project: it contains {', '.join(names)}",
        hint=f"to prepare it, run `devenv init --from {names[0]}`; for a sample project, use another DIR",
        details={"files": names},
    )


def _refuse_other_wheels(root: Path, files: Mapping[str, bytes]) -> None:
    """Refuse other wheels of the library, which the image build would install as well."""
    others = [f"{FOLDER}/{path.name}" for path in vendored(root) if f"{FOLDER}/{path.name}" not in files]
    if others:
        raise UsageError(
            f"{root} already contains {', '.join(others)}", hint="remove or move it", details={"files": others}
        )


def _about_kept(path: Path, content: bytes) -> str:
    """A note about the existing file at ``path``, kept instead of one with ``content``."""
    said = f"kept {path.name}"
    if path.name not in _IGNORES:
        return f"{said}; devenv's version, with instructions for the project, was not written"
    try:
        there = _patterns(read_regular_file(path).decode(errors="replace"))
    except OSError as error:
        raise EnvironmentFailure(
            f"cannot read {path}: {error.strerror or error}", hint="check its permissions"
        ) from error
    missing = [line for plain, line in _patterns(content.decode()).items() if plain not in there]
    if missing:
        said += f"; add the missing lines: {', '.join(missing)}"
    if f"!{FOLDER}" not in there and (hiding := [line for plain, line in there.items() if plain in _HIDES_THE_LIBRARY]):
        said += f"; remove {', '.join(hiding)}, because the image build needs {FOLDER}/"
    return said


def _patterns(text: str) -> dict[str, str]:
    """The lines of an ignore file by their meaning at the top: ``/.venv/`` and ``**/.venv`` both mean ``.venv``."""
    lines = (line.strip() for line in text.splitlines())
    return {line.removeprefix("**/").strip("/"): line for line in lines if line and not line.startswith("#")}


def _next(here: Path, root: Path) -> list[str]:
    enter = [] if here.resolve() == root else [shlex.join(["cd", os.path.relpath(root, here.resolve())])]
    return [*enter, "devenv up", "devenv load --rps 50", "devenv open jaeger", "devenv down"]
