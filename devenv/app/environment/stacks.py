"""``devenv stacks`` and ``devenv config``: the available stacks, and a stack after merging and interpolation."""

from __future__ import annotations

from typing import TYPE_CHECKING

from devenv.app.invocation import env_directory, find_stack, read_stack
from devenv.model.listings import ConfigDocument, StackPart, StacksDocument

if TYPE_CHECKING:
    from devenv.app.invocation import Invocation


def list_stacks(invocation: Invocation) -> StacksDocument:
    """The stacks available in the project's directory; the default one is marked."""
    from devenv.errors import UsageError
    from devenv.stack import discovery

    try:
        chosen = find_stack(invocation).files
    except UsageError:
        chosen = ()
    return StacksDocument(
        stacks=[
            StackPart(name=item.name, files=[str(path) for path in item.files], default=item.files == chosen)
            for item in discovery.list_stacks(invocation.start)
        ]
    )


def resolved(invocation: Invocation, *, origins: bool = False) -> ConfigDocument:
    """The resolved stack in Compose's long form; with ``origins``, where each value comes from."""
    from devenv.app.traces.setup_warnings import with_setup_warnings
    from devenv.stack.dump import dump

    loaded = with_setup_warnings(read_stack(invocation), None)
    found: dict[str, str] = {}
    if origins:
        from devenv.stack.loader import stack_origins

        found = {name: f"{variable.origin} ({variable.value})" for name, variable in invocation.settings.items()}
        found |= stack_origins(
            loaded.stack.files,
            environ=invocation.environ,
            working_directory=env_directory(invocation, find_stack(invocation)),
        )
    return ConfigDocument(
        project=loaded.project.id,
        files=[str(path) for path in loaded.stack.files],
        config=dump(loaded.stack),
        origins=found,
        notice=loaded.notice,
        warnings=[f"{warning.location}: {warning.message}" for warning in loaded.stack.warnings],
    )
