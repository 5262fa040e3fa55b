"""Turns the progress of a plan into events."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from devenv.events import (
    ImageBuilding,
    ImagePulling,
    Notice,
    Removed,
    ServiceCompleted,
    ServiceFailed,
    ServiceReady,
    ServiceStarted,
    ServiceStarting,
    ServiceUnchanged,
    ServiceWaiting,
    Sink,
    Stopping,
)
from devenv.orchestrate.planning.calls import (
    BuildImage,
    CreateInstance,
    PullImage,
    RemoveInstance,
    RemoveNetwork,
    RemoveVolume,
    RunHook,
    StartInstance,
    StopInstance,
    WaitCompleted,
    WaitReady,
)

if TYPE_CHECKING:
    from devenv.health.outcome import WaitOutcome
    from devenv.orchestrate.execution.executor import StepResult
    from devenv.orchestrate.planning.graph import Action, Gate, Plan, Step

InstanceKind = Literal["container", "process"]


class StepEvents:
    """Emits events for the steps of one execution; see :class:`devenv.orchestrate.execution.executor.StepListener`."""

    def __init__(self, sink: Sink, instance_kind: InstanceKind) -> None:
        self._sink = sink
        self._instance_kind = instance_kind
        self._waiting: set[str] = set()
        self._passed: set[tuple[str, str]] = set()

    def unchanged(self, plan: Plan) -> None:
        """Emit an event for each completed one-shot that is kept: no step concerns it."""
        for action in plan.actions:
            if action.completed:
                self._sink(ServiceUnchanged(service=action.service, instance=action.index))

    def waiting(self, step: Step, services: tuple[str, ...]) -> None:
        """Emit once for each service what it waits for."""
        name = step.action.service
        if name not in self._waiting:
            self._waiting.add(name)
            self._sink(ServiceWaiting(service=name, dependencies=services))

    def passed(self, step: Step, gate: Gate) -> None:
        """Warn once for each service about a failed dependency that is not required."""
        if (step.action.service, gate.service) not in self._passed:
            self._passed.add((step.action.service, gate.service))
            text = f"{gate.service} failed but is not required; continuing"
            self._sink(Notice(message=text, warning=True))

    def begun(self, step: Step) -> None:
        """Emit what a step starts."""
        action = step.action
        match step.call:
            case PullImage(reference=reference):
                self._sink(ImagePulling(image=reference, status="starting"))
            case BuildImage(spec, service):
                self._sink(ImageBuilding(service=service, line=f"building {spec.tag}"))
            case StopInstance():
                self._sink(Stopping(service=action.service, instance=action.index))
            case CreateInstance():
                self._starting(action)
            case StartInstance(instance) if not instance.created_by:
                self._starting(action)
            case _:
                pass

    def ended(self, step: Step, result: StepResult) -> None:
        """Emit what a step achieved."""
        action = step.action
        match step.call:
            case PullImage(reference=reference):
                self._sink(ImagePulling(image=reference, status="done"))
            case StartInstance() if result.success:
                self._sink(ServiceStarted(service=action.service, instance=action.index))
            case StartInstance() | RunHook() | WaitReady() | WaitCompleted() if result.outcome is not None:
                self._settled(action, result.outcome)
            case _ if not result.success:
                pass
            case RemoveInstance() if action.kind == "remove":
                self._sink(Removed(kind=self._instance_kind, name=action.target))
            case RemoveNetwork() if action.kind == "remove-network":
                self._sink(Removed(kind="network", name=action.target))
            case RemoveVolume():
                self._sink(Removed(kind="volume", name=action.target))
            case _:
                pass

    def _starting(self, action: Action) -> None:
        self._sink(ServiceStarting(service=action.service, instance=action.index, reason=action.reason))

    def _settled(self, action: Action, outcome: WaitOutcome) -> None:
        name, index = action.service, action.index
        if outcome.failure is not None:
            self._sink(ServiceFailed(service=name, instance=index, summary=f"{name} {outcome.failure.reason}"))
        elif not action.changes:
            self._sink(ServiceUnchanged(service=name, instance=index))
        elif outcome.completed:
            self._sink(ServiceCompleted(service=name, instance=index))
        else:
            self._sink(ServiceReady(service=name, instance=index, ready_ms=outcome.ready_ms))
