"""JSON documents of the commands that write into a project."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from devenv.model.documents import Document, Part

InitTracing = Literal["added", "own", "off", "infrastructure", "trace-backend"]
"""``added``: devenv gives it variables; ``own``: it sets its exporter itself; ``off``: ``instrument: false``."""


class InitServicePart(Part):
    """What devenv found in a service of an existing project, and what it would do.

    Attributes:
        added: names of the variables that devenv sets.
        own: names of the ``OTEL_*`` variables that the file sets.
        traced_command: command that starts it with tracing, if it seems to be a Python program.
        process: a proposal for ``x-devenv.process``, if the process engine would need it.
        notes: what else is worth knowing, one sentence each.
    """

    name: str
    tracing: InitTracing
    image: str = ""
    added: list[str] = Field(default_factory=list)
    own: list[str] = Field(default_factory=list)
    traced_command: str | None = None
    process: str | None = None
    notes: list[str] = Field(default_factory=list)


class InitDocument(Document):
    """``devenv init``: what was written in a directory, or would be with ``--dry-run``.

    Attributes:
        file: the stack file.
        files: written files, relative to ``directory``.
        changed: whether a file was written.
        diff: of the stack file, if it existed before.
        entrypoint: the entry point; ``None`` if the file already had an ``x-devenv`` without one.
        services: of a project that existed before.
        inactive: services that no active profile includes; they were not examined.
        next: commands to run next.
    """

    schema_: Literal["devenv.init/1"] = Field(default="devenv.init/1", alias="schema")
    directory: str
    file: str
    files: list[str]
    changed: bool
    dry_run: bool = False
    diff: str = ""
    entrypoint: str | None = None
    services: list[InitServicePart] = Field(default_factory=list)
    inactive: list[str] = Field(default_factory=list)
    notes: list[str] = Field(default_factory=list)
    next: list[str] = Field(default_factory=list)


class NewServiceDocument(Document):
    """``devenv new service``; paths are relative to ``folder``.

    ``by_hand`` says what is left to do, ``diff`` is filled with ``--dry-run`` only, when nothing has been written.
    """

    schema_: Literal["devenv.new/1"] = Field(default="devenv.new/1", alias="schema")
    service: str
    package: str
    template: str
    port: int
    folder: str
    created: list[str]
    edited: list[str]
    removed: list[str] = Field(default_factory=list)
    dry_run: bool = False
    diff: str = ""
    by_hand: list[str] = Field(default_factory=list)
    next: list[str] = Field(default_factory=list)
