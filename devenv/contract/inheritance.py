"""The environment that a service inherits if it is a process of this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_NOT_INHERITED = ("DEVENV_", "OTEL_")


def inherited(environ: Mapping[str, str]) -> dict[str, str]:
    """Return a process's own environment without what belongs to devenv or to tracing."""
    return {name: value for name, value in environ.items() if not name.startswith(_NOT_INHERITED)}
