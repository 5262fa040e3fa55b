"""All figures of a report, from traces that are added page by page."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from devenv.analysis.callees import NO_CALLEES, Callees
from devenv.analysis.failures.diagnosis import Diagnosis
from devenv.analysis.figures.operations import Figures
from devenv.analysis.objectives.verdicts import Objectives, ObjectiveTarget
from devenv.analysis.own_spans import without_own
from devenv.analysis.tree import build_tree
from devenv.model.span import Span
from devenv.model.trace import Trace


class TraceReport:
    """Figures and objectives of many traces, without devenv's own spans.

    Args:
        targets: of the objectives.
        callees: the stack's services by their addresses.
        traced: names of those that have spans if they are called.
        incident: look for faults.

    Attributes:
        diagnosis: the faults, ``None`` if they are not looked for.
    """

    def __init__(
        self,
        targets: Sequence[ObjectiveTarget] = (),
        callees: Callees = NO_CALLEES,
        traced: frozenset[str] = frozenset(),
        *,
        incident: bool = False,
    ) -> None:
        self.figures = Figures()
        self.objectives = Objectives(targets)
        self._callees = callees
        self._traced = traced
        self.diagnosis = Diagnosis(callees, self._called_by) if incident else None

    def add_all(self, traces: Iterable[Trace]) -> None:
        """Add traces."""
        for trace in traces:
            if self.diagnosis is not None:
                self.diagnosis.add_requests(trace)
            if (theirs := without_own(trace)) is not None:
                tree = build_tree(theirs)
                self.figures.add(tree)
                if self.diagnosis is not None:
                    self.diagnosis.add(tree)
                self.objectives.add(tree)

    def _called_by(self, span: Span) -> str | None:
        called = self._callees.called_by(span)
        return called if called in self._traced else None
