"""Runs a hook of the stack file in an instance."""

from __future__ import annotations

from typing import TYPE_CHECKING

from devenv.errors import EngineRefused

if TYPE_CHECKING:
    from devenv.contract.engine import InstanceAccess
    from devenv.model.stack import Hook

TAIL_LINES = 20
"""Lines of a hook's output that a failure carries."""

Verdict = tuple[str, tuple[str, ...]]
"""Why a hook failed, as a clause that follows its command, empty if it did not; and the end of its output."""


async def run_hook(engine: InstanceAccess, instance_id: str, hook: Hook) -> Verdict:
    """Run ``hook`` to its end."""
    try:
        result = await engine.exec(
            instance_id,
            hook.command,
            environment=hook.environment,
            user=hook.user,
            privileged=hook.privileged,
            working_dir=hook.working_dir,
        )
    except EngineRefused as error:
        return "could not run", (error.message,)
    output = tuple(result.output.decode(errors="replace").splitlines()[-TAIL_LINES:])
    return (f"exited with code {result.exit_code}", output) if result.exit_code else ("", output)
