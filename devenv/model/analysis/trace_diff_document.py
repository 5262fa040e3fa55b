"""The JSON document of ``devenv traces diff``."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from devenv.model.documents import Document, Part


class ComparedTracePart(Part):
    """One of the two traces: its first span that is not devenv's, with its duration, and the whole trace's counts."""

    trace_id: str
    service: str
    operation: str
    duration_ms: float
    spans: int
    errors: int
    ui_url: str


class SidePart(Part):
    """The spans of one trace at a path: their number, the sums of their durations and self times, and the errors."""

    spans: int
    total_ms: float
    self_ms: float
    errors: int


class AttributePart(Part):
    """An attribute that differs; ``null`` if one span does not have it."""

    key: str
    a: Any
    b: Any


class PairPart(Part):
    """The spans of both traces at one path of service, operation and kind, in the order of a waterfall.

    ``diff_ms`` is how much longer A took, ``self_diff_ms`` how much longer in these spans themselves. ``attributes``
    that differ are listed if both sides have one span.
    """

    depth: int
    service: str
    operation: str
    kind: str
    a: SidePart
    b: SidePart
    diff_ms: float
    self_diff_ms: float
    attributes: list[AttributePart] = Field(default_factory=list)


class TraceDiffDocument(Document):
    """``devenv traces diff``: ``diff_ms`` is how much longer A took.

    ``main`` is the position of the pair whose spans themselves explain most of that, ``null`` if none does.
    """

    schema_: Literal["devenv.trace-diff/1"] = Field(default="devenv.trace-diff/1", alias="schema")
    a: ComparedTracePart
    b: ComparedTracePart
    diff_ms: float
    pairs: list[PairPart]
    main: int | None
