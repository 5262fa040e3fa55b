"""Performs the steps of a plan: one request to the engine each, or one wait for readiness."""

from __future__ import annotations

import shlex
from dataclasses import replace
from typing import TYPE_CHECKING

from devenv.errors import EngineRefused, NotStarted
from devenv.events import ImageBuilding, ImagePulling, Notice
from devenv.health.outcome import Failure, WaitOutcome, not_started
from devenv.orchestrate.execution.executor import Execution, StepResult
from devenv.orchestrate.execution.hooks import run_hook
from devenv.orchestrate.execution.readiness import Readiness
from devenv.orchestrate.execution.step_events import StepEvents
from devenv.orchestrate.planning.calls import (
    BuildImage,
    CreateInstance,
    CreateNetwork,
    CreateVolume,
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
    from devenv.clock import Clock
    from devenv.contract.answers import Progress
    from devenv.contract.engine import Engine
    from devenv.events import Sink
    from devenv.model.identity import Project
    from devenv.model.stack import Hook
    from devenv.orchestrate.execution.executor import Perform, Results
    from devenv.orchestrate.planning.calls import InstanceRef
    from devenv.orchestrate.planning.graph import Action, Plan, Step

_DONE = StepResult(success=True)


async def run_plan(
    engine: Engine,
    plan: Plan,
    results: Results,
    *,
    clock: Clock,
    sink: Sink,
    timeout: float = 0.0,
    project: Project | None = None,
    refusals: list[EngineRefused] | None = None,
) -> None:
    """Run the steps of ``plan`` that have no result yet.

    Args:
        engine: gets the requests.
        plan: its steps run as soon as their predecessors allow it.
        results: of the steps that have run before; gets those of the others, also if an error ends the run.
        clock: measures the waits.
        sink: gets the events.
        timeout: seconds from now until everything has to be ready; plans without a wait need none.
        project: whose instances; plans without a wait need none.
        refusals: gets what the engine refuses, for a plan that removes; steps that do not depend on it still run.

    Raises:
        EnvironmentFailure: If the engine refuses what concerns no single service, or is not available.
    """
    events = StepEvents(sink, "process" if engine.capabilities.processes else "container")
    events.unchanged(plan)
    operations = Operations(engine, project, clock=clock, sink=sink, timeout=timeout)
    perform = operations.perform if refusals is None else _going_on(operations.perform, refusals)
    await Execution(plan, perform, events, results=results).run()


def _going_on(perform: Perform, refusals: list[EngineRefused]) -> Perform:
    """Return ``perform`` without the end at the first refusal: what can be removed is not left beside what cannot."""

    async def perform_or_note(step: Step, results: Results) -> StepResult:
        try:
            return await perform(step, results)
        except EngineRefused as error:
            if isinstance(step.call, StopInstance):
                return _DONE  # the removal says it
            refusals.append(error)
            return StepResult(success=False)

    return perform_or_note


class Operations:
    """The calls on one engine, with one deadline for all waits."""

    def __init__(self, engine: Engine, project: Project | None, *, clock: Clock, sink: Sink, timeout: float) -> None:
        """Prepare the calls.

        Args:
            engine: gets the requests.
            project: whose instances are waited for.
            clock: measures the waits.
            sink: gets the progress of images and of probes.
            timeout: seconds from now until everything has to be ready.
        """
        self._engine = engine
        self._clock = clock
        self._sink = sink
        self._readiness = Readiness(engine, project, clock=clock, sink=sink, timeout=timeout)
        self._started: dict[str, float] = {}

    async def perform(self, step: Step, results: Results) -> StepResult:
        """Perform ``step``; ``results`` hold the IDs of what earlier steps created.

        Raises:
            EnvironmentFailure: If the engine refuses what concerns no single service, or is not available.
        """
        engine = self._engine
        match step.call:
            case PullImage():
                return await self._pull(step.call)
            case BuildImage():
                return await self._build(step.call)
            case CreateNetwork(spec):
                return StepResult(success=True, object_id=await engine.create_network(spec))
            case CreateVolume(volume):
                await engine.create_volume(volume)
            case CreateInstance(instance, network_of):
                owner = _id(network_of, results) if network_of is not None else None
                created = await engine.create(replace(instance, network_container=owner))
                return StepResult(success=True, object_id=created)
            case StartInstance(reference):
                return await self._start(_id(reference, results), step.action)
            case RunHook(reference, hook, stage):
                return await self._hook(_id(reference, results), hook, stage, step.action)
            case StopInstance(reference, grace):
                await engine.stop(_id(reference, results), grace=grace)
            case RemoveInstance() | RemoveNetwork() | RemoveVolume():
                await self._remove(step.call, results)
            case WaitReady() | WaitCompleted():
                return await self._wait(step.call, _id(step.call.instance, results), step.action)
        return _DONE

    async def _remove(self, call: RemoveInstance | RemoveNetwork | RemoveVolume, results: Results) -> None:
        match call:
            case RemoveInstance(reference):
                await self._engine.remove(_id(reference, results))
            case RemoveNetwork(network_id):
                await self._engine.remove_network(network_id)
            case RemoveVolume(name):
                await self._engine.remove_volume(name)

    async def _pull(self, call: PullImage) -> StepResult:
        def report(progress: Progress) -> None:
            status = ImagePulling(image=call.reference, status=progress.text, done=progress.done, total=progress.total)
            self._sink(status)

        image = await self._engine.pull(call.reference, platform=call.platform, progress=report)
        return StepResult(success=True, object_id=image)

    async def _build(self, call: BuildImage) -> StepResult:
        def report(progress: Progress) -> None:
            self._sink(ImageBuilding(service=call.service, line=progress.text))

        image = await self._engine.build(call.spec, progress=report)
        return StepResult(success=True, object_id=image)

    async def _start(self, instance_id: str, action: Action) -> StepResult:
        begun = self._clock.monotonic()
        try:
            await self._engine.start(instance_id)
        except EngineRefused as error:
            from devenv.health.waiter import log_tail

            failure = Failure(
                service=action.service,
                index=action.index,
                reason=not_started(error.reason if isinstance(error, NotStarted) else error.message),
                log_tail=await log_tail(self._engine, instance_id),
            )
            return StepResult(success=False, outcome=WaitOutcome(ready=False, ready_ms=0.0, failure=failure))
        self._started[instance_id] = begun
        return _DONE

    async def _hook(self, instance_id: str, hook: Hook, stage: str, action: Action) -> StepResult:
        """Run a hook; the one before a stop may fail, which is told."""
        reason, output = await self._readiness.within(run_hook(self._engine, instance_id, hook))
        if not reason:
            return _DONE
        reason = f"{stage} hook {shlex.join(hook.command)!r} {reason}"
        if stage == "pre_stop":
            told = f": {output[-1]}" if output else ""
            self._sink(Notice(message=f"{action.service}: its {reason}{told}", warning=True))
            return StepResult(success=False)
        failure = Failure(service=action.service, index=action.index, reason=f"failed: its {reason}", log_tail=output)
        return StepResult(success=False, outcome=WaitOutcome(ready=False, ready_ms=0.0, failure=failure))

    async def _wait(self, call: WaitReady | WaitCompleted, instance_id: str, action: Action) -> StepResult:
        started = self._started.get(instance_id, self._clock.monotonic())
        if isinstance(call, WaitCompleted):
            outcome = await self._readiness.completed(call.service, instance_id, action.index)
        else:
            outcome = await self._readiness.ready(
                call.service, instance_id, action.index, image=call.image, started_at=started
            )
        return StepResult(success=outcome.ready, outcome=outcome)


def _id(instance: InstanceRef, results: Results) -> str:
    return results[instance.created_by].object_id if instance.created_by else instance.id
