"""The package's entry points; what they need (YAML, pydantic) is imported when they are called."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from devenv.model.stack import Stack
    from devenv.stack.origins import Origins


def load_stack(
    files: Sequence[Path],
    *,
    environ: Mapping[str, str],
    profiles: Sequence[str] = (),
    services: Sequence[str] = (),
) -> Stack:
    """The resolved stack of ``files``, merged in their order.

    Args:
        files: at least one; relative paths in all of them start at the directory of the first.
        environ: the command's environment, for interpolation; ``.env`` beside the first file comes after it.
        profiles: active profiles; where empty, those of ``COMPOSE_PROFILES``.
        services: services asked for by name, whose profiles are thereby active.

    Returns:
        The stack of the active services, with its warnings.

    Raises:
        StackFileError: a file says what cannot be; the error is the first one, the rest are its ``others``.
        UnknownName: one of ``services`` is not in the stack.
    """
    return load_with_origins(files, environ=environ, profiles=profiles, services=services)[0]


def load_with_origins(
    files: Sequence[Path],
    *,
    environ: Mapping[str, str],
    profiles: Sequence[str] = (),
    services: Sequence[str] = (),
) -> tuple[Stack, Origins]:
    """As :func:`load_stack`, and where each value came from (``origins.of("services.web.ports[0].target")``)."""
    from devenv.stack.loading import load

    loaded = load(files, environ=environ, profiles=profiles, services=services)
    return loaded.stack, loaded.origins


def dump(stack: Stack) -> dict[str, Any]:
    """``stack`` in Compose's canonical long form as plain data; secrets in the environment stand in it as they are."""
    from devenv.stack.canonical_form import dump as dump_stack

    return dump_stack(stack)


def dump_yaml(stack: Stack) -> str:
    """``stack`` in Compose's canonical long form as the text of a stack file."""
    from devenv.stack.canonical_form import dump_yaml as dump_text

    return dump_text(stack)
