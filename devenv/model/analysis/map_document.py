"""The JSON document of ``devenv map``."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from devenv.model.documents import Document, Part


class NodePart(Part):
    """A node of the service map; ``spans`` is the number of spans that were looked at."""

    name: str
    kind: Literal["service", "database", "messaging", "external"]
    spans: int


class EdgePart(Part):
    """Calls from one node to another, as the caller saw them; messages lead from the producer to the broker and on.

    ``declared`` is whether the stack file declares it, by ``depends_on`` or an address in the environment. Percentiles
    are exact, and ``null`` with too few calls for them. ``example_traces`` are calls with errors if there are any.
    ``in_process``: to a database in the caller's own process, such as SQLite, which no stack file declares.
    ``not_continued`` counts the calls that the called service answered without a span below the caller's: it began a
    new trace, or its spans are lost.
    """

    caller: str
    callee: str
    declared: bool
    observed: bool
    calls: int
    errors: int
    p50_ms: float | None
    p99_ms: float | None
    example_traces: list[str] = Field(default_factory=list)
    in_process: bool = False
    not_continued: int = 0


class MapDocument(Document):
    """``devenv map``.

    ``source`` is the kind of trace backend. ``looked_at`` traces were read, from ``since`` to ``until`` (RFC 3339);
    ``older_left_out``: there are older ones of that time. ``declared_known`` is false without the project's stack
    file: then no edge is declared.
    """

    schema_: Literal["devenv.map/1"] = Field(default="devenv.map/1", alias="schema")
    source: str
    nodes: list[NodePart]
    edges: list[EdgePart]
    since: str
    until: str
    looked_at: int
    older_left_out: bool = False
    declared_known: bool = True
    ui_url: str = ""
