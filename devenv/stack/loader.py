"""Loads stacks; what that needs (YAML, pydantic) is imported only when it is called."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from devenv.model.stack import Stack
    from devenv.stack.provenance import Origins


def load_stack(
    files: Sequence[Path],
    *,
    environ: Mapping[str, str],
    profiles: Sequence[str] = (),
    services: Sequence[str] = (),
    texts: Mapping[Path, str] | None = None,
) -> Stack:
    """The resolved stack of ``files``, merged in their order.

    Args:
        files: at least one; relative paths in all of them start at the directory of the first.
        environ: the command's environment, for interpolation; ``.env`` beside the first file comes after it.
        profiles: active profiles; where empty, those of ``COMPOSE_PROFILES``.
        services: services asked for by name, whose profiles are thereby active.
        texts: what some of ``files`` are to say, in place of what they say now: whether an edit would do.

    Returns:
        The stack of the active services, with its warnings.

    Raises:
        StackFileError: a file says what cannot be; the error is the first one, the rest are its ``others``.
        UnknownName: one of ``services`` is not in the stack.
    """
    from devenv.stack.assembly import load

    return load(files, environ=environ, profiles=profiles, services=services, texts=texts or {}).stack


def load_with_origins(
    files: Sequence[Path],
    *,
    environ: Mapping[str, str],
    profiles: Sequence[str] = (),
    services: Sequence[str] = (),
) -> tuple[Stack, Origins]:
    """As :func:`load_stack`, and where each value came from (``origins.of("services.web.ports[0].target")``)."""
    from devenv.stack.assembly import load

    loaded = load(files, environ=environ, profiles=profiles, services=services)
    return loaded.stack, loaded.origins
