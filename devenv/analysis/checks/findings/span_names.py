"""Span names that contain IDs or values, so that there are as many names as requests."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache

from devenv.analysis.checks.finding import TracingFinding
from devenv.analysis.checks.observed import Affected, SeenTrace
from devenv.model.counts import plural

KIND = "span-names"

MOST_VARIANTS = 9
"""Names that may differ in a value only, such as the shards of a database."""
SHOWN = 3

_QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"")
_WORD = re.compile(r"[A-Za-z0-9_\-.~%]+")
_ID = re.compile(
    r"\d+|(?=[0-9a-f\-]*\d)[0-9a-f]{8,}(?:-[0-9a-f]{4,})*|(?=[^0-9]*\d)(?=[^A-Za-z]*[A-Za-z])[A-Za-z0-9_\-]{16,}"
    r"|[A-Za-z]{1,8}[-_]\d+",
    re.IGNORECASE,
)
PLACE = "{id}"


@lru_cache(65_536)
def template(name: str) -> str:
    """The name with each value replaced: numbers, UUIDs and other long IDs, and quoted texts."""
    return _WORD.sub(lambda word: PLACE if _ID.fullmatch(word[0]) else word[0], _QUOTED.sub(PLACE, name))


@dataclass(slots=True)
class _Names:
    found: set[str] = field(default_factory=set)
    spans: int = 0
    affected: Affected = field(default_factory=Affected)


class SpanNames:
    """The names of each service's spans by their template."""

    def __init__(self) -> None:
        self._names: dict[tuple[str, str], _Names] = {}

    def add(self, seen: SeenTrace) -> None:
        """Add one trace."""
        for service, spans in seen.by_service.items():
            for span in spans:
                form = template(span.name)
                if form != span.name:
                    names = self._names.setdefault((service, form), _Names())
                    names.spans += 1
                    if span.name not in names.found:
                        names.found.add(span.name)
                        names.affected.add(seen.trace_id)

    def findings(self) -> Iterator[TracingFinding]:
        """One finding for each service with too many names of one template."""
        by_service: dict[str, list[tuple[str, _Names]]] = {}
        for (service, form), names in self._names.items():
            if len(names.found) > MOST_VARIANTS:
                by_service.setdefault(service, []).append((form, names))
        for service, forms in sorted(by_service.items()):
            forms.sort(key=lambda item: -len(item[1].found))
            count = sum(len(names.found) for _, names in forms)
            like = ", ".join(f"{form!r} ({len(names.found):,})" for form, names in forms[:SHOWN])
            more = f" and {plural(len(forms) - SHOWN, 'other form')}" if len(forms) > SHOWN else ""
            yield TracingFinding(
                kind=KIND,
                severity="warn",
                service=service,
                title=f"{service} puts values into span names",
                count=count,
                evidence=f"{plural(count, 'name')} like {like}{more}",
                advice=f"name the spans of {service} by route or operation, such as {forms[0][0]!r}, "
                "and put the value into an attribute",
                examples=tuple(forms[0][1].affected.examples),
            )
