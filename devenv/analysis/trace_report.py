"""All figures of a report, from traces that are added page by page."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from devenv.analysis.callees import NO_CALLEES, Callees
from devenv.analysis.failures.incident import Failures
from devenv.analysis.figures.operations import Figures
from devenv.analysis.objectives.verdicts import Objectives, ObjectiveTarget
from devenv.analysis.own_spans import without_own
from devenv.analysis.tree import build_tree
from devenv.model.span import Span
from devenv.model.trace import Trace


class TraceReport:
    """Figures, failures and objectives of many traces; devenv's own spans are left out.

    Args:
        targets: of the objectives.
        callees: the stack's services by their addresses.
        traced: names of those that have spans if they are called.
    """

    def __init__(
        self,
        targets: Sequence[ObjectiveTarget] = (),
        callees: Callees = NO_CALLEES,
        traced: frozenset[str] = frozenset(),
    ) -> None:
        self.figures = Figures()
        self.objectives = Objectives(targets)
        self._callees = callees
        self._traced = traced
        self.failures = Failures(self._called_by)

    def add_all(self, traces: Iterable[Trace]) -> None:
        """Add traces."""
        for trace in traces:
            if (theirs := without_own(trace)) is not None:
                tree = build_tree(theirs)
                self.figures.add(tree)
                self.failures.add(tree)
                self.objectives.add(tree)

    def _called_by(self, span: Span) -> str | None:
        called = self._callees.called_by(span)
        return called if called in self._traced else None
