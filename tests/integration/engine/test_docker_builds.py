"""Builds by the real engine: output, failures, and what needs BuildKit."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from docker.errors import ImageNotFound
from engine_harness import BASE_IMAGE

from devenv.contract.answers import Progress
from devenv.contract.specification import BuildSpec
from devenv.engine.docker import DockerEngine
from devenv.engine.docker_address import find_address
from devenv.errors import BuildFailed
from devenv.model.stack import Build, FileMount, Ulimit

pytestmark = pytest.mark.docker

TAG = "devenv-test-build:latest"
FURTHER = "devenv-test-build:further"


@pytest.fixture
async def engine() -> AsyncIterator[DockerEngine]:
    made = DockerEngine()
    yield made
    await made.close()


@pytest.fixture(autouse=True)
def _no_images_left(docker_client: Any) -> Iterator[None]:
    yield
    images = docker_client.images.list(filters={"label": "devenv.test=build"})
    # An image that others are made from has fewer steps than they, and goes after them, or with the last of them.
    for image in sorted(images, key=lambda image: len(image.history()), reverse=True):
        with suppress(ImageNotFound):
            docker_client.images.remove(image.id, force=True)


def context(folder: Path, dockerfile: str, **files: str) -> Path:
    (folder / "Dockerfile").write_text(f"FROM {BASE_IMAGE}\n{dockerfile}")
    for name, text in files.items():
        (folder / name).write_text(text)
    return folder


async def build(engine: DockerEngine, build: Build) -> tuple[str, list[str]]:
    output: list[Progress] = []
    image = await engine.build(BuildSpec(build=build, tag=TAG, labels={"devenv.test": "build"}), progress=output.append)
    return image, [step.text for step in output]


async def test_an_image_is_built_with_its_output_told(engine: DockerEngine, docker_client: Any, tmp_path: Path) -> None:
    lines = "ARG WHO\nRUN echo hello $WHO\nCOPY file /file\nHEALTHCHECK CMD test -f /file\nFROM scratch AS other\n"
    folder = context(tmp_path, lines.replace("ARG", "LABEL mine=1\nARG", 1), file="content")
    (folder / "Dockerfile").write_text((folder / "Dockerfile").read_text().replace("FROM python", "FROM python", 1))
    text = (folder / "Dockerfile").read_text()
    (folder / "Dockerfile").write_text(text.replace(f"FROM {BASE_IMAGE}\n", f"FROM {BASE_IMAGE} AS first\n", 1))
    wanted = Build(context=folder, args={"WHO": "world"}, target="first", tags=(FURTHER,), labels={"own": "1"})
    image, output = await build(engine, wanted)
    assert "hello world" in output
    assert await engine.image_id(TAG) == image
    assert await engine.image_id(FURTHER) == image
    config = await engine.image_config(TAG)
    assert config is not None
    assert config.healthcheck == ("CMD-SHELL", "test -f /file")
    labels = docker_client.images.get(TAG).labels
    assert (labels["mine"], labels["own"], labels["devenv.test"]) == ("1", "1", "build")


async def test_a_second_build_is_known_by_its_new_id(engine: DockerEngine, tmp_path: Path) -> None:
    first, _ = await build(engine, Build(context=context(tmp_path, "COPY file /file\n", file="one")))
    assert await engine.image_id(TAG) == first
    second, _ = await build(engine, Build(context=context(tmp_path, "COPY file /file\n", file="two")))
    assert second != first
    assert await engine.image_id(TAG) == second


async def test_a_dockerfile_that_stands_in_the_stack_file(engine: DockerEngine, tmp_path: Path) -> None:
    inline = Build(context=tmp_path, dockerfile_inline=f"FROM {BASE_IMAGE}\nRUN echo inline\n")
    _, output = await build(engine, inline)
    assert "inline" in output


async def test_a_failing_step_shows_the_last_lines(engine: DockerEngine, tmp_path: Path) -> None:
    folder = context(tmp_path, "RUN echo before; echo broken >&2; exit 9\n")
    with pytest.raises(BuildFailed, match="returned a non-zero code: 9") as caught:
        await build(engine, Build(context=folder))
    assert {"before", "broken"} <= set(caught.value.details["output"])
    assert await engine.image_id(TAG) is None


@pytest.mark.parametrize(
    ("dockerfile", "said"),
    [("NONSENSE x\n", "unknown instruction"), ("COPY missing /x\n", "missing"), ("FROM nobody/has-this:1\n", "nobody")],
)
async def test_what_is_wrong_is_said(engine: DockerEngine, tmp_path: Path, dockerfile: str, said: str) -> None:
    with pytest.raises(BuildFailed, match=said):
        await build(engine, Build(context=context(tmp_path, dockerfile)))


async def test_images_are_contexts_without_the_plugin(
    engine: DockerEngine, docker_client: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "lib").mkdir()
    await build(engine, Build(context=context(tmp_path / "lib", "COPY file /made\n", file="of the other")))
    docker_client.images.get(TAG).tag(FURTHER)
    monkeypatch.setenv("PATH", str(tmp_path))
    (tmp_path / "web").mkdir()
    lines = "FROM lib AS first\nRUN cat /made\nFROM scratch\nCOPY --from=lib /made /copied\n"
    folder = context(tmp_path / "web", "")
    (folder / "Dockerfile").write_text(lines)
    contexts = {"lib": f"docker-image://{FURTHER}"}
    _, output = await build(engine, Build(context=folder, additional_contexts=contexts))
    assert "of the other" in output
    assert any("Successfully tagged" in line for line in output)


@pytest.mark.parametrize(
    ("dockerfile", "contexts", "said"),
    [
        ("RUN --mount=type=cache,target=/c true\n", {}, "RUN --mount"),
        ("RUN <<EOF\ntrue\nEOF\n", {}, "a heredoc in RUN"),
        ("", {"lib": "/tmp"}, "additional_contexts"),
    ],
)
async def test_what_needs_buildkit_is_refused_by_name_without_the_plugin(
    engine: DockerEngine,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    dockerfile: str,
    contexts: dict[str, str],
    said: str,
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))  # no docker program, hence no plugin
    wanted = Build(context=context(tmp_path, dockerfile), additional_contexts=contexts)
    with pytest.raises(BuildFailed, match=said) as caught:
        await build(engine, wanted)
    assert "buildx" in caught.value.message
    assert caught.value.hint


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"secrets": (FileMount(source="token", target="token"),)}, "secrets"),
        ({"ssh": {"default": ""}}, "ssh"),
        ({"entitlements": ("network.host",)}, "entitlements"),
        ({"privileged": True}, "privileged"),
        ({"ulimits": {"nofile": Ulimit(soft=1, hard=2)}}, "ulimits"),
        ({"no_cache_filter": ("base",)}, "no_cache_filter"),
    ],
)
async def test_a_key_that_needs_buildkit_is_refused_by_name_without_the_plugin(
    engine: DockerEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fields: dict[str, Any], said: str
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BuildFailed, match=f": {said} requires BuildKit, and docker buildx is not installed"):
        await build(engine, Build(context=context(tmp_path, ""), **fields))


async def test_a_secret_is_a_file_of_this_user_while_buildx_runs(
    engine: DockerEngine, tmp_path: Path, docker_client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "docker"
    program.write_text(
        '#!/bin/sh\n[ "$2" = version ] && exit 0\nfor word; do case $word in id=*) f=${word#*src=}; '
        'echo "$(stat -c %a "$f") $(cat "$f") $f";; esac; done\n'
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    folder = tmp_path / "context"
    folder.mkdir()
    wanted = Build(context=context(folder, ""), secrets=(FileMount(source="token", target="token"),))
    docker_client.images.get(BASE_IMAGE).tag("devenv-test-build", "latest")
    output: list[str] = []
    try:
        secrets = {"token": b"hush"}
        progress = output.append
        await engine.build(
            BuildSpec(build=wanted, tag=TAG, labels={}, secrets=secrets), progress=lambda p: progress(p.text)
        )
    finally:
        docker_client.images.remove(TAG)
    mode, content, file = output[0].split()
    assert (mode, content) == ("600", "hush")
    assert not Path(file).exists()  # noqa: ASYNC240 - nothing else runs


async def test_with_the_plugin_buildx_builds(
    engine: DockerEngine, tmp_path: Path, docker_client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The plugin is stood in for by a program that builds with the engine and says how it was called."""
    program = tmp_path / "docker"
    program.write_text('#!/bin/sh\n[ "$2" = version ] && exit 0\necho "called: $*"\necho "host: $DOCKER_HOST"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    folder = tmp_path / "context"
    folder.mkdir()
    wanted = Build(context=context(folder, "RUN --mount=type=cache,target=/c true\n"))
    docker_client.images.get(BASE_IMAGE).tag("devenv-test-build", "latest")
    try:
        _, output = await build(engine, wanted)
    finally:
        docker_client.images.remove(TAG)
    assert output[0].startswith(f"called: buildx build --load --progress=plain --tag {TAG}")
    assert output[1] == f"host: {find_address().url}"
