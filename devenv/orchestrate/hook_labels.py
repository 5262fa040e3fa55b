"""The hooks before a stop, on the label of an instance: it is stopped without its stack file, too."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

from devenv.model.stack import Hook
from devenv.model.state import State

if TYPE_CHECKING:
    from devenv.model.stack import Service
    from devenv.model.state import ObservedInstance

LABEL_PRE_STOP = "devenv.pre-stop"
"""The hooks as a JSON array, with the names of :class:`devenv.model.stack.Hook`."""


def pre_stop_label(service: Service) -> dict[str, str]:
    """Return the label with the ``pre_stop`` hooks of ``service``; empty if it has none."""
    if not service.pre_stop:
        return {}
    return {LABEL_PRE_STOP: json.dumps([{**asdict(hook), "command": list(hook.command)} for hook in service.pre_stop])}


def pre_stop_of(instance: ObservedInstance) -> tuple[Hook, ...]:
    """Return the hooks that an instance was created with; none if it does not run, or if its label has none."""
    text = instance.labels.get(LABEL_PRE_STOP)
    if not text or instance.state is not State.RUNNING:
        return ()
    try:
        return tuple(Hook(**{**hook, "command": tuple(hook["command"])}) for hook in json.loads(text))
    except (ValueError, TypeError, KeyError):  # written by something else, and no reason to stop nothing
        return ()
