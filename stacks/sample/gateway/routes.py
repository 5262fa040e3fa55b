"""The table of proxied routes from config.yaml."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from chassis.config import Config, ConfigMistake

_KEYS = {"prefix", "upstream", "path", "authenticate"}


@dataclass(frozen=True, slots=True)
class ProxiedRoute:
    """One entry.

    Attributes:
        prefix: paths at and below it are proxied.
        upstream: name of the service that receives them.
        path: path that replaces the prefix.
        authenticate: whether auth checks the caller first.
    """

    prefix: str
    upstream: str
    path: str
    authenticate: bool


def read_routes(config: Config, upstreams: Collection[str]) -> tuple[ProxiedRoute, ...]:
    """Return the entries, longest prefix first.

    Raises:
        ConfigMistake: If an entry is invalid.
    """
    rows = []
    for entry in config.entries("routes"):
        if unknown := set(entry) - _KEYS:
            raise ConfigMistake(f"{config.path}: routes: unknown key {min(unknown)!r}; allowed: {sorted(_KEYS)}")
        prefix, path = str(entry.get("prefix", "")).rstrip("/"), str(entry.get("path") or "").rstrip("/")
        if not prefix.startswith("/"):
            raise ConfigMistake(f"{config.path}: routes: found prefix {prefix!r}, expected one that starts with /")
        upstream = str(entry.get("upstream", ""))
        if upstream not in upstreams:
            raise ConfigMistake(
                f"{config.path}: routes: {prefix}: no upstream {upstream!r}; there are {sorted(upstreams)}"
            )
        rows.append(ProxiedRoute(prefix, upstream, path, entry.get("authenticate") is True))
    return tuple(sorted(rows, key=lambda row: -len(row.prefix)))


def read_included(config: Config, upstreams: Collection[str]) -> tuple[str, ...]:
    """Return the upstreams that the profile also calls, without repeats.

    Raises:
        ConfigMistake: If one of them is not an upstream, or has the name of the account's part.
    """
    found = config.mapping("profile").get("include") if "profile" in config.values else None
    if not isinstance(found, list | None):
        raise ConfigMistake(f"{config.path}: profile.include: found {found!r}, expected a list of upstreams")
    names = dict.fromkeys(map(str, found or ()))
    possible = set(upstreams) - {"profile"}
    for name in names:
        if name not in possible:
            raise ConfigMistake(f"{config.path}: profile.include: no upstream {name!r}; there are {sorted(possible)}")
    return tuple(names)
