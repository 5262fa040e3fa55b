"""What is added to a service so that it traces itself: variables and files, with its own values kept."""

from __future__ import annotations

import os
import posixpath
import re
from collections.abc import Mapping
from dataclasses import field
from typing import TYPE_CHECKING

from devenv.immutable import immutable
from devenv.orchestrate.instrumentation.library_archive import ARCHIVE
from devenv.orchestrate.instrumentation.python_library import TARGET

if TYPE_CHECKING:
    from devenv.contract.specification import FileTree
    from devenv.orchestrate.instrumentation.python_library import PythonLibrary

_OLDEST = (3, 9)
_ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
_NUMBERED_PYTHON = re.compile(r"python(\d+\.\d+)")
_VERSION = re.compile(r"(\d+)\.(\d+)")


@immutable(kw_only=True)
class Injection:
    """Additions to a service; equal ones give equal configuration hashes.

    Attributes:
        environment: variables that take precedence over those of the service: they contain its own values.
        files: put into a container before its start; empty on an engine that runs processes of this machine.
        note: what the user should know, in a few words; empty if there is nothing.
    """

    environment: Mapping[str, str] = field(default_factory=dict)
    files: tuple[FileTree, ...] = ()
    note: str = ""


@immutable(kw_only=True)
class Surroundings:
    """What an injection is made from.

    Attributes:
        own: environment of the service, as its files set it.
        beneath: what applies where the service sets nothing: its image's environment, or that of this machine.
        processes: the service runs on this machine, so that nothing is copied.
        command: words of what the service runs; empty if unknown.
    """

    own: Mapping[str, str]
    beneath: Mapping[str, str] = field(default_factory=dict)
    processes: bool = False
    command: tuple[str, ...] = ()

    def value(self, variable: str) -> str:
        """Return the value that the program would see without devenv; empty if it is not set."""
        return self.own.get(variable, self.beneath.get(variable, ""))


def too_old_python(surroundings: Surroundings) -> str:
    """Return why a program's Python is not traced, as far as its command or its image tells; empty if it may be.

    A Python that is older than 3.7 cannot even read devenv's ``sitecustomize``, so that it gets none.
    """
    named = [
        match[1] for word in surroundings.command if (match := _NUMBERED_PYTHON.fullmatch(posixpath.basename(word)))
    ]
    if not named and not surroundings.processes:
        named = [surroundings.beneath.get("PYTHON_VERSION", "")]
    version = _VERSION.match(named[0]) if named else None
    if version is None or (int(version[1]), int(version[2])) >= _OLDEST:
        return ""
    return f"Python {version[0]} is too old: devenv traces {_OLDEST[0]}.{_OLDEST[1]} or later"


def python_injection(surroundings: Surroundings, library: PythonLibrary) -> Injection:
    """Return what starts tracing in every Python program of a service, as ``devenv run`` does.

    Args:
        surroundings: environments; a PYTHONPATH is kept, after the folder with devenv's ``sitecustomize``.
        library: devenv's own library on this machine.
    """
    startup = library.startup if surroundings.processes else f"{TARGET}/{library.startup_name}"
    folders = library.folders if surroundings.processes else (f"{TARGET}/{ARCHIVE}", TARGET)
    separator = os.pathsep if surroundings.processes else ":"
    before = surroundings.value("PYTHONPATH")
    return Injection(
        environment={
            "PYTHONPATH": separator.join([startup, before]) if before else startup,
            "DEVENV_TRACING_LIBRARIES": separator.join([f">={library.oldest}", *folders]),
            **({} if any(map(surroundings.value, _ENDPOINTS)) else {"DEVENV_TRACING_RECEIVER": "starting"}),
        },
        files=() if surroundings.processes else (library.tree,),
    )
