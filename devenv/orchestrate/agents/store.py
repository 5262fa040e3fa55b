"""Agents on disk: an agent is complete, or it is not there.

Each agent has its folder, and ``<language>.json`` names the folder. That record is replaced in one step after
the folder is complete, so a reader never sees half an agent, whatever ends a command.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from devenv.disk import not_read, not_removed, not_written, read_regular_file, remove_file, replace_file, user_cache
from devenv.errors import LockHeld
from devenv.immutable import immutable
from devenv.orchestrate.agents.catalogue import AGENTS

if TYPE_CHECKING:
    from devenv.orchestrate.agents.catalogue import AgentKind

VARIABLE = "DEVENV_AGENTS_DIR"
"""Names the folder of the agents, in place of the one below the user's cache."""

_RECORD_BYTES = 64 * 1024


@immutable(kw_only=True)
class Agent:
    """An agent that is there.

    Attributes:
        kind: what it is.
        version: that of its package.
        directory: its folder, absolute.
        source: the program that fetched it, or the file that it is from.
        sha256: digest of its files, in hexadecimal.
        size: of its files, in bytes.
    """

    kind: AgentKind
    version: str
    directory: Path
    source: str
    sha256: str
    size: int

    @property
    def entry(self) -> Path:
        """The file that a service loads."""
        return self.directory / self.kind.entry

    def files(self) -> tuple[tuple[str, Path], ...]:
        """Return the files with their paths relative to the folder, in order."""
        return tuple((str(path.relative_to(self.directory)), path) for path in _paths(self.directory))


@immutable()
class AgentStore:
    """The agents in one folder, which need not exist."""

    directory: Path

    @classmethod
    def of_user(cls, environ: Mapping[str, str]) -> AgentStore:
        """The store of the user: ``DEVENV_AGENTS_DIR``, else ``devenv/agents`` in the user's cache (XDG)."""
        if own := environ.get(VARIABLE):
            return cls(Path(own).absolute())
        return cls(user_cache(environ) / "agents")

    def find(self, kind: AgentKind) -> Agent | None:
        """Return the agent of a language, ``None`` if it is not there."""
        try:
            record = json.loads(read_regular_file(self._record(kind), _RECORD_BYTES))
            agent = _agent(kind, self.directory, record)
        except (OSError, ValueError, KeyError, TypeError):
            return None  # a record that cannot be read counts as missing: `agents add` replaces it
        return agent if agent.entry.is_file() else None

    def agents(self) -> list[Agent]:
        """Return what is there, in the order of the catalogue."""
        return [agent for kind in AGENTS if (agent := self.find(kind)) is not None]

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the store's lock; the kernel releases it if the process ends.

        Raises:
            LockHeld: If another command changes the store.
            EnvironmentFailure: If the folder cannot be written.
        """
        path = self.directory / ".lock"
        try:
            self.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise not_written(path, error) from error
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise LockHeld(
                    f"another devenv command is changing the agents in {self.directory}",
                    hint="wait until it finishes, then try again",
                ) from None
            self._sweep()
            yield
        finally:
            os.close(descriptor)

    @contextmanager
    def new_folder(self) -> Iterator[Path]:
        """Give an empty folder for files that are not complete yet; what is in it afterwards is removed."""
        try:
            folder = Path(tempfile.mkdtemp(prefix=".new-", dir=self.directory))
        except OSError as error:
            raise not_written(self.directory, error) from error
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)  # what is left is removed by the next command

    def install(self, kind: AgentKind, folder: Path, *, version: str, source: str) -> Agent:
        """Make the files in ``folder`` the agent of a language, in place of the one there; needs the lock.

        Raises:
            DiskFull: If no space is left; the agent before stays.
            EnvironmentFailure: If it cannot be written for another reason; the agent before stays.
        """
        sha256, size = _digest(folder)
        name = f"{kind.language}-{version}-{sha256[:12]}"
        target = self.directory / name
        record: dict[str, Any] = {
            "language": kind.language,
            "version": version,
            "folder": name,
            "source": source,
            "sha256": sha256,
            "size": size,
        }
        try:
            if not target.exists():
                folder.chmod(0o755)
                folder.rename(target)
            elif _digest(target)[0] != sha256:  # it was changed: the good one goes beside it
                target = target.with_name(f"{name}-{os.urandom(3).hex()}")
                record["folder"] = target.name
                folder.rename(target)
        except OSError as error:
            raise not_written(target, error) from error
        replace_file(self._record(kind), json.dumps(record).encode())
        self._remove_folders(kind, keep=record["folder"])
        return _agent(kind, self.directory, record)

    def remove(self, kind: AgentKind) -> None:
        """Remove the agent of a language; needs the lock.

        Raises:
            EnvironmentFailure: If it cannot be removed.
        """
        remove_file(self._record(kind))
        self._remove_folders(kind, keep="")

    def _record(self, kind: AgentKind) -> Path:
        return self.directory / f"{kind.language}.json"

    def _remove_folders(self, kind: AgentKind, *, keep: str) -> None:
        for path in self.directory.glob(f"{kind.language}-*"):
            if path.name != keep:
                _remove_tree(path)

    def _sweep(self) -> None:
        """Remove what commands left that were killed; the lock says that none of them runs."""
        for path in self.directory.glob(".new-*"):
            _remove_tree(path)


def _agent(kind: AgentKind, directory: Path, record: Mapping[str, Any]) -> Agent:
    folder = str(record["folder"])
    if record["language"] != kind.language or "/" in folder or not folder.startswith(f"{kind.language}-"):
        raise ValueError(folder)
    return Agent(
        kind=kind,
        version=str(record["version"]),
        directory=directory / folder,
        source=str(record["source"]),
        sha256=str(record["sha256"]),
        size=int(record["size"]),
    )


def _paths(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def _content(path: Path) -> bytes:
    try:
        return read_regular_file(path)
    except OSError as error:
        raise not_read(path, error) from error


def _digest(folder: Path) -> tuple[str, int]:
    """The digest of the names and contents of all files, and their size."""
    digest, size = hashlib.sha256(), 0
    for path in _paths(folder):
        content = _content(path)
        digest.update(f"{path.relative_to(folder)}\0{len(content)}\0".encode())
        digest.update(content)
        size += len(content)
    return digest.hexdigest(), size


def _remove_tree(path: Path) -> None:
    try:
        shutil.rmtree(path)
    except OSError as error:
        if error.errno != errno.ENOENT:
            raise not_removed(path, error) from error
