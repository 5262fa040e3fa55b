"""Applying the instance actions of a plan: everything at once, held back only by what each one waits for."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from devenv.errors import EngineRefused
from devenv.events import (
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
from devenv.health.waiter import Failure, Outcome, log_tail
from devenv.orchestrate.concurrency import gather
from devenv.orchestrate.readiness import Readiness
from devenv.orchestrate.selection import shared_network
from devenv.orchestrate.specs import instance_spec, network_spec
from devenv.orchestrate.track import Track

if TYPE_CHECKING:
    from devenv.clock import Clock
    from devenv.contract.engine import Engine
    from devenv.model.plan import Action, Plan
    from devenv.model.stack import Dependency, Service
    from devenv.model.state import ObservedState
    from devenv.orchestrate.target import Target


class Application:
    """One run of a plan's instance actions; ``tracks`` tells afterwards what became of each service."""

    def __init__(
        self,
        engine: Engine,
        target: Target,
        plan: Plan,
        observed: ObservedState,
        *,
        clock: Clock,
        sink: Sink,
        timeout: float,
    ) -> None:
        self._engine = engine
        self._target = target
        self._plan = plan
        self._clock = clock
        self._sink = sink
        self._readiness = Readiness(engine, target, clock=clock, sink=sink, timeout=timeout)
        self._leaving = {action.instance_id: asyncio.Event() for action in plan.actions if action.removes_first}
        self._id_of = {instance.name: instance.id for instance in observed.instances}
        self._networks = {action.key: asyncio.Event() for action in plan.of_kind("replace-network")}
        self.tracks: Mapping[str, Track] = {name: Track() for name in target.services}
        self._begun: dict[str, float] = {}
        self.created: dict[str, str] = {}

    async def run(self) -> None:
        """Apply; a service that fails is told by its track, anything else is raised.

        Raises:
            EnvironmentFailure: the engine refuses what concerns no single service, or is gone.
        """
        leaving = (a for a in self._plan.actions if a.removes_first)
        await gather(
            *(self._remove_instance(action) for action in leaving),
            *(self._replace_network(action) for action in self._plan.of_kind("replace-network")),
            *(self._service(self._target.stack.services[name]) for name in self._target.services),
        )
        for action in self._plan.of_kind("remove-network"):
            await self._engine.remove_network(action.instance_id)
            self._sink(Removed(kind="network", name=action.target))

    # --- what goes away ---

    async def _remove_instance(self, action: Action) -> None:
        self._sink(Stopping(service=action.service, instance=action.index))
        await self._engine.stop(action.instance_id)
        await self._engine.remove(action.instance_id)
        self._leaving[action.instance_id].set()
        if action.kind == "remove":
            self._sink(Removed(kind="container", name=action.target))

    async def _replace_network(self, action: Action) -> None:
        await self._all(self._leaving.values())
        await self._engine.remove_network(action.instance_id)
        await self._engine.create_network(network_spec(self._target, action.key))
        self._networks[action.key].set()

    # --- one service ---

    async def _service(self, service: Service) -> None:
        """From nothing to ready, or as far as it gets; an error leaves the events alone, because all ends with it."""
        track = self.tracks[service.name]
        actions = self._plan.instances(service.name)
        await gather(*(self._exist(service, action) for action in actions))
        track.created.set()
        if any(action.changes for action in actions):
            track.blocked_by = await self._gate(service)
        if not track.blocked_by:
            failures = await gather(*(self._run_instance(service, action) for action in actions))
            track.has_started = not any(failures)
            track.started.set()
            await gather(*(self._wait(service, action) for action in actions if action.index not in track.outcomes))
            self._tell(service, actions)
        track.started.set()
        track.done.set()

    def _tell(self, service: Service, actions: tuple[Action, ...]) -> None:
        track = self.tracks[service.name]
        for action in actions:
            name, index, outcome = service.name, action.index, track.outcomes[action.index]
            if outcome.failure is not None:
                self._sink(ServiceFailed(service=name, instance=index, summary=f"{name} {outcome.failure.reason}"))
            elif not action.changes:
                self._sink(ServiceUnchanged(service=name, instance=index))
            elif outcome.completed:
                self._sink(ServiceCompleted(service=name, instance=index))
            else:
                self._sink(ServiceReady(service=name, instance=index, ready_ms=outcome.ready_ms))

    async def _exist(self, service: Service, action: Action) -> None:
        """Make sure that the instance is there, not that it runs."""
        track = self.tracks[service.name]
        if action.kind not in {"create", "replace", "recreate"}:
            track.ids[action.index] = action.instance_id
            return
        self._sink(ServiceStarting(service=service.name, instance=action.index, reason=action.reason))
        owner = await self._network_owner(service)
        before = [self._leaving[action.instance_id]] if action.instance_id else []
        await self._all([*before, *self._predecessors(action)])
        await self._all(self._networks[a.network] for a in service.networks if a.network in self._networks)
        spec = instance_spec(self._target, service.name, action.index, network_container=owner)
        instance_id = await self._engine.create(spec)
        track.ids[action.index] = instance_id
        self.created[instance_id] = action.target

    async def _network_owner(self, service: Service) -> str | None:
        shared = shared_network(service)
        if shared is None or shared not in self.tracks:
            return None
        await self.tracks[shared].created.wait()
        return next(iter(self.tracks[shared].ids.values()), None)

    def _predecessors(self, action: Action) -> list[asyncio.Event]:
        return [self._leaving[self._id_of[name]] for name in action.after]

    async def _gate(self, service: Service) -> tuple[str, ...]:
        """Wait for the conditions of ``service``; the dependencies that failed, where there are any."""
        shared = shared_network(service)
        pending = [item for item in service.depends_on if item.service in self.tracks]
        waiting = tuple(item.service for item in pending if not self._met(item))
        if waiting:
            self._sink(ServiceWaiting(service=service.name, dependencies=waiting))
        verdicts = await gather(*(self._condition(item) for item in pending))
        failed = [item.service for item, good in zip(pending, verdicts, strict=True) if not good]
        if shared is not None and shared in self.tracks:
            await self.tracks[shared].started.wait()
            failed += [] if self.tracks[shared].has_started else [shared]
        return tuple(dict.fromkeys(failed))

    def _met(self, dependency: Dependency) -> bool:
        track = self.tracks[dependency.service]
        event = track.started if dependency.condition == "service_started" else track.done
        return event.is_set()

    async def _condition(self, dependency: Dependency) -> bool:
        track = self.tracks[dependency.service]
        if dependency.condition == "service_started":
            await track.started.wait()
            good = track.has_started
        else:
            await track.done.wait()
            good = track.ready
        if not good and not dependency.required:
            self._sink(Notice(message=f"{dependency.service} failed and is not required: going on", warning=True))
            return True
        return good

    async def _run_instance(self, service: Service, action: Action) -> bool:
        """Start the instance unless it runs; ``True`` where it could not be started."""
        track = self.tracks[service.name]
        instance_id = track.ids[action.index]
        if action.kind == "keep":
            return False
        await self._all(self._predecessors(action))
        begun = self._clock.monotonic()
        if action.kind == "restart":
            self._sink(Stopping(service=service.name, instance=action.index))
            await self._engine.stop(instance_id)
        if action.kind in {"start", "restart"}:
            self._sink(ServiceStarting(service=service.name, instance=action.index, reason=action.reason))
            begun = self._clock.monotonic()
        try:
            await self._engine.start(instance_id)
        except EngineRefused as error:
            track.outcomes[action.index] = await self._not_started(service, action.index, instance_id, error)
            return True
        self._sink(ServiceStarted(service=service.name, instance=action.index))
        self._begun[instance_id] = begun
        return False

    async def _not_started(self, service: Service, index: int, instance_id: str, error: EngineRefused) -> Outcome:
        failure = Failure(
            service=service.name,
            index=index,
            reason=f"could not be started: {error.message}",
            log_tail=await log_tail(self._engine, instance_id),
        )
        return Outcome(ready=False, ready_ms=0.0, failure=failure)

    async def _wait(self, service: Service, action: Action) -> None:
        """Wait until the instance is ready, or has ended where it is a one-shot."""
        track = self.tracks[service.name]
        instance_id = track.ids[action.index]
        if action.reason == "completed":
            track.outcomes[action.index] = Outcome(ready=True, ready_ms=0.0, completed=True)
            return
        now = self._clock.monotonic()
        track.outcomes[action.index] = await self._readiness.wait(
            service, instance_id, action.index, started_at=self._begun.get(instance_id, now)
        )

    @staticmethod
    async def _all(events: Iterable[asyncio.Event]) -> None:
        for event in events:
            await event.wait()
