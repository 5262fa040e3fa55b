"""The published rules of the Instrumentation Score, version 0.1, as of April 2026.

Source: https://github.com/instrumentation-score/spec. The score of a service may consist of these rules only, and
rules that are not judged have to be disclosed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from devenv.immutable import immutable

VERSION = "0.1"

Impact = Literal["critical", "important", "normal", "low"]

WEIGHTS: Mapping[Impact, int] = {"critical": 40, "important": 30, "normal": 20, "low": 10}


@immutable()
class PublishedRule:
    """A rule: its ID, its impact, what has to hold, and why devenv does not judge it (empty if it does)."""

    id: str
    impact: Impact
    title: str
    not_judged: str = ""


_LOGS = "needs log records"
_METRICS = "needs metrics"
_WEEKS = "needs metrics of 14 days"

RULES = (
    PublishedRule("RES-001", "normal", "service.instance.id is present"),
    PublishedRule("RES-002", "important", "service.instance.id is unique"),
    PublishedRule("RES-003", "important", "k8s.pod.uid is present on Kubernetes"),
    PublishedRule("RES-004", "important", "attributes are at the level of the semantic conventions"),
    PublishedRule("RES-005", "critical", "service.name is present"),
    PublishedRule("SPA-001", "normal", "at most 10 INTERNAL spans per service and trace"),
    PublishedRule("SPA-002", "normal", "no orphan spans"),
    PublishedRule("SPA-003", "important", "span names have bound cardinality", "its criteria are not published yet"),
    PublishedRule("SPA-004", "important", "root spans are not CLIENT spans"),
    PublishedRule("SPA-005", "important", "at most 20 spans below 5 ms per trace"),
    PublishedRule("SDK-001", "low", "the SDK supports language and runtime"),
    PublishedRule("LOG-001", "important", "no debug logs in production for 14 days", "needs log records of 14 days"),
    PublishedRule("LOG-002", "important", "log records have a severity", _LOGS),
    PublishedRule("MET-001", "important", "metric attributes have bound cardinality", _METRICS),
    PublishedRule("MET-002", "important", "metrics have units", _METRICS),
    PublishedRule("MET-003", "important", "each metric has one unit", _WEEKS),
    PublishedRule("MET-004", "normal", "each histogram has the same buckets", _WEEKS),
    PublishedRule("MET-005", "normal", "metric names do not contain the unit", _METRICS),
    PublishedRule("MET-006", "important", "metric names are not attribute keys", _METRICS),
)

NOT_APPLICABLE = {
    "RES-003": "no telemetry of Kubernetes pods",
    "SDK-001": "the runtime's version, or what the SDK supports, is not known",
}
"""Why a rule that devenv judges is not judged for a service."""


def score(verdicts: Mapping[str, bool]) -> float | None:
    """The score (0 to 100) of a service; ``None`` if no rule was judged.

    The weights of the rules that are kept, divided by the weights of all that were judged, as in the specification.

    Args:
        verdicts: whether a rule is kept, by the ID of each rule that was judged.
    """
    weights = {rule.id: WEIGHTS[rule.impact] for rule in RULES}
    total = sum(weights[rule] for rule in verdicts)
    return 100 * sum(weights[rule] for rule, kept in verdicts.items() if kept) / total if total else None
