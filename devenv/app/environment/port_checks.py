"""What ``doctor`` says about the host ports of a stack, those of the trace backend that devenv adds included."""

from __future__ import annotations

from typing import TYPE_CHECKING

from devenv.app.engines import choose
from devenv.errors import ConfigurationError, DevenvError
from devenv.model.listings import CheckPart

if TYPE_CHECKING:
    from devenv.app.invocation import Invocation, LoadedStack
    from devenv.contract.engine import Engine
    from devenv.model.state import ObservedState


async def checks_before_start(invocation: Invocation, loaded: LoadedStack) -> list[CheckPart]:
    """Check the ports on the engine that ``up`` would take, as far as that is known without the images."""
    try:
        choice = await choose(invocation, loaded.project, stack=None, recorded=None)
    except DevenvError as error:
        return [CheckPart(name="ports", verdict="skipped", found=f"not checked: {error.message}")]
    try:
        return await port_checks(choice.engine, loaded, await choice.engine.observe(loaded.project))
    except DevenvError as error:
        return [CheckPart(name="ports", verdict="error", found=error.message, hint=error.hint)]
    finally:
        await choice.engine.close()


async def port_checks(engine: Engine, loaded: LoadedStack, observed: ObservedState) -> list[CheckPart]:
    """Return a line for each port that ``up`` would refuse: published twice, or in use by another program.

    Raises:
        DevenvError: If the engine does not respond.
    """
    from devenv.orchestrate.instrument import instrument
    from devenv.orchestrate.port_conflicts import check_conflicts
    from devenv.orchestrate.published_ports import owner_of, taken_ports, wanted_ports
    from devenv.orchestrate.telemetry.ports import beside_own_telemetry

    try:
        stack = instrument(loaded.stack, backend=engine.capabilities.trace_backend)
        stack, _ = beside_own_telemetry(loaded.project, stack, remember=False)
        check_conflicts(stack, tuple(stack.services))
    except ConfigurationError as error:
        return [CheckPart(name="ports", verdict="error", found=str(error), hint=error.hint)]
    wanted = wanted_ports(engine, stack, stack.services, observed)
    if (await engine.info()).remote:
        return [CheckPart(name="ports", verdict="skipped", found="not checked: the engine is on another machine")]
    checks = []
    for item in await taken_ports(engine, wanted):
        owner = await owner_of(engine, item, loaded.project)
        where = f" on {item.address}" if ":" in item.address else ""
        found = f"port {item.port}{where} of {item.service} is in use by {owner}"
        hint = "stop it, change ports: in the stack file, or run `devenv up --isolated`"
        checks.append(CheckPart(name="ports", verdict="error", found=found, hint=hint))
    besides = " or used by this project" if observed.instances else ""
    return checks or [CheckPart(name="ports", verdict="ok", found=f"all published ports are free{besides}")]
