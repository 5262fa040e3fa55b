"""A plan: what an ``up`` will do, as a value that prints (``--dry-run``, and what tests assert on)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

ActionKind = Literal[
    "pull",
    "build",
    "create-network",
    "replace-network",
    "remove-network",
    "create-volume",
    "create",
    "replace",
    "recreate",
    "start",
    "restart",
    "remove",
    "keep",
]

INSTANCE_KINDS: frozenset[str] = frozenset({"create", "replace", "recreate", "start", "restart", "remove", "keep"})
"""Kinds that concern one instance of a service; the others concern images, networks and volumes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """One step.

    Attributes:
        kind: ``create`` includes the start; ``replace`` and ``recreate`` remove what is there first; ``start`` and
            ``restart`` keep the instance; ``keep`` does nothing.
        target: the engine's name of the object, or the image's reference.
        service: of an instance; of an image the services that use it, joined by ``, ``.
        key: of a network or volume, its key in the stack file.
        instance_id: the engine's id of what is there already; empty where nothing is.
        reason: why; for ``replace`` what changed.
        after: targets of other actions whose old instance or network has to be gone before this one starts.
        waits_for: services whose conditions gate the start, as ``name (condition)``.
    """

    kind: ActionKind
    target: str
    service: str = ""
    index: int = 0
    key: str = ""
    instance_id: str = ""
    reason: str = ""
    after: tuple[str, ...] = ()
    waits_for: tuple[str, ...] = ()

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
        """Whether it does anything."""
        return self.kind != "keep"

    @property
    def removes_first(self) -> bool:
        """Whether something that is there goes away by it."""
        return self.kind in {"replace", "recreate", "remove"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Actions in the order in which they are shown; they run as early as their dependencies allow."""

    actions: tuple[Action, ...] = ()

    def __str__(self) -> str:
        return "\n".join(str(action) for action in self.actions) or "nothing to do"

    @property
    def changes(self) -> tuple[Action, ...]:
        """The actions that do something."""
        return tuple(action for action in self.actions if action.changes)

    @property
    def empty(self) -> bool:
        """Whether everything is as the stack file wants it."""
        return not self.changes

    def of_kind(self, *kinds: ActionKind) -> Iterator[Action]:
        """The actions of ``kinds``."""
        return (action for action in self.actions if action.kind in kinds)

    def instances(self, service: str) -> tuple[Action, ...]:
        """What happens to the instances of ``service`` that stay or come, by index."""
        chosen = (a for a in self.actions if a.service == service and a.kind in INSTANCE_KINDS and a.kind != "remove")
        return tuple(sorted(chosen, key=lambda action: action.index))
