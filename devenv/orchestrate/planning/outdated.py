"""Instances that were created from an earlier version of their stack file; pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from devenv.orchestrate.fingerprint import INJECTED
from devenv.orchestrate.naming import fields_of
from devenv.orchestrate.target import make_target

if TYPE_CHECKING:
    from collections.abc import Iterator

    from devenv.contract.capabilities import Capabilities
    from devenv.model.identity import Project
    from devenv.model.stack import Stack
    from devenv.model.state import ObservedState

_ASKED = {"image", INJECTED}
"""The fields of an image's ID and of what its configuration decides, for which the engine would have to be asked."""


def outdated(
    project: Project, stack: Stack, observed: ObservedState, services: tuple[str, ...], capabilities: Capabilities
) -> Iterator[str]:
    """Yield a warning for each service whose settings have changed since its instances were created.

    ``start`` and ``restart`` keep an instance, and with it its old settings.

    Args:
        project: owner of the instances.
        stack: with the trace backend and the tracing variables.
        observed: the instances.
        services: names of those in question.
        capabilities: of the engine.
    """
    prints = make_target(project, stack, services, whole=False, ids={}, capabilities=capabilities).prints
    for name in services:
        changed = {
            field for instance in observed.of(name) for field in prints[name].changed_since(fields_of(instance.labels))
        }
        if names := sorted(changed - _ASKED):
            what = ", ".join(names)
            yield f"{name} runs with its old settings ({what} changed): run `devenv up {name}` to apply them"
