"""JSON document of ``devenv new``."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from devenv.model.documents import Document


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
