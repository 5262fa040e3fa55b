"""Images: looks up local images and pulls missing ones."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from devenv.contract.answers import ImageConfig, Progress, ProgressSink
from devenv.engine.docker.observation import read_time
from devenv.engine.docker.sdk_connection import SdkConnection
from devenv.engine.docker.translation import UNREACHABLE_REGISTRY, NoSuchObject, answer_of, pull_error
from devenv.errors import EngineLost, EngineRefused, ImageMissing, PullFailed
from devenv.immutable import immutable

if TYPE_CHECKING:
    from docker import APIClient

SILENCE_SECONDS = 60.0
"""Seconds without progress after which a pull has failed."""


@immutable()
class _Image:
    id: str
    config: ImageConfig
    tagged_at: float | None


class Images:
    """Looks images up (once each, as long as nothing is pulled or built under that name) and pulls them.

    Args:
        connection: to the engine.
        silence: seconds without progress after which a pull is given up.
    """

    def __init__(self, connection: SdkConnection, *, silence: float = SILENCE_SECONDS) -> None:
        self._connection = connection
        self._silence = silence
        self._known: dict[str, _Image] = {}

    async def id_of(self, reference: str) -> str | None:
        """Id of an image that the engine has."""
        image = await self._find(reference)
        return image.id if image is not None else None

    async def config_of(self, reference: str) -> ImageConfig | None:
        """What an image that the engine has gives its containers."""
        image = await self._find(reference)
        return image.config if image is not None else None

    async def age_of(self, reference: str) -> float | None:
        """Seconds since it was last pulled, built or tagged under this name; ``None`` if that is not known."""
        image = await self._find(reference)
        return None if image is None or image.tagged_at is None else time.time() - image.tagged_at

    def forget(self, reference: str) -> None:
        """What the reference means has changed."""
        self._known.pop(reference, None)

    async def pull(self, reference: str, *, platform: str | None, progress: ProgressSink) -> str:
        """Pull an image and return its id.

        Raises:
            ImageMissing: the registry does not know it, or not for this user.
            PullFailed: the registry refused, did not answer or fell silent.
            DiskFull: no space for it.
        """

        def open_(client: APIClient) -> Iterator[Mapping[str, Any]]:
            from docker.utils import parse_repository_tag

            repository, tag = parse_repository_tag(reference)
            stream: Iterator[Mapping[str, Any]] = client.pull(
                repository, tag or "latest", stream=True, decode=True, platform=platform
            )
            return stream

        self.forget(reference)
        layers: dict[str, tuple[int, int]] = {}
        steps = self._connection.stream(open_, doing=f"pulling {reference}")
        try:
            async for step in _with_patience(steps, self._silence, reference):
                if "error" in step:
                    raise pull_error(reference, str(step["error"]))
                _report(step, layers, progress)
        except EngineLost:
            raise
        except (EngineRefused, ImageMissing) as error:
            raise pull_error(reference, answer_of(error)) from error
        finally:
            await steps.aclose()
        found = await self.id_of(reference)
        if found is None:
            raise PullFailed(f"image {reference} was pulled, but the engine does not list it")
        return found

    async def registry_has(self, reference: str) -> bool:
        """Whether the registry (or the engine's mirror of it) answers that it has the image."""
        try:
            await self._connection.call(
                lambda client: client.inspect_distribution(reference), doing=f"asking the registry for {reference}"
            )
        except (NoSuchObject, ImageMissing, EngineRefused):
            return False
        return True

    async def _find(self, reference: str) -> _Image | None:
        if reference not in self._known:
            try:
                found = await self._connection.call(
                    lambda client: client.inspect_image(reference), doing=f"looking for image {reference}"
                )
            except (NoSuchObject, ImageMissing):
                return None
            tagged = (found.get("Metadata") or {}).get("LastTagTime")
            self._known[reference] = _Image(
                found["Id"], image_config(found.get("Config") or {}), read_time(tagged) if tagged else None
            )
        return self._known[reference]


def image_config(config: Mapping[str, Any]) -> ImageConfig:
    """The ``Config`` of an inspected image; what it lacks can be ``null`` or absent."""
    check = (config.get("Healthcheck") or {}).get("Test") or ()
    return ImageConfig(
        environment=dict(pair.partition("=")[::2] for pair in config.get("Env") or ()),
        command=tuple(config.get("Cmd") or ()),
        entrypoint=tuple(config.get("Entrypoint") or ()),
        ports=tuple(sorted(config.get("ExposedPorts") or ())),
        working_directory=config.get("WorkingDir") or "",
        healthcheck=() if check[:1] == ["NONE"] else tuple(check),
        user=config.get("User") or "",
        volumes=tuple(sorted(config.get("Volumes") or ())),
    )


async def _with_patience(
    steps: AsyncIterator[Mapping[str, Any]], silence: float, reference: str
) -> AsyncIterator[Mapping[str, Any]]:
    while True:
        try:
            async with asyncio.timeout(silence):
                step = await anext(steps)
        except StopAsyncIteration:
            return
        except TimeoutError:
            raise PullFailed(
                f"cannot pull image {reference}: no progress for {silence:g} s",
                hint=UNREACHABLE_REGISTRY,
                details={"image": reference},
            ) from None
        yield step


def _report(step: Mapping[str, Any], layers: dict[str, tuple[int, int]], progress: ProgressSink) -> None:
    """Tell one step; bytes are those of all layers together."""
    status, layer = str(step.get("status", "")), step.get("id")
    detail = step.get("progressDetail") or {}
    if layer and detail.get("total") and status == "Downloading":
        layers[layer] = (int(detail["current"]), int(detail["total"]))
    elif layer in layers and status in ("Download complete", "Pull complete"):
        layers[layer] = (layers[layer][1], layers[layer][1])
    done = sum(current for current, _ in layers.values())
    total = sum(size for _, size in layers.values())
    progress(Progress(text=f"{layer}: {status}" if layer else status, done=done, total=total))
