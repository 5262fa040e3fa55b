"""The JSON document of ``devenv down``. It stands apart: its defaults cost 30 ms, which other commands need not pay."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from devenv.model.documents import Document, Part


class RemovedDocument(Part):
    """Names of what ``down`` removed."""

    containers: list[str] = Field(default_factory=list)
    networks: list[str] = Field(default_factory=list)
    volumes: list[str] = Field(default_factory=list)
    processes: list[str] = Field(default_factory=list)


class KeptDocument(Part):
    """Names of what ``down`` kept on purpose."""

    volumes: list[str] = Field(default_factory=list)


class DownDocument(Document):
    """``devenv down``; ``left`` lists what still exists but should not."""

    schema_: Literal["devenv.down/1"] = Field(default="devenv.down/1", alias="schema")
    project: str = ""
    removed: RemovedDocument = RemovedDocument()
    kept: KeptDocument = KeptDocument()
    left: list[str] = Field(default_factory=list)
    elapsed_ms: float = 0.0
