"""The table of proxied routes, as config.yaml has it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from chassis.config import Config, ConfigMistake

_KEYS = {"prefix", "upstream", "path", "authenticate"}


@dataclass(frozen=True, slots=True)
class ProxiedRoute:
    """One row.

    Attributes:
        prefix: paths at and below it are proxied.
        upstream: name of the service that they go to.
        path: what takes the prefix's place.
        authenticate: whether the caller has to be known first.
    """

    prefix: str
    upstream: str
    path: str
    authenticate: bool


def read_routes(config: Config, upstreams: Collection[str]) -> tuple[ProxiedRoute, ...]:
    """The rows, longest prefix first.

    Raises:
        ConfigMistake: a row says what cannot be.
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
