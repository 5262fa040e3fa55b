"""JSON documents of the commands that write into a project."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from devenv.model.documents import Document, Part

InitTracing = Literal["added", "own", "off", "infrastructure", "trace-backend"]
"""``added``: devenv gives it variables; ``own``: it sets its exporter itself; ``off``: ``instrument: false``."""


class InitServicePart(Part):
    """What devenv sees in a service of an existing project, and would do with it.

    Attributes:
        added: names of the variables that devenv adds.
        own: names of the ``OTEL_*`` variables that the file sets.
        traced_command: the command that starts it with tracing, if it is probably Python.
        process: a proposal for ``x-devenv.process``, if the process engine needs it.
        notes: further remarks, one sentence each.
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
    """``devenv init``: what was made of a directory, or would be with ``--dry-run``.

    Attributes:
        file: the stack file.
        files: what was written, relative to ``directory``.
        changed: something was written.
        diff: of the stack file, if it existed before.
        entrypoint: the entry point; ``None`` if the file already had ``x-devenv`` without one.
        services: those of an existing project.
        inactive: services without an active profile; they were not examined.
        next: the next commands.
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
