"""The images that services run, and the pulls and builds that are needed: one for each image."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from devenv.errors import ImageMissing
from devenv.immutable import immutable
from devenv.orchestrate.concurrency import gather
from devenv.orchestrate.fingerprint import canonical, plain
from devenv.orchestrate.naming import image_tag

if TYPE_CHECKING:
    from devenv.contract.answers import ImageConfig
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


def mounted_images(service: Service) -> tuple[str, ...]:
    """Return the images that ``service`` mounts."""
    return tuple(mount.source for mount in service.mounts if mount.kind == "image" and mount.source)


async def image_ids(engine: Engine, project: Project, services: Iterable[Service]) -> dict[str, str | None]:
    """Return by reference the IDs of the images that ``services`` run and mount; ``None``: the engine has none."""
    services = tuple(services)
    mounted = (reference for service in services for reference in mounted_images(service))
    references = list(dict.fromkeys([*(image_tag(project, service) for service in services), *mounted]))
    found = await gather(*(engine.image_id(reference) for reference in references))
    return dict(zip(references, found, strict=True))


async def image_ages(engine: Engine, project: Project, services: Iterable[Service]) -> dict[str, float | None]:
    """Return by reference how many seconds ago the engine got the images that are to be pulled again after a time.

    The age is ``None`` if the engine does not have the image, or does not know when it got it.
    """
    references = list(dict.fromkeys(image_tag(project, one) for one in services if one.pull_after is not None))
    found = await gather(*(engine.image_age(reference) for reference in references))
    return dict(zip(references, found, strict=True))


async def image_configs(engine: Engine, project: Project, services: Iterable[Service]) -> dict[str, ImageConfig | None]:
    """Return by service the configuration of its image; ``None``: the engine does not have it."""
    services = tuple(services)
    found = await gather(*(engine.image_config(image_tag(project, service)) for service in services))
    return {service.name: config for service, config in zip(services, found, strict=True)}


def image_tasks(
    project: Project,
    services: Iterable[Service],
    ids: Mapping[str, str | None],
    *,
    build: bool,
    pull: bool = False,
    ages: Mapping[str, float | None],
) -> tuple[ImageTask, ...]:
    """Return the pulls and builds that are needed.

    Args:
        project: names the images of services that have only ``build``.
        services: those in question.
        ids: as :func:`image_ids` found them.
        build: build what can be built even if the image exists.
        pull: pull what is not built even if the image exists.
        ages: as :func:`image_ages` found them.

    Raises:
        ImageMissing: If a service forbids the pull of an image that the engine does not have.
    """
    services = tuple(services)
    tasks: dict[str, ImageTask] = {}
    for service in services:
        reference = image_tag(project, service)
        reason = _why(service, ids.get(reference), ages.get(reference), build=build, pull=pull)
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
    return (*tasks.values(), *_mounted(project, services, ids))


def _mounted(project: Project, services: Sequence[Service], ids: Mapping[str, str | None]) -> Iterator[ImageTask]:
    """Pulls of images that are only mounted and missing; those that a service runs have their own task."""
    run = {image_tag(project, service) for service in services}
    users: dict[str, list[str]] = {}
    for service in services:
        for reference in mounted_images(service):
            if reference not in run and ids.get(reference) is None:
                users.setdefault(reference, []).append(service.name)
    for reference, names in users.items():
        yield ImageTask(reference=reference, services=tuple(names), reason="missing")


def _why(service: Service, found: str | None, age: float | None, *, build: bool, pull: bool) -> str:
    """Why an image has to be built or pulled; empty if it does not."""
    if service.build is not None:
        if build:
            return "requested"
        if service.pull_policy == "build":
            return "pull_policy build"
    elif pull and service.pull_policy != "never":
        return "requested"
    elif service.pull_policy == "always":
        return "pull_policy always"
    elif service.pull_after is not None and found is not None and (age is None or age >= service.pull_after):
        return "older than its pull_policy allows"
    return "" if found is not None else "missing"


def refuse_builds(tasks: Iterable[ImageTask]) -> None:
    """Raise for the first task that builds an image.

    Raises:
        ImageMissing: With the image and its service.
    """
    for task in tasks:
        if task.build is not None:
            service = task.services[0]
            raise ImageMissing(
                f"image {task.reference} of {service} would be built ({task.reason}), which --no-build forbids",
                hint="run `devenv up` without --no-build",
                details={"image": task.reference, "service": service},
            )
