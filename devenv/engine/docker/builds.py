"""Builds images: by the engine's classic builder through the SDK, or by ``docker buildx`` for what needs BuildKit."""

from __future__ import annotations

import asyncio
import os
import re
import tempfile
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from devenv.contract.answers import Progress, ProgressSink
from devenv.contract.specification import BuildSpec
from devenv.engine.docker.configuration import extra_hosts
from devenv.engine.docker.dockerfile import Dockerfile, pack_context, read_dockerfile, with_images_as_contexts
from devenv.engine.docker.podman import PODMAN, product_of
from devenv.engine.docker.sdk_connection import SdkConnection
from devenv.engine.docker.translation import NO_SPACE, answer_of
from devenv.errors import BuildFailed, DevenvError, DiskFull, EngineRefused
from devenv.model.build_contexts import context_images
from devenv.model.stack import Build

if TYPE_CHECKING:
    from docker import APIClient

COLOUR = re.compile(r"\x1b\[[0-9;]*m")
"""The classic builder paints what went to stderr."""

_BUILDKIT_KEYS = ("additional_contexts", "secrets", "ssh", "entitlements", "privileged", "ulimits", "no_cache_filter")
"""Keys of ``build`` that the classic builder does not know."""

TAIL_LINES = 20
"""Lines of output that a failed build's error carries."""


class Builds:
    """Builds for one engine."""

    def __init__(self, connection: SdkConnection) -> None:
        self._connection = connection

    async def build(self, spec: BuildSpec, *, progress: ProgressSink) -> None:
        """Build and tag an image.

        Raises:
            BuildFailed: With the last lines of output, or with what requires a builder that is not installed.
            DiskFull: no space for it.
        """
        build, tag = spec.build, spec.tag
        dockerfile = await asyncio.to_thread(read_dockerfile, build)
        keys = tuple(name for name in _BUILDKIT_KEYS if getattr(build, name))
        if "additional_contexts" in keys and len(build.additional_contexts) == len(context_images(build)):
            inserted = with_images_as_contexts(dockerfile, context_images(build))
            if inserted is not None:
                dockerfile, keys = inserted, tuple(key for key in keys if key != "additional_contexts")
        needs = (*dockerfile.buildkit_needs, *keys)
        if podman := product_of(await self._connection.version()) == PODMAN:
            _refuse_for_podman(build, keys, tag)
        tail: deque[str] = deque(maxlen=TAIL_LINES)

        def tell(line: str) -> None:
            tail.append(line)
            progress(Progress(text=line))

        if (needs or len(build.platforms) > 1) and not podman:
            with written_secrets(spec.secrets) as files:
                command = buildx_command(build, dockerfile, tag=tag, labels=spec.labels, secrets=files)
                await self._by_buildx(command, dockerfile, needs, tag=tag, tell=tell, tail=tail)
        else:
            await self._by_engine(spec, dockerfile, tell=tell, tail=tail)
        await self._tag_more(build, tag)

    async def _by_engine(self, spec: BuildSpec, dockerfile: Dockerfile, *, tell: Any, tail: deque[str]) -> None:
        build, tag = spec.build, spec.tag

        def open_(client: APIClient) -> Iterator[Mapping[str, Any]]:
            with pack_context(build, dockerfile) as context:
                yield from client.build(
                    fileobj=context,
                    custom_context=True,
                    dockerfile=dockerfile.name,
                    tag=tag,
                    rm=True,
                    forcerm=True,
                    decode=True,
                    pull=build.pull,
                    nocache=build.no_cache,
                    buildargs=dict(build.args),
                    target=build.target,
                    network_mode=build.network,
                    labels={**build.labels, **spec.labels},
                    cache_from=list(build.cache_from) or None,
                    extra_hosts=extra_hosts(build.extra_hosts) or None,
                    shmsize=build.shm_size,
                    platform=build.platforms[0] if build.platforms else None,
                )

        steps = self._connection.stream(open_, doing=f"building {tag}")
        try:
            async for step in steps:
                if "error" in step:
                    raise _failure(tag, str(step["error"]), tail)
                for line in COLOUR.sub("", str(step.get("stream", step.get("status", "")))).splitlines():
                    if line.strip():
                        tell(line.rstrip())
        except EngineRefused as error:
            raise _failure(tag, answer_of(error), tail) from error
        finally:
            await steps.aclose()

    async def _by_buildx(
        self,
        command: list[str],
        dockerfile: Dockerfile,
        needs: tuple[str, ...],
        *,
        tag: str,
        tell: Any,
        tail: deque[str],
    ) -> None:
        reason = ", ".join(needs) or "several platforms"
        if not await _has_buildx():
            raise BuildFailed(
                f"cannot build {tag}: {reason} requires BuildKit, and docker buildx is not installed",
                hint="install docker-buildx-plugin, or remove what requires BuildKit",
                details={"needs": list(needs), "tag": tag},
            )
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env={**os.environ, "DOCKER_HOST": self._connection.address.url},
        )
        assert process.stdin is not None  # noqa: S101 - asked for above
        assert process.stdout is not None  # noqa: S101 - asked for above
        try:
            if not dockerfile.inside:
                process.stdin.write(dockerfile.text.encode())
            process.stdin.close()
            async for line in process.stdout:
                tell(line.decode(errors="replace").rstrip())
            code = await process.wait()
        except BaseException:
            if process.returncode is None:
                process.terminate()
            raise
        if code != 0:
            raise _failure(tag, tail[-1] if tail else f"docker buildx exited with code {code}", tail)

    async def _tag_more(self, build: Build, tag: str) -> None:
        from docker.utils import parse_repository_tag

        for further in build.tags:
            repository, name = parse_repository_tag(further)
            await self._connection.call(
                lambda client, r=repository, n=name: client.tag(tag, r, n or "latest"),  # type: ignore[misc]  # mypy infers no type for a lambda's default
                doing=f"tagging {further}",
            )


def _refuse_for_podman(build: Build, keys: tuple[str, ...], tag: str) -> None:
    """Podman's builder knows what a Dockerfile asks BuildKit for; keys of ``build`` do not reach it by its socket."""
    refused = (*(f"build.{name}" for name in keys), *(["several build.platforms"] if len(build.platforms) > 1 else []))
    if refused:
        verb = "requires" if len(refused) == 1 else "require"
        raise BuildFailed(
            f"cannot build {tag}: {', '.join(refused)} {verb} BuildKit, which Podman does not have",
            hint="build the image with `podman build` and name it under image:, or remove what requires BuildKit",
            details={"needs": list(refused), "tag": tag},
        )


@contextmanager
def written_secrets(secrets: Mapping[str, bytes]) -> Iterator[dict[str, Path]]:
    """Yield files of this user alone with the contents of ``secrets``, by ID; they are removed afterwards."""
    if not secrets:
        yield {}
        return
    with tempfile.TemporaryDirectory(prefix="devenv-") as folder:
        files = {name: Path(folder, str(number)) for number, name in enumerate(secrets)}
        for name, file in files.items():
            file.touch(0o600)
            file.write_bytes(secrets[name])
        yield files


def buildx_command(
    build: Build,
    dockerfile: Dockerfile,
    *,
    tag: str,
    labels: Mapping[str, str],
    secrets: Mapping[str, Path] | None = None,
) -> list[str]:
    """The command line that builds ``build`` with BuildKit; a Dockerfile outside the context goes to its stdin."""
    command = ["docker", "buildx", "build", "--load", "--progress=plain", "--tag", tag]
    command += ["--file", str(build.context / dockerfile.name) if dockerfile.inside else "-"]
    pairs = {
        "--build-arg": build.args,
        "--label": {**build.labels, **labels},
        "--build-context": build.additional_contexts,
    }
    command += [part for option, values in pairs.items() for k, v in values.items() for part in (option, f"{k}={v}")]
    command += [part for entry in extra_hosts(build.extra_hosts) for part in ("--add-host", entry)]
    command += [part for source in build.cache_from for part in ("--cache-from", source)]
    command += [part for stage in build.no_cache_filter for part in ("--no-cache-filter", stage)]
    command += [part for name, file in (secrets or {}).items() for part in ("--secret", f"id={name},src={file}")]
    command += [part for name, key in build.ssh.items() for part in ("--ssh", f"{name}={key}" if key else name)]
    command += [part for n, u in build.ulimits.items() for part in ("--ulimit", f"{n}={u.soft}:{u.hard}")]
    allowed = dict.fromkeys([*build.entitlements, *(["security.insecure"] if build.privileged else [])])
    command += [part for entitlement in allowed for part in ("--allow", entitlement)]
    options = {
        "--target": build.target,
        "--network": build.network,
        "--shm-size": build.shm_size,
        "--platform": ",".join(build.platforms) or None,
    }
    command += [part for option, value in options.items() if value is not None for part in (option, str(value))]
    command += ["--pull"] if build.pull else []
    command += ["--no-cache"] if build.no_cache else []
    return [*command, str(build.context)]


async def _has_buildx() -> bool:
    try:
        process = await asyncio.create_subprocess_exec(
            "docker", "buildx", "version", stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL
        )
    except FileNotFoundError:
        return False
    return await process.wait() == 0


def _failure(tag: str, message: str, tail: deque[str]) -> DevenvError:
    text = " ".join(message.split())
    step = next((line for line in reversed(tail) if line.startswith("Step ")), "")
    where = f" at {step}" if step else ""
    details = {"tag": tag, "answer": text, "step": step, "output": list(tail)}
    # A step that fills the disk ends with an exit code alone; the reason is in its output.
    if any(NO_SPACE in line.lower() for line in (text, *tail)):
        return DiskFull(f"building {tag}: {text}", hint="free space with `docker system prune`", details=details)
    return BuildFailed(
        f"building {tag} failed{where}: {text}", hint="see the last lines of the build output", details=details
    )
