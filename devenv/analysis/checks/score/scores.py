"""The score of each service, from traces that are added one by one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from devenv.analysis.checks.observed import Affected, SeenTrace
from devenv.analysis.checks.score import resources, spans
from devenv.analysis.checks.score.published import NOT_APPLICABLE, RULES, PublishedRule, score
from devenv.immutable import immutable

Judge = Callable[[SeenTrace], Iterator[tuple[str, bool]]]

JUDGES: Mapping[str, Judge] = {
    "RES-001": resources.instance_present,
    "RES-003": resources.pod_present,
    "RES-004": resources.levels,
    "RES-005": resources.name_present,
    "SPA-001": spans.internal_spans,
    "SPA-002": spans.orphans,
    "SPA-004": spans.client_roots,
    "SPA-005": spans.short_spans,
    "SDK-001": resources.runtime_supported,
}
"""What each rule says of the services in one trace; a service that it says nothing of is not judged by it."""


@immutable()
class RuleVerdict:
    """One rule for one service.

    Attributes:
        ok: ``None`` if it is not judged.
        affected: number of traces in which it is broken.
        reason: why it is not judged.
    """

    rule: PublishedRule
    ok: bool | None
    affected: int = 0
    examples: Sequence[str] = ()
    reason: str = ""


@immutable()
class ServiceScore:
    """A service's score (0 to 100, ``None`` if no rule was judged), and all published rules."""

    service: str
    score: float | None
    rules: Sequence[RuleVerdict]


class Scores:
    """Judges traces by the published rules."""

    def __init__(self) -> None:
        self._judged: dict[str, dict[str, Affected]] = {rule: {} for rule in JUDGES}
        self._instances = resources.InstanceIds()
        self._services: set[str] = set()

    def add(self, seen: SeenTrace) -> None:
        """Add one trace."""
        self._services.update(seen.by_service)
        self._instances.add(seen)
        for rule, judge in JUDGES.items():
            judged = self._judged[rule]
            for service, kept in judge(seen):
                if service not in judged:
                    judged[service] = Affected()
                if not kept:
                    judged[service].add(seen.trace_id)

    def scores(self) -> list[ServiceScore]:
        """The scores of all services, by name."""
        shared = self._instances.broken()
        return [self._of(service, shared.get(service)) for service in sorted(self._services)]

    def _of(self, service: str, shared: Affected | None) -> ServiceScore:
        found = []
        for rule in RULES:
            affected = self._judged.get(rule.id, {}).get(service)
            if rule.id == "RES-002":
                affected = shared or Affected()
            if affected is None:
                reason = rule.not_judged or NOT_APPLICABLE[rule.id]
                found.append(RuleVerdict(rule, None, reason=reason))
            else:
                found.append(RuleVerdict(rule, not affected.count, affected.count, tuple(affected.examples)))
        return ServiceScore(service, score({each.rule.id: each.ok for each in found if each.ok is not None}), found)
