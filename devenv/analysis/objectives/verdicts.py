"""Whether service level objectives are kept, how much of their error budgets is left, and how fast it burns.

An objective of 99.9% allows 1 bad request in 1,000: its error budget. A burn rate of 1 uses it up exactly by the end of
the objective's window. Terms and formulas are those of Google's SRE Workbook, chapter 5.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping

from devenv.analysis.figures.operations import is_request
from devenv.analysis.tree import SpanTree
from devenv.immutable import immutable
from devenv.model.extension import Objective

RECENT_NS = 5 * 60 * 10**9
"""The shorter of the two windows over which a burn rate is told."""

_SHORT = {"p50": 0.5, "p90": 0.9, "p95": 0.95, "p99": 0.99}


@immutable(kw_only=True)
class ObjectiveTarget:
    """One criterion of an objective: of latency, or of availability if ``under_s`` is ``None``.

    Attributes:
        name: of the objective, with ``latency`` or ``availability``.
        share: of good requests that is wanted, 0 to 1.
        window_s: seconds up to now that count; ``None``: the time of the report.
    """

    name: str
    service: str
    operation: str | None
    share: float
    under_s: float | None = None
    window_s: float | None = None


@immutable(kw_only=True)
class ObjectiveVerdict:
    """What became of one target.

    Attributes:
        value: share of good requests, 0 to 1; ``None`` without requests.
        ok: whether at least the wanted share is good; without requests nothing is broken.
        budget_left: part of the error budget, at most 1, negative if it is overdrawn.
        burn, burn_recent: burn rates over the window, and over its last 5 minutes; ``None`` without requests.
    """

    target: ObjectiveTarget
    requests: int
    bad: int
    value: float | None
    ok: bool
    budget_left: float
    burn: float | None
    burn_recent: float | None


def targets(objectives: Mapping[str, Objective]) -> Iterator[ObjectiveTarget]:
    """The criteria of objectives, in their order."""
    for name, objective in objectives.items():
        for share, under_s in _criteria(objective):
            yield ObjectiveTarget(
                name=f"{name} {'availability' if under_s is None else 'latency'}",
                service=objective.service or name,
                operation=objective.operation,
                share=share,
                under_s=under_s,
                window_s=objective.window,
            )


def _criteria(objective: Objective) -> Iterator[tuple[float, float | None]]:
    if objective.availability is not None:
        yield objective.availability, None
    if objective.errors is not None:
        yield 1 - objective.errors, None
    if objective.latency is not None:
        yield objective.latency.share, objective.latency.under
    for field, share in _SHORT.items():
        if (under := getattr(objective, field)) is not None:
            yield share, under


class Objectives:
    """Requests of many traces, which are added one by one, judged by some targets."""

    def __init__(self, wanted: Iterable[ObjectiveTarget]) -> None:
        self._targets = tuple(wanted)
        self._seen: list[list[tuple[int, bool]]] = [[] for _ in self._targets]

    def add(self, tree: SpanTree) -> None:
        """Add one trace."""
        if not self._targets:
            return
        for span in tree.spans:
            for target, seen in zip(self._targets, self._seen, strict=True):
                if span.service != target.service or target.operation not in {None, span.name}:
                    continue
                if is_request(tree, span):
                    if target.under_s is None:
                        seen.append((span.end_ns, not span.is_error))
                    elif not span.is_error:
                        seen.append((span.end_ns, span.duration_ns < target.under_s * 1e9))

    def verdicts(self, until_ns: int) -> list[ObjectiveVerdict]:
        """What became of each target up to an instant (nanoseconds since the epoch)."""
        return [
            _verdict(target, sorted(seen), until_ns) for target, seen in zip(self._targets, self._seen, strict=True)
        ]


def _verdict(target: ObjectiveTarget, seen: list[tuple[int, bool]], until_ns: int) -> ObjectiveVerdict:
    if target.window_s is not None:
        seen = _since(seen, until_ns - round(target.window_s * 1e9))
    bad = sum(not good for _, good in seen)
    allowed = 1 - target.share
    burn = _burn(seen, allowed)
    value = 1 - bad / len(seen) if seen else None
    return ObjectiveVerdict(
        target=target,
        requests=len(seen),
        bad=bad,
        value=value,
        ok=value is None or bad <= allowed * len(seen) + 1e-9,
        budget_left=1 - burn if burn is not None else 1.0,
        burn=burn,
        burn_recent=_burn(_since(seen, until_ns - RECENT_NS), allowed),
    )


def _since(seen: list[tuple[int, bool]], start_ns: int) -> list[tuple[int, bool]]:
    return seen[bisect_left(seen, (start_ns, False)) :]


def _burn(seen: list[tuple[int, bool]], allowed: float) -> float | None:
    """Share of bad requests, in multiples of the share that is allowed."""
    if not seen:
        return None
    share = sum(not good for _, good in seen) / len(seen)
    return share / allowed if allowed > 0 else float(share > 0) * len(seen)
