"""Checks that the container names of a stack are free."""

from __future__ import annotations

from typing import TYPE_CHECKING

from devenv.contract.name_taken import name_taken

if TYPE_CHECKING:
    from devenv.contract.engine import Engine
    from devenv.model.state import ObservedState
    from devenv.orchestrate.planning.graph import Plan
    from devenv.orchestrate.target import Target


async def check_names(engine: Engine, target: Target, plan: Plan, observed: ObservedState) -> None:
    """Check that no container of another project has a ``container_name`` that the plan needs.

    Only names from the stack file are checked: those that devenv makes contain the project's ID.

    Raises:
        NameTaken: If one is in use; the message names the container. Nothing was started.
    """
    own = {instance.name for instance in observed.instances}
    starting = {action.service for action in plan.of_kind("create", "replace", "recreate")}
    for name in target.services:
        service = target.stack.services[name]
        if service.container_name is None or name not in starting or service.container_name in own:
            continue
        if owner := await engine.name_owner(service.container_name):
            raise name_taken(service, service.container_name, owner)
