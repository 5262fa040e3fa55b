"""Secrets in spans, by the rules of the tracing library's redaction. A finding names the place, never the value."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache

from devenv.analysis.checks.finding import TracingFinding
from devenv.analysis.checks.observed import Affected, SeenTrace
from devenv.model.counts import plural
from devenv.model.span import Span, Value
from devenv.tracing.export.redaction import Redactor

KIND = "sensitive-data"
SHOWN = 4

_REDACTOR = Redactor()
_MASKED = re.compile(r"\W*(?:redacted|filtered|masked|hidden|removed|x{3,}|\*{2,})?\W*", re.IGNORECASE)
_NAME, _MESSAGE = "the span name", "the status message"


@lru_cache(4096)
def _kind(key: str) -> str:
    return _REDACTOR.kind(key)


@lru_cache(65_536)
def has_secret(key: str, text: str) -> bool:
    """Whether an attribute's text contains a secret: by its key, its form, or as a parameter of a URL or text."""
    kind = _kind(key)
    if kind == "secret":
        return not _MASKED.fullmatch(text)
    if kind:
        return _REDACTOR.value(key, text) != text
    if "://" in text:
        return _REDACTOR.url(text) != text
    return "=" not in text and len(text) > 16 and _REDACTOR.query(text) != text


class Secrets:
    """Where the spans of each service have secrets."""

    def __init__(self) -> None:
        self._found: dict[str, dict[str, int]] = {}
        self._affected: dict[str, Affected] = {}

    def add(self, seen: SeenTrace) -> None:
        """Add one trace."""
        for service, spans in seen.by_service.items():
            places = [f"{place} of the resource" for each in seen.resources[service] for place in _places(each)]
            for span in spans:
                places += _of_span(span)
            if places:
                counts = self._found.setdefault(service, {})
                for place in places:
                    counts[place] = counts.get(place, 0) + 1
                self._affected.setdefault(service, Affected()).add(seen.trace_id)

    def findings(self) -> Iterator[TracingFinding]:
        """One finding for each service."""
        for service, counts in sorted(self._found.items()):
            places = sorted(counts, key=lambda place: -counts[place])
            more = f" and {plural(len(places) - SHOWN, 'other place')}" if len(places) > SHOWN else ""
            affected = self._affected[service]
            yield TracingFinding(
                kind=KIND,
                severity="bad",
                service=service,
                title=f"{service} records secrets",
                count=sum(counts.values()),
                evidence=f"probably secrets in {', '.join(places[:SHOWN])}{more}, in {plural(affected.count, 'trace')}",
                advice="do not record them, or redact them before export: in the SDK, or in a Collector's processor; "
                "replace secrets that were recorded",
                examples=tuple(affected.examples),
            )


def _of_span(span: Span) -> Iterator[str]:
    yield from _places(span.attributes)
    for event in span.events:
        for place in _places(event.attributes):
            yield f"{place} of event {event.name}"
    if "=" in span.name and _REDACTOR.url(span.name) != span.name:
        yield _NAME
    if span.status_message and has_secret("exception.message", span.status_message):
        yield _MESSAGE


def _places(attributes: Mapping[str, Value]) -> Iterator[str]:
    for key, value in attributes.items():
        if isinstance(value, str):
            if (len(value) > 16 or _kind(key)) and has_secret(key, value):
                yield key
        elif isinstance(value, list) and any(isinstance(each, str) and has_secret(key, each) for each in value):
            yield key
