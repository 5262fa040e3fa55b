"""Which services run: those without profiles, and those with an active one."""

from __future__ import annotations

from collections.abc import Sequence

from devenv.model.stack import Service
from devenv.stack.interpolation import Lookup

_VARIABLE = "COMPOSE_PROFILES"
_ALL = "*"


def active_profiles(given: Sequence[str], lookup: Lookup) -> frozenset[str]:
    """The profiles ``given``, else those of ``COMPOSE_PROFILES`` (separated by commas)."""
    if given:
        return frozenset(given)
    variable = lookup(_VARIABLE)
    names = variable.value.split(",") if variable else []
    return frozenset(name.strip() for name in names if name.strip())


def is_active(service: Service, profiles: frozenset[str]) -> bool:
    """Whether ``service`` runs while ``profiles`` are active; ``*`` stands for all."""
    return not service.profiles or _ALL in profiles or bool(profiles & frozenset(service.profiles))
