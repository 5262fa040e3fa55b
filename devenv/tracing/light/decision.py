"""Sampling decisions of the light provider, without result objects if the decision needs none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from opentelemetry.context import Context
from opentelemetry.trace import Link, SpanKind
from opentelemetry.trace.span import TraceState

from devenv.tracing.light.unsampled import LocalTrace

LOW_64 = (1 << 64) - 1


class CustomSampler(Protocol):
    """The part of an SDK sampler (`opentelemetry.sdk.trace.sampling.Sampler`) that devenv uses."""

    def should_sample(
        self,
        parent_context: Context | None,
        trace_id: int,
        name: str,
        kind: SpanKind | None = None,
        attributes: Mapping[str, Any] | None = None,
        links: Sequence[Link] | None = None,
        trace_state: TraceState | None = None,
    ) -> Any:
        """Return a result with `decision`, `attributes` and `trace_state`."""


class Decider:
    """Decides whether a span is recorded.

    Args:
        ratio: Ratio of root traces to record; decided by the low 64 bits of the trace ID, as in the SDK's
            TraceIdRatioBased, so that all services of a mixed system decide alike.
        parent_based: Whether a span with a parent follows the parent's flag. Default: unless there is a custom sampler.
        custom: An SDK sampler that decides instead; for spans without a parent only, if parent-based.
    """

    __slots__ = ("bound", "custom", "parent_based", "ratio")

    def __init__(
        self, ratio: float = 1.0, *, parent_based: bool | None = None, custom: CustomSampler | None = None
    ) -> None:
        self.ratio = ratio
        self.bound = round(ratio * (LOW_64 + 1))
        self.parent_based = custom is None if parent_based is None else parent_based
        self.custom = custom

    def root(self, trace_hex: str) -> bool:
        """Return the decision by ratio; all and none are decided without the ID."""
        ratio = self.ratio
        return ratio >= 1.0 or (ratio > 0.0 and int(trace_hex[16:], 16) < self.bound)


class Sampled:
    """The decision to record: the trace, and the caller's span id (0 for a root)."""

    __slots__ = ("local", "parent_id")

    def __init__(self, local: LocalTrace, parent_id: int) -> None:
        self.local = local
        self.parent_id = parent_id


def decider(sampler: str, ratio: float) -> Decider:
    """Return the decider of a sampler by its name in OTEL_TRACES_SAMPLER."""
    parent_based = sampler.startswith("parentbased_")
    if sampler.endswith("traceidratio"):
        return Decider(ratio, parent_based=parent_based)
    return Decider(1.0 if sampler.endswith("always_on") else 0.0, parent_based=parent_based)
