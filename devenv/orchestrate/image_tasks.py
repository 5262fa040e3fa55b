"""The images that services run, and the pulls and builds that are needed: one for each image."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from devenv.errors import ImageMissing
from devenv.immutable import immutable
from devenv.orchestrate.concurrency import gather
from devenv.orchestrate.fingerprint import canonical, plain
from devenv.orchestrate.naming import image_tag

if TYPE_CHECKING:
    from devenv.contract.engine import Engine
    from devenv.model.identity import Project
    from devenv.model.stack import Build, Service


@immutable(kw_only=True)
class ImageTask:
    """One pull or build for the services that share it; ``build`` is ``None`` for a pull."""

    reference: str
    services: tuple[str, ...]
    build: Build | None = None
    platform: str | None = None
    reason: str = ""


async def image_ids(engine: Engine, project: Project, services: Iterable[Service]) -> dict[str, str | None]:
    """Return by reference the IDs of the images of ``services``; ``None`` for those that the engine does not have."""
    references = list(dict.fromkeys(image_tag(project, service) for service in services))
    found = await gather(*(engine.image_id(reference) for reference in references))
    return dict(zip(references, found, strict=True))


def image_tasks(
    project: Project, services: Iterable[Service], ids: Mapping[str, str | None], *, build: bool
) -> tuple[ImageTask, ...]:
    """Return the pulls and builds that are needed.

    Args:
        project: names the images of services that have only ``build``.
        services: those in question.
        ids: as :func:`image_ids` found them.
        build: build what can be built even if the image exists.

    Raises:
        ImageMissing: If a service forbids the pull of an image that the engine does not have.
    """
    tasks: dict[str, ImageTask] = {}
    for service in services:
        reference = image_tag(project, service)
        reason = _why(service, ids.get(reference), build=build)
        if not reason:
            continue
        if service.build is None and service.pull_policy == "never":
            raise ImageMissing(
                f"image {reference} of {service.name} is missing, and pull_policy is never",
                hint=f"run `docker pull {reference}`, or change pull_policy",
                details={"image": reference, "service": service.name},
            )
        key = canonical([reference, plain(service.build), None if service.build else service.platform])
        earlier = tasks[key].services if key in tasks else ()
        tasks[key] = ImageTask(
            reference=reference,
            services=(*earlier, service.name),
            build=service.build,
            platform=service.platform,
            reason=reason,
        )
    return tuple(tasks.values())


def _why(service: Service, found: str | None, *, build: bool) -> str:
    """Why an image has to be built or pulled; empty if it does not."""
    if service.build is not None:
        if build:
            return "requested"
        if service.pull_policy == "build":
            return "pull_policy build"
    elif service.pull_policy == "always":
        return "pull_policy always"
    return "" if found is not None else "missing"
