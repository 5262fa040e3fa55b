"""A plan: the actions on a project's objects, and the graph of steps that carries them out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Literal

from devenv.immutable import immutable

if TYPE_CHECKING:
    from devenv.orchestrate.planning.calls import Call

ActionKind = Literal[
    "pull",
    "build",
    "create-network",
    "replace-network",
    "remove-network",
    "create-volume",
    "remove-volume",
    "create",
    "replace",
    "recreate",
    "start",
    "restart",
    "stop",
    "remove",
    "keep",
]

RunCondition = Literal["started", "healthy", "completed"]

CONDITIONS: Mapping[str, RunCondition] = {
    "service_started": "started",
    "service_healthy": "healthy",
    "service_completed_successfully": "completed",
}
"""A condition of ``depends_on`` in one word."""


@immutable(kw_only=True)
class Action:
    """What happens to one object.

    Attributes:
        kind: ``create`` includes the start; ``replace`` and ``recreate`` remove the existing instance first; ``start``
            and ``restart`` keep the instance; ``keep`` changes nothing.
        target: the engine's name of the object, or the image's reference.
        service: service of an instance; for an image the services that use it, joined by ``, ``.
        key: key of a network or volume in the stack file.
        object_id: the engine's ID of the existing object; empty if it does not exist.
        reason: why, for people; for ``replace`` what changed.
        after: names of the instances that have to be removed before this one is created.
        waits_for: services whose conditions gate the start, as ``name (condition)``, for people.
        completed: the instance of a one-shot that has exited with 0 and is kept.
    """

    kind: ActionKind
    target: str
    service: str = ""
    index: int = 0
    key: str = ""
    object_id: str = ""
    reason: str = ""
    after: tuple[str, ...] = ()
    waits_for: tuple[str, ...] = ()
    completed: bool = False

    def __str__(self) -> str:
        parts = [f"{self.kind:<15} {self.target}"]
        if self.kind in {"pull", "build"}:
            parts.append(f"for {self.service}")
        if self.reason:
            parts.append(f"({self.reason})")
        if self.waits_for and self.kind != "keep":
            parts.append("when " + ", ".join(self.waits_for))
        if self.after:
            parts.append("after " + ", ".join(self.after))
        return " ".join(parts)

    @property
    def changes(self) -> bool:
        """Whether it changes anything."""
        return self.kind != "keep"

    @property
    def creates(self) -> bool:
        """Whether a new instance is created."""
        return self.kind in {"create", "replace", "recreate"}

    @property
    def removes_first(self) -> bool:
        """Whether an existing instance is removed."""
        return self.kind in {"replace", "recreate", "remove"}


@immutable(kw_only=True)
class Gate:
    """A condition on a service.

    Attributes:
        steps: IDs of the steps that fulfil it if all of them succeed.
        required: if false, the step runs as well after the condition has failed.
    """

    service: str
    condition: RunCondition
    steps: tuple[int, ...]
    required: bool = True

    def __str__(self) -> str:
        numbers = "".join(f" #{number}" for number in self.steps)
        return f"{self.service} ({self.condition}{numbers})"


@immutable(kw_only=True)
class Step:
    """A node of the graph: one call.

    Attributes:
        id: from 1; a step depends only on steps with smaller IDs, so that the graph has no cycle.
        call: the engine's method with its arguments, or the wait.
        action: the action that the step is part of.
        after: IDs of the steps that have to succeed first.
        follows: IDs of the steps that have to end first, whether they succeed or not.
        gates: conditions on services that have to be met first.
    """

    id: int
    call: Call
    action: Action
    after: tuple[int, ...] = ()
    follows: tuple[int, ...] = ()
    gates: tuple[Gate, ...] = ()

    def __str__(self) -> str:
        parts = [f"#{self.id} {self.call.verb} {self.action.target}"]
        if self.after:
            parts.append("after " + ", ".join(f"#{number}" for number in self.after))
        if self.follows:
            parts.append("once ended " + ", ".join(f"#{number}" for number in self.follows))
        if self.gates:
            parts.append("when " + ", ".join(str(gate) for gate in self.gates))
        return " ".join(parts)

    @property
    def predecessors(self) -> frozenset[int]:
        """IDs of all steps that have to end first."""
        return frozenset({*self.after, *self.follows}).union(*(gate.steps for gate in self.gates))


@immutable(kw_only=True)
class Plan:
    """Actions in the order in which they are shown, and the steps in an order in which they could run one by one.

    Each step runs as soon as its predecessors allow it.
    """

    actions: tuple[Action, ...] = ()
    steps: tuple[Step, ...] = ()

    def __str__(self) -> str:
        return "\n".join(str(action) for action in self.actions) or "nothing to do"

    @property
    def schedule(self) -> str:
        """The steps, one per line, with what each waits for."""
        return "\n".join(str(step) for step in self.steps)

    @property
    def changes(self) -> tuple[Action, ...]:
        """The actions that change something."""
        return tuple(action for action in self.actions if action.changes)

    @property
    def empty(self) -> bool:
        """Whether everything is already as the stack file requires it."""
        return not self.changes

    def of_kind(self, *kinds: ActionKind) -> Iterator[Action]:
        """The actions of ``kinds``."""
        return (action for action in self.actions if action.kind in kinds)

    def calls(self, *kinds: type[Call]) -> Iterator[Step]:
        """The steps whose call is one of ``kinds``."""
        return (step for step in self.steps if isinstance(step.call, kinds))
