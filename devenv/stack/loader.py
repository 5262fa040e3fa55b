"""Loads stacks. Its dependencies (YAML, pydantic) are imported only when it is called."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from devenv.model.stack import Stack
    from devenv.stack.origins import Origins


def load_stack(
    files: Sequence[Path],
    *,
    environ: Mapping[str, str],
    profiles: Sequence[str] = (),
    services: Sequence[str] = (),
    texts: Mapping[Path, str] | None = None,
    working_directory: Path | None = None,
) -> Stack:
    """Return the resolved stack of ``files``, merged in their order.

    Args:
        files: at least one; relative paths in all of them start at the directory of the first.
        environ: the command's environment, for interpolation; it takes precedence over ``.env`` files, see
            :mod:`devenv.stack.env.project`.
        profiles: active profiles; if empty, those of ``COMPOSE_PROFILES``.
        services: services asked for by name; their profiles become active.
        texts: texts to use in place of the contents of some of ``files``, to check an edit before it is written.
        working_directory: where the command runs, if its ``.env`` is read before that next to the first file.

    Returns:
        The stack of the active services, with its warnings.

    Raises:
        StackFileError: If a file is not valid; the error is the first one, the rest are its ``others``.
        UnknownName: If one of ``services`` is not in the stack.
    """
    from devenv.stack.assembly import load

    return load(
        files,
        environ=environ,
        profiles=profiles,
        services=services,
        texts=texts or {},
        working_directory=working_directory,
    ).stack


def load_with_origins(
    files: Sequence[Path],
    *,
    environ: Mapping[str, str],
    profiles: Sequence[str] = (),
    services: Sequence[str] = (),
) -> tuple[Stack, Origins]:
    """As :func:`load_stack`, with the origin of each value (``origins.of("services.web.ports[0].target")``)."""
    from devenv.stack.assembly import load

    loaded = load(files, environ=environ, profiles=profiles, services=services)
    return loaded.stack, loaded.origins


def stack_origins(
    files: Sequence[Path],
    *,
    environ: Mapping[str, str],
    profiles: Sequence[str] = (),
    services: Sequence[str] = (),
) -> dict[str, str]:
    """Return the origin of each leaf, as :func:`load_stack_and_origins` does."""
    return load_stack_and_origins(files, environ=environ, profiles=profiles, services=services)[1]


def load_stack_and_origins(
    files: Sequence[Path],
    *,
    environ: Mapping[str, str],
    profiles: Sequence[str] = (),
    texts: Mapping[Path, str] | None = None,
    services: Sequence[str] = (),
    working_directory: Path | None = None,
) -> tuple[Stack, dict[str, str]]:
    """Return the stack, and the origin of each leaf of its dump, by key (``services.web.ports[0].target``).

    An origin is a place (``compose.yaml:4:9``), with the variables used in the value in parentheses, or ``default``.
    The ``COMPOSE_*`` variables that the stack depends on come first, with their values in parentheses.

    Raises:
        StackFileError: If a file is not valid.
        UnknownName: If one of ``services`` is not in the stack.
    """
    from devenv.stack.assembly import load
    from devenv.stack.dump import dump

    loaded = load(
        files,
        environ=environ,
        profiles=profiles,
        services=services,
        texts=texts or {},
        working_directory=working_directory,
    )
    settings = {name: f"{variable.origin} ({variable.value})" for name, variable in loaded.settings.items()}
    return loaded.stack, settings | loaded.origins.of_leaves(dump(loaded.stack))
