"""Saved runs on disk: one folder per run, with ``run.json`` and the rows."""

from __future__ import annotations

import dataclasses
import json
import os
import secrets
import shutil
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from devenv.disk import not_written, replace_file
from devenv.errors import UnknownName
from devenv.model.load_documents import LoadDocument
from devenv.model.run import RunRecord
from devenv.suggestions import suggest

KEEP_RUNS = 50
KEEP_BYTES = 500_000_000
_ABANDONED_AFTER = 86_400.0
"""Seconds; an older folder without a document belongs to a run that was killed, not to one in progress."""


def new_run_id(now: float) -> str:
    """Return an ID that sorts by its time (UTC, in seconds) and is unique by four hex digits."""
    return f"{datetime.fromtimestamp(now, UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(2)}"


class RunStore:
    """The saved runs of a project.

    Args:
        directory: ``.devenv/runs``; created with the first run.
        keep_runs: the maximum number of runs; the oldest are removed first.
        keep_bytes: the maximum size of all runs; the newest run is kept at any size.
    """

    def __init__(self, directory: Path, *, keep_runs: int = KEEP_RUNS, keep_bytes: int = KEEP_BYTES) -> None:
        self.directory = directory
        self._keep_runs = keep_runs
        self._keep_bytes = keep_bytes

    def begin(self, run_id: str) -> Path:
        """Create the folder of a new run and return the path of its rows file.

        Raises:
            EnvironmentFailure: If it cannot be created.
        """
        folder = self.directory / run_id
        try:
            folder.mkdir(parents=True, mode=0o700)
        except OSError as error:
            raise not_written(folder, error) from error
        return folder / "rows"

    def save(self, document: LoadDocument, record: RunRecord) -> None:
        """Write a run's document, and remove runs beyond the limits."""
        content = {
            "document": document.model_dump(mode="json", by_alias=True),
            "record": dataclasses.asdict(record),
        }
        replace_file(self._file(document.run_id), json.dumps(content, indent=1).encode(), durable=False)
        self._retain(document.run_id)

    def list(self) -> list[LoadDocument]:
        """Return all finished runs, the newest first, without those of an incompatible version."""
        found = (self._read(run_id) for run_id in self._ids())
        return [document for document in found if document is not None]

    def latest(self) -> LoadDocument | None:
        """Return the newest finished run, or ``None``."""
        return next((document for run_id in self._ids() if (document := self._read(run_id))), None)

    def document_or_none(self, run: str) -> LoadDocument | None:
        """Return a run by its ID, else the newest run with that name."""
        if run in self._ids():
            return self._read(run)
        return next((document for document in self.list() if document.name == run), None)

    def document(self, run: str) -> LoadDocument:
        """Return a run by its ID, else the newest run with that name.

        Raises:
            UnknownName: If no such run exists.
        """
        document = self.document_or_none(run)
        if document is None:
            raise self._unknown(run)
        return document

    def record(self, run: str) -> RunRecord:
        """Return the options of a run.

        Raises:
            UnknownName: If no such run exists.
        """
        content = self._content(self.document(run).run_id) or {}
        return RunRecord(**content["record"])

    def rows_path(self, run_id: str) -> Path:
        """Return the path of a run's rows file."""
        return self.directory / run_id / "rows"

    def remove(self, run: str) -> str:
        """Remove a run by ID or name and return its ID.

        Raises:
            UnknownName: If no such run exists.
        """
        run_id = self.document(run).run_id
        shutil.rmtree(self.directory / run_id)
        return run_id

    def discard(self, run_id: str) -> None:
        """Remove the folder of a run, with or without a document."""
        shutil.rmtree(self.directory / run_id, ignore_errors=True)

    def _ids(self) -> tuple[str, ...]:
        """Return the IDs of the finished runs, the newest first."""
        found = (path.parent.name for path in self.directory.glob("*/run.json"))
        return tuple(sorted(found, reverse=True))

    def _file(self, run_id: str) -> Path:
        return self.directory / run_id / "run.json"

    def _content(self, run_id: str) -> dict[str, Any] | None:
        try:
            content = json.loads(self._file(run_id).read_text())
        except (FileNotFoundError, ValueError):
            return None
        return content if isinstance(content, dict) else None

    def _read(self, run_id: str) -> LoadDocument | None:
        content = self._content(run_id)
        if content is None:
            return None
        try:
            return LoadDocument.model_validate(content.get("document"))
        except ValidationError:
            return None  # written by a version with other fields

    def _retain(self, newest: str) -> None:
        total = 0
        for position, run_id in enumerate(self._ids()):
            total += _size(self.directory / run_id)
            beyond = position >= self._keep_runs or total > self._keep_bytes
            if beyond and run_id != newest:
                self.discard(run_id)
        for folder in self.directory.iterdir():
            if not (folder / "run.json").exists() and time.time() - folder.stat().st_mtime > _ABANDONED_AFTER:
                self.discard(folder.name)

    def _unknown(self, run: str) -> UnknownName:
        known = self._ids()
        newest = f"the newest is {known[0]}; list all with `devenv runs list`" if known else ""
        hint = suggest(run, known) or newest or "no saved runs; start one with `devenv load`"
        return UnknownName(f"no run {run!r}", hint=hint, details={"run": run})


def _size(folder: Path) -> int:
    return sum(entry.stat().st_size for entry in os.scandir(folder) if entry.is_file())
