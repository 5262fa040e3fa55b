"""Builders of model values with defaults that suit a test."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from devenv.errors import Location
from devenv.model.extension import ServiceExtension
from devenv.model.identity import (
    LABEL_CONFIG_HASH,
    LABEL_DIRECTORY,
    LABEL_INSTANCE,
    LABEL_PROJECT,
    LABEL_SERVICE,
    LABEL_STACK,
    Project,
    identify,
)
from devenv.model.stack import Service


def make_project(directory: Path = Path("/nowhere/shop"), name: str | None = None) -> Project:
    """A project; its directory need not exist."""
    return identify(directory, name)


def make_service(name: str = "web", **fields: Any) -> Service:
    """A service called ``name`` with ``fields`` set and Compose's defaults for the rest.

    ``x`` may be given as a mapping, as in the file.
    """
    extension = fields.pop("x", None)
    if not isinstance(extension, ServiceExtension):
        extension = ServiceExtension.model_validate(extension or {})
    location = fields.pop("location", Location("compose.yaml", 1, 1))
    return Service(name=name, x=extension, location=location, **fields)


def make_labels(project: Project, service: str = "", index: int = 0, config_hash: str = "") -> dict[str, str]:
    """The labels that orchestration gives an object; those of instances only if ``service`` is given."""
    labels = {
        LABEL_PROJECT: project.id,
        LABEL_DIRECTORY: str(project.directory),
        LABEL_STACK: project.name,
    }
    if service:
        labels |= {LABEL_SERVICE: service, LABEL_INSTANCE: str(index or 1), LABEL_CONFIG_HASH: config_hash or "none"}
    return labels
