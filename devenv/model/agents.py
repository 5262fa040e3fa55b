"""The JSON document of ``devenv agents``."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from devenv.model.documents import Document, Part


class AgentPart(Part):
    """An agent that is there; ``source`` is the program that fetched it or the file that it is from, ``size`` in bytes.

    ``change`` is what the command did with it.
    """

    language: Literal["node", "java"]
    version: str
    directory: str
    source: str
    sha256: str
    size: int
    change: Literal["none", "added", "replaced", "removed"] = "none"


class AgentsDocument(Document):
    """``devenv agents list``, ``add`` and ``remove``: the agents that are there, and those that were removed.

    ``missing`` names the languages whose agent can be added.
    """

    schema_: Literal["devenv.agents/1"] = Field(default="devenv.agents/1", alias="schema")
    directory: str
    agents: list[AgentPart]
    missing: list[str]
    removed: list[AgentPart] = Field(default=[])
