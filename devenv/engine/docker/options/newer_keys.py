"""Keys that older engines do not know, and would leave out without a word."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from devenv.errors import ConfigurationError
from devenv.model.stack import Service


class NewerKey(NamedTuple):
    """A key, and the first API and engine that know it."""

    name: str
    api: str
    engine: str


def newer_keys(service: Service) -> list[NewerKey]:
    """Return the keys of ``service`` that came after the oldest engine that devenv supports."""
    return list(_newer(service))


def refuse_newer_keys(service: Service, keys: list[NewerKey], api_version: str) -> None:
    """Refuse the first of ``keys`` that came after ``api_version``, in which devenv and the engine talk.

    Raises:
        ConfigurationError: With the key and both versions.
    """
    for key in keys:
        if _parts(api_version) < _parts(key.api):
            raise ConfigurationError(
                f"{service.name}: {key.name} requires API {key.api} (Docker Engine {key.engine}); "
                f"devenv uses API {api_version} with this engine",
                location=service.location,
                key=f"services.{service.name}.{key.name}",
                found=f"API {api_version}",
                expected=f"API {key.api}",
                hint="remove the key, or use a newer engine",
            )


def _newer(service: Service) -> Iterator[NewerKey]:
    for index, mount in enumerate(service.mounts):
        if mount.kind == "image":
            yield NewerKey(f"volumes[{index}].type image", "1.48", "28")
        elif mount.subpath is not None:
            yield NewerKey(f"volumes[{index}].volume.subpath", "1.45", "26")
        if mount.recursive in ("writable", "readonly"):
            yield NewerKey(f"volumes[{index}].bind.recursive", "1.44", "25")
    for attachment in service.networks:
        key = f"networks.{attachment.network}"
        if attachment.gw_priority:
            yield NewerKey(f"{key}.gw_priority", "1.48", "28")
        if attachment.interface_name is not None:
            yield NewerKey(f"{key}.interface_name", "1.49", "28.1")


def _parts(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".") if part.isdecimal())
