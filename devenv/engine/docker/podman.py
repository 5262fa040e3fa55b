"""Podman behind its Docker-compatible socket: how it is recognised, and what it names otherwise than Docker."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from docker import APIClient

PODMAN = "Podman"
PODMAN_ACTIONS = {"died": "die", "remove": "destroy"}
"""Podman's own names of what happens to a container, by which it filters, and Docker's."""

_COMPONENT = "Podman Engine"
_VERSION = "Libpod-Api-Version"


def product_of(version: Mapping[str, Any]) -> str:
    """Return ``Podman`` if the answer to ``GET /version`` is Podman's; empty for Docker."""
    components = version.get("Components") or ()
    return PODMAN if any(one.get("Name") == _COMPONENT for one in components) else ""


def asked_version(client: APIClient) -> dict[str, Any]:
    """Return the engine's answer to ``GET /version``.

    Podman needs more than a second for it, because it asks the system's package database: what is used of it is taken
    from the headers of ``GET /_ping``, which Docker answers in less than a millisecond.
    """
    headers = client.get(f"{client.base_url}/_ping", timeout=client.timeout).headers
    if _VERSION not in headers:
        answer: dict[str, Any] = client.version(api_version=False)
        return answer
    version = headers[_VERSION]
    return {
        "Version": version,
        "ApiVersion": headers.get("Api-Version", "0"),
        "Components": [{"Name": _COMPONENT, "Version": version}],
    }
