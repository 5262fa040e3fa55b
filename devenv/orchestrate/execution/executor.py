"""Runs the steps of a plan: each as soon as those that it waits for have ended. It decides nothing."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Protocol

from devenv.immutable import immutable
from devenv.orchestrate.concurrency import first_error

if TYPE_CHECKING:
    from devenv.health.outcome import WaitOutcome
    from devenv.orchestrate.planning.graph import Gate, Plan, Step


@immutable(kw_only=True)
class StepResult:
    """How a step ended.

    Attributes:
        success: whether what waits for it can run.
        object_id: the engine's ID of what it created.
        outcome: of a wait, or of a start that the engine refused.
        skipped: it did not run, because something that it waited for failed.
        blocked_by: the services whose failed conditions were the cause, if it was skipped at its gates.
    """

    success: bool
    object_id: str = ""
    outcome: WaitOutcome | None = None
    skipped: bool = False
    blocked_by: tuple[str, ...] = ()


Results = dict[int, StepResult]
"""Results by the ID of the step."""


class StepListener(Protocol):
    """Gets told how a plan proceeds; it must be quick and must not raise."""

    def waiting(self, step: Step, services: tuple[str, ...]) -> None:
        """Only conditions on ``services`` are left to wait for."""

    def passed(self, step: Step, gate: Gate) -> None:
        """The condition failed and is not required."""

    def begun(self, step: Step) -> None:
        """The step runs."""

    def ended(self, step: Step, result: StepResult) -> None:
        """The step has run."""


Perform = Callable[["Step", Results], Awaitable[StepResult]]
"""Runs one step, with the results so far; what it raises ends the execution."""


class Execution:
    """One run of a plan."""

    def __init__(self, plan: Plan, perform: Perform, listener: StepListener, *, results: Results) -> None:
        """Prepare the run.

        Args:
            plan: its steps are in an order in which they could run one by one.
            perform: runs one step.
            listener: is told what happens.
            results: of steps that have ended already, which are not run again; gets the others' results.
        """
        self._perform = perform
        self._listener = listener
        self._results = results
        self._steps = [step for step in plan.steps if step.id not in results]
        self._pending = {step.id: set(step.predecessors - results.keys()) for step in self._steps}
        self._dependents: defaultdict[int, list[Step]] = defaultdict(list)
        for step in self._steps:
            for predecessor in self._pending[step.id]:
                self._dependents[predecessor].append(step)

    async def run(self) -> None:
        """Run all steps; cancelling it cancels those that run.

        Raises:
            DevenvError: What a step raised; the other steps were cancelled.
        """
        try:
            async with asyncio.TaskGroup() as group:
                for step in self._steps:
                    self._advance(step, group)
        except BaseExceptionGroup as errors:
            raise first_error(errors) from None

    def _advance(self, step: Step, group: asyncio.TaskGroup) -> None:
        """Run ``step`` if nothing is pending; say so if only conditions are."""
        pending = self._pending[step.id]
        if not pending:
            group.create_task(self._run(step, group))
        elif step.gates and pending.isdisjoint({*step.after, *step.follows}):
            unmet = (gate.service for gate in step.gates if not pending.isdisjoint(gate.steps))
            self._listener.waiting(step, tuple(dict.fromkeys(unmet)))

    async def _run(self, step: Step, group: asyncio.TaskGroup) -> None:
        result = self._skip(step)
        if result is None:
            self._listener.begun(step)
            result = await self._perform(step, self._results)
            self._listener.ended(step, result)
        self._results[step.id] = result
        for dependent in self._dependents[step.id]:
            self._pending[dependent.id].discard(step.id)
            self._advance(dependent, group)

    def _skip(self, step: Step) -> StepResult | None:
        """The result of a step that cannot run, because a predecessor failed."""
        if not self._succeeded(step.after):
            return StepResult(success=False, skipped=True)
        failed = [gate for gate in step.gates if not self._succeeded(gate.steps)]
        blocking = tuple(dict.fromkeys(gate.service for gate in failed if gate.required))
        if blocking:
            return StepResult(success=False, skipped=True, blocked_by=blocking)
        for gate in failed:
            self._listener.passed(step, gate)
        return None

    def _succeeded(self, steps: tuple[int, ...]) -> bool:
        return all(self._results[number].success for number in steps)
