"""``devenv init --from``: adds ``x-devenv`` to an existing Compose file and its services; no line changes."""

from __future__ import annotations

import difflib
import os
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from devenv.app.derived_processes import process_of
from devenv.app.scaffold.changes import Changes, read_text
from devenv.app.scaffold.entrypoint import choose_entrypoint
from devenv.app.scaffold.library import FOLDER, library_changes
from devenv.app.scaffold.process_entry import process_entry, with_processes
from devenv.app.scaffold.survey import survey
from devenv.errors import ConfigurationError, UsageError
from devenv.immutable import immutable
from devenv.model.scaffold import InitDocument
from devenv.stack.discovery import files_in, shipped_templates
from devenv.stack.edit import YamlText, scalar
from devenv.stack.loader import load_stack

if TYPE_CHECKING:
    from devenv.app.invocation import Invocation
    from devenv.model.stack import Stack

KEY = "x-devenv"


@immutable(kw_only=True)
class PreparationOptions:
    """The options of the preparation.

    Attributes:
        file: the stack file, relative to the invocation's directory.
        entrypoint: a service's name; ``None``: choose one.
        canary_path: path and query of the canary's request and of the first scenario.
        library: add the tracing library to ``vendor/``.
        dry_run: write nothing.
    """

    file: Path
    entrypoint: str | None = None
    canary_path: str = "/"
    library: bool = False
    dry_run: bool = False


def prepare_existing(invocation: Invocation, wanted: PreparationOptions) -> InitDocument:
    """Prepare a project; if it already has ``x-devenv``, describe it and do not change its file.

    Raises:
        StackFileError: If the file is not a valid stack file.
        UsageError: If no entry point can be chosen, or the canary's path is not a path.
        EnvironmentFailure: If a file cannot be written; then nothing is changed.
    """
    if not wanted.canary_path.startswith("/"):
        raise UsageError(f"--canary-path: found {wanted.canary_path!r}, expected a path starting with /")
    files = _files(invocation.start / wanted.file)
    stack = load_stack(files, environ=invocation.environ)
    texts = {path: read_text(path) for path in files}
    has = next((path for path, text in texts.items() if YamlText(text, str(path)).find((KEY,)) is not None), None)
    old = new = texts[files[0]]
    entrypoint = stack.x.entrypoint
    if has is None:
        entrypoint = choose_entrypoint(stack, wanted.entrypoint)
        new = with_block(old, files[0], entrypoint, wanted.canary_path)
    processes = _processes(stack, invocation)
    if has is None:
        new = with_processes(new, files[0], stack, processes)
    services = survey(stack, processes)
    changes = _changes(invocation.start, files[0], old, new, library=wanted.library)
    if not wanted.dry_run:
        changes.make()
    written = [_shown(invocation.start, path) for path in (*changes.edited, *changes.created, *changes.replaced)]
    return InitDocument(
        directory=str(invocation.start),
        file=str(files[0]),
        files=written,
        changed=bool(written) and not wanted.dry_run,
        dry_run=wanted.dry_run,
        diff=_diff(old, new, _shown(invocation.start, files[0])),
        entrypoint=entrypoint,
        services=services,
        inactive=list(stack.inactive),
        notes=_notes(stack, has, wanted, python=any(part.traced_command for part in services)),
        next=_next(invocation.start, files),
    )


def _processes(stack: Stack, invocation: Invocation) -> dict[str, str]:
    derived = process_of(stack, invocation.environ)
    entries = {name: process_entry(process) for name, process in derived.items()}
    return {name: entry for name, entry in entries.items() if entry is not None}


def with_block(text: str, file: Path, entrypoint: str, canary_path: str) -> str:
    """``text`` with ``x-devenv`` above the services, or at the end if that is not possible."""
    document = YamlText(text, str(file))
    block = _block(entrypoint, canary_path)
    try:
        document.insert_before((), "services", KEY, block)
    except ConfigurationError:
        document.add((), KEY, block)
    return document.text


def _block(entrypoint: str, canary_path: str) -> str:
    template = (shipped_templates() / "existing" / f"{KEY}.yaml").read_text(encoding="utf-8")
    path = scalar(canary_path.replace("$", "$$"))
    return template.replace("__entrypoint__", scalar(entrypoint)).replace("__path__", path)


def _files(file: Path) -> tuple[Path, ...]:
    """The file and, if it is the stack file of its directory, the override file beside it."""
    path = Path(os.path.normpath(file.absolute()))
    found = files_in(path.parent)
    return found if found and found[0] == path else (path,)


def _changes(directory: Path, file: Path, old: str, new: str, *, library: bool) -> Changes:
    changes = Changes(edited={file: (old, new)} if new != old else {})
    return changes.after(library_changes(directory)[1]) if library else changes


def _notes(stack: Stack, has: Path | None, wanted: PreparationOptions, *, python: bool) -> list[str]:
    notes = [f"{warning.location}: {warning.message}" for warning in stack.warnings]
    if has is not None:
        notes.insert(0, f"{has.name} already has {KEY}; not changed")
    if python and not wanted.library:
        notes.append("a traced image needs the tracing library; add it to vendor/ with --library")
    if wanted.library:
        notes.append(
            f"in a Dockerfile: COPY {FOLDER}/ /opt/vendor/, then RUN pip install /opt/vendor/devenv_otel-*.whl"
        )
    return notes


def _diff(old: str, new: str, name: str) -> str:
    lines = difflib.unified_diff(old.splitlines(keepends=True), new.splitlines(keepends=True), name, name)
    return "".join(lines)


def _shown(directory: Path, file: Path) -> str:
    return str(file.relative_to(directory)) if file.is_relative_to(directory) else str(file)


def _next(directory: Path, files: tuple[Path, ...]) -> list[str]:
    options = "" if files_in(directory) == files else f" -f {shlex.quote(_shown(directory, files[0]))}"
    return [f"devenv{options} {rest}" for rest in ("up --dry-run", "up", "load --rps 50", "open jaeger", "down")]
