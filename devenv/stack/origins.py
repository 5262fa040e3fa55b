"""Where every value of a resolved stack came from: ``devenv config --origin``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from devenv.stack.dump import dump
from devenv.stack.loader import load_with_origins


def stack_origins(
    files: Sequence[Path],
    *,
    environ: Mapping[str, str],
    profiles: Sequence[str] = (),
    services: Sequence[str] = (),
) -> dict[str, str]:
    """Origin of each leaf of :func:`devenv.stack.dump.dump`, by key such as ``services.web.ports[0].target``.

    An origin is a place (``compose.yaml:4:9``), with the variables that went into the value in parentheses, or
    ``default``.

    Raises:
        StackFileError: a file says what cannot be.
        UnknownName: one of ``services`` is not in the stack.
    """
    stack, origins = load_with_origins(files, environ=environ, profiles=profiles, services=services)
    return {key: origins.of(key) for key in _leaves(dump(stack), "")}


def _leaves(value: Any, key: str) -> Iterator[str]:
    if isinstance(value, Mapping) and value:
        for name, member in value.items():
            yield from _leaves(member, f"{key}.{name}" if key else name)
    elif isinstance(value, list) and value:
        for index, item in enumerate(value):
            yield from _leaves(item, f"{key}[{index}]")
    else:
        yield key
