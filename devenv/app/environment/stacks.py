"""``devenv stacks`` and ``devenv config``: the available stacks, and a stack after merging and interpolation."""

from __future__ import annotations

from typing import TYPE_CHECKING

from devenv.app.invocation import find_stack, read_stack, read_stack_and_origins
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

    loaded, found = read_stack_and_origins(invocation) if origins else (read_stack(invocation), {})
    loaded = with_setup_warnings(loaded, None)
    return ConfigDocument(
        project=loaded.project.id,
        files=[str(path) for path in loaded.stack.files],
        config=dump(loaded.stack),
        origins=found,
        notice=loaded.notice,
        warnings=[f"{warning.location}: {warning.message}" for warning in loaded.stack.warnings],
    )
