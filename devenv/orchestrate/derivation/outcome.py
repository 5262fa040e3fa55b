"""What a derivation results in, and what it asks of this machine."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import field
from pathlib import Path
from typing import TYPE_CHECKING

from devenv.immutable import immutable

if TYPE_CHECKING:
    from devenv.model.extension import Process


@immutable(kw_only=True)
class Machine:
    """This machine.

    Attributes:
        which: the path of a program on the PATH of a service; ``None`` if there is none.
        has_package: whether the interpreter that is found as ``python`` has a distribution, by its name.
        folders: the directories with a server's program, the newest version first.
        path: PATH of a service.
        state: the project's directory of devenv's own files, where servers have their data.
    """

    which: Callable[[str], str | None]
    has_package: Callable[[str], bool]
    folders: Callable[[str], tuple[str, ...]] = field(default=lambda _name: ())
    path: str = ""
    state: Path = Path(".devenv")


@immutable(kw_only=True)
class LocalProgram:
    """A command of this machine; ``note`` says what a reader may not expect of it."""

    words: tuple[str, ...]
    note: str = ""


@immutable(kw_only=True)
class Missing:
    """Why there is no command for a service, and the line for a shell or for the stack file that gives it one."""

    reason: str
    remedy: str = "x-devenv: {process: {command: CMD...}}"


@immutable(kw_only=True)
class Derived:
    """How a service runs as a process.

    Attributes:
        process: for its ``x-devenv``.
        line: says it in one line.
        ports: TCP ports of the image, besides those of the stack file.
        listens: it is certain that it listens on its first port.
        fixed_port: nothing says that it reads a port from its environment.
        stop_signal: that of the image; empty: the usual one.
        start_period: seconds at the start in which a failing healthcheck means nothing, as the data is being made.
    """

    process: Process
    line: str
    ports: tuple[int, ...] = ()
    listens: bool = False
    fixed_port: bool = False
    stop_signal: str = ""
    start_period: float = 0.0
