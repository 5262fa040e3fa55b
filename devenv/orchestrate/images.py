"""Images: each built once and pulled once, whatever the number of services that use it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from devenv.errors import ImageMissing
from devenv.events import ImageBuilding, ImagePulling, Sink
from devenv.model.identity import LABEL_PROJECT, Project
from devenv.model.plan import Action
from devenv.orchestrate.concurrency import gather
from devenv.orchestrate.fingerprint import canonical, plain
from devenv.orchestrate.naming import image_tag

if TYPE_CHECKING:
    from devenv.contract.answers import Progress
    from devenv.contract.engine import Engine
    from devenv.model.stack import Build, Service


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageTask:
    """One pull or build for the services that share it; ``build`` is ``None`` for a pull."""

    reference: str
    services: tuple[str, ...]
    build: Build | None = None
    platform: str | None = None
    reason: str = ""

    @property
    def action(self) -> Action:
        """As shown in a plan."""
        return Action(
            kind="pull" if self.build is None else "build",
            target=self.reference,
            service=", ".join(self.services),
            reason=self.reason,
        )


async def image_ids(engine: Engine, project: Project, services: Iterable[Service]) -> dict[str, str | None]:
    """Ids by reference of the images that the engine has of those that ``services`` run."""
    references = list(dict.fromkeys(image_tag(project, service) for service in services))
    found = await gather(*(engine.image_id(reference) for reference in references))
    return dict(zip(references, found, strict=True))


def image_tasks(
    project: Project, services: Iterable[Service], ids: Mapping[str, str | None], *, build: bool
) -> tuple[ImageTask, ...]:
    """What has to be pulled and built.

    Args:
        project: names the images of services that have only ``build``.
        services: those in question.
        ids: as :func:`image_ids` found them.
        build: build what can be built even where the image is there.

    Raises:
        ImageMissing: a service forbids the pull of an image that the engine does not have.
    """
    tasks: dict[str, ImageTask] = {}
    for service in services:
        reference = image_tag(project, service)
        reason = _why(service, ids.get(reference), build=build)
        if not reason:
            continue
        if service.build is None and service.pull_policy == "never":
            raise ImageMissing(
                f"image {reference} of {service.name} is not there, and pull_policy never forbids its pull",
                hint=f"docker pull {reference}, or another pull_policy",
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
    """Why an image has to be made or fetched; empty where it need not."""
    if service.build is not None:
        if build:
            return "asked for"
        if service.pull_policy == "build":
            return "pull_policy build"
    elif service.pull_policy == "always":
        return "pull_policy always"
    return "" if found is not None else "not there"


async def prepare_images(engine: Engine, project: Project, tasks: Iterable[ImageTask], *, sink: Sink) -> dict[str, str]:
    """Pull and build all at once; ids by reference."""
    wanted = list(tasks)
    ids = await gather(*(_prepare(engine, project, task, sink) for task in wanted))
    return {task.reference: image for task, image in zip(wanted, ids, strict=True)}


async def _prepare(engine: Engine, project: Project, task: ImageTask, sink: Sink) -> str:
    if task.build is None:
        sink(ImagePulling(image=task.reference, status="starting"))

        def pulling(progress: Progress) -> None:
            sink(ImagePulling(image=task.reference, status=progress.text, done=progress.done, total=progress.total))

        image = await engine.pull(task.reference, platform=task.platform, progress=pulling)
        sink(ImagePulling(image=task.reference, status="done"))
        return image

    def building(progress: Progress) -> None:
        sink(ImageBuilding(service=task.services[0], line=progress.text))

    sink(ImageBuilding(service=task.services[0], line=f"building {task.reference}"))
    return await engine.build(task.build, tag=task.reference, labels={LABEL_PROJECT: project.id}, progress=building)
