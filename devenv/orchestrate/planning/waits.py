"""Leaves out the waits of a plan that no other step needs: ``up --wait-for`` ends when some services are ready."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from typing import TYPE_CHECKING

from devenv.orchestrate.planning.calls import WaitCompleted, WaitReady

if TYPE_CHECKING:
    from devenv.orchestrate.planning.graph import Plan


def waiting_for(plan: Plan, services: Collection[str]) -> Plan:
    """Return ``plan`` with the waits for ``services``, and with those for others that a start depends on.

    What is started stays the same; the steps keep their IDs.
    """
    needed = frozenset[int]().union(*(step.predecessors for step in plan.steps))
    kept = (
        step
        for step in plan.steps
        if not isinstance(step.call, WaitReady | WaitCompleted) or step.action.service in services or step.id in needed
    )
    return replace(plan, steps=tuple(kept))
