"""Spans that never arrived: parents that are missing, and called services without a span of the call."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from devenv.analysis.causes import likely_source
from devenv.analysis.checks.finding import TracingFinding
from devenv.analysis.checks.findings.propagation import CallCounts, Match
from devenv.analysis.checks.observed import Affected, SeenTrace, ServiceCall
from devenv.model.counts import plural
from devenv.model.span import Span
from devenv.model.trace import OWN_SERVICE

LOST = "exporter-drops"
SILENT = "no-spans"

_LOST_ADVICE = (
    "look for `dropped` or `queue` in `devenv logs {service}`, raise OTEL_BSP_MAX_QUEUE_SIZE, and let the sampler "
    "follow the caller's decision (OTEL_TRACES_SAMPLER=parentbased_always_on)"
)
_SILENT_ADVICE = (
    "run `devenv doctor`: tracing, its endpoint and its protocol; a service that should have no spans is excluded by "
    "`x-devenv: {instrument: false}`"
)


@dataclass(slots=True)
class _Lost:
    parents: int = 0
    example: str = ""
    affected: Affected = field(default_factory=Affected)


class LostSpans:
    """Missing parents of traces that are added one by one."""

    def __init__(self) -> None:
        self._orphans: list[tuple[str, Span]] = []
        self._below: dict[str, set[str]] = {}

    def add(self, seen: SeenTrace) -> None:
        """Add one trace."""
        tree = seen.tree
        if seen.trace.truncated:
            return
        for orphan in tree.orphans:
            if orphan.span_id in tree.cycles or orphan.service == OWN_SERVICE:
                continue
            source = likely_source(orphan, tree)
            self._orphans.append((source if source in seen.by_service else orphan.service, orphan))
            self._below.setdefault(seen.trace_id, set()).add(orphan.service)

    def _without(self, explained: Container[int]) -> dict[str, _Lost]:
        """The services whose spans are missing above others, without the spans that lost their context instead."""
        found: dict[str, _Lost] = {}
        for source, orphan in self._orphans:
            if id(orphan) not in explained:
                lost = found.setdefault(source, _Lost())
                lost.parents += 1
                lost.example = lost.example or f"{orphan.service} {orphan.name}"
                lost.affected.add(orphan.trace_id)
        return found

    def findings(
        self,
        calls: Mapping[tuple[str, str], CallCounts],
        matches: Mapping[tuple[str, str], list[Match]],
        seen: frozenset[str],
        silent: Mapping[str, str],
    ) -> Iterator[TracingFinding]:
        """One finding for each service whose spans are missing.

        Args:
            calls: all calls by caller and called service.
            matches: the calls whose context was lost, by the same.
            seen: services with spans.
            silent: services that sent none since they started, with the reason as far as their settings tell.
        """
        explained = {id(span) for found in matches.values() for match in found for span in (match.call, match.request)}
        parents = self._without(explained)
        callers: dict[str, dict[str, tuple[int, list[ServiceCall]]]] = {}
        for (caller, called), counts in calls.items():
            missing = [
                call
                for call in counts.unanswered
                if call.certain
                and id(call.span) not in explained
                and called not in self._below.get(call.span.trace_id, ())
            ]
            if missing:
                callers.setdefault(called, {})[caller] = (counts.total, missing)
        for service in sorted({*silent, *callers.keys() - seen}):
            if service in seen:
                continue
            yield _silent(service, callers.get(service, {}), silent.get(service, ""))
        for service in sorted({*parents, *(callers.keys() & seen)}):
            yield _lost(service, parents.get(service, _Lost()), callers.get(service, {}))


def _silent(service: str, callers: Mapping[str, tuple[int, list[ServiceCall]]], reason: str) -> TracingFinding:
    calls = [call for _, missing in callers.values() for call in missing]
    if calls:
        evidence = f"{', '.join(callers)} called it and got {plural(len(calls), 'answer')}, but no span of it arrived"
    else:
        evidence = "no span of it arrived since it started, and no call to it was seen"
    if reason:
        evidence += f"; it {reason}"
    return TracingFinding(
        kind=SILENT,
        severity="bad" if calls or reason else "warn",
        service=service,
        others=tuple(callers),
        title=f"No spans of {service}",
        count=len(calls),
        evidence=evidence,
        advice=_SILENT_ADVICE,
        examples=_examples(calls),
    )


def _lost(service: str, lost: _Lost, callers: Mapping[str, tuple[int, list[ServiceCall]]]) -> TracingFinding:
    calls = [call for _, missing in callers.values() for call in missing]
    shown = [
        f"{len(missing):,} of {plural(total, 'call')} of {caller} to it have no span of it"
        for caller, (total, missing) in callers.items()
    ]
    if lost.parents:
        what = plural(lost.parents, "span")
        verb = "has a parent" if lost.parents == 1 else "have parents"
        shown.append(
            f"{what} in {plural(lost.affected.count, 'trace')} {verb} that never arrived, such as {lost.example}"
        )
    return TracingFinding(
        kind=LOST,
        severity="bad",
        service=service,
        others=tuple(callers),
        title=f"Spans of {service} are lost",
        count=lost.parents + len(calls),
        evidence="; ".join(shown),
        advice=_LOST_ADVICE.format(service=service),
        examples=tuple(dict.fromkeys((*_examples(calls), *lost.affected.examples)))[:3],
    )


def _examples(calls: Iterable[ServiceCall]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(call.span.trace_id for call in calls))[:3]
