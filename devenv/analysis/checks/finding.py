"""What is wrong with the tracing of a service, by one of devenv's own checks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from devenv.immutable import immutable

Severity = Literal["bad", "warn"]


@immutable(kw_only=True)
class TracingFinding:
    """One finding.

    Attributes:
        kind: of the check, such as ``broken-propagation``.
        severity: ``bad`` if traces are incomplete or tell secrets, ``warn`` if they are hard to use.
        service: the one to change first.
        others: further services that it is about.
        title: what is wrong, in a few words.
        count: number of spans, calls or names that are affected; the title or the evidence says of what.
        evidence: what shows it, in a sentence.
        advice: what to change, in a sentence.
        examples: trace IDs.
    """

    kind: str
    severity: Severity
    service: str
    others: tuple[str, ...] = ()
    title: str
    count: int
    evidence: str
    advice: str
    examples: Sequence[str] = ()


def in_order(findings: Sequence[TracingFinding]) -> list[TracingFinding]:
    """The findings: bad ones first, those of most spans or calls first."""
    return sorted(findings, key=lambda found: (found.severity != "bad", -found.count, found.service, found.kind))
