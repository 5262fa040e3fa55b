"""What a Dockerfile needs of its builder, its context, and the command line for BuildKit."""

from __future__ import annotations

import os
import tarfile
from pathlib import Path
from typing import cast

import pytest

from devenv.contract.specification import BuildSpec
from devenv.engine.docker.builds import Builds, buildx_command
from devenv.engine.docker.dockerfile import (
    INLINE_NAME,
    Dockerfile,
    pack_context,
    read_dockerfile,
    with_images_as_contexts,
)
from devenv.engine.docker.sdk_connection import SdkConnection
from devenv.errors import BuildFailed
from devenv.model.stack import Build, Ulimit


@pytest.mark.parametrize(
    ("text", "needs"),
    [
        ("FROM a\nRUN pip install x\nCOPY --from=b --chown=1:1 x y", ()),
        ("FROM a\nRUN --mount=type=cache,target=/x pip install", ("RUN --mount",)),
        ("FROM a\nrun --network=none x", ("RUN --network",)),
        ("FROM a\nCOPY --link x y", ("COPY --link",)),
        ("FROM a\nADD --chmod=755 x y", ("ADD --chmod",)),
        ("FROM a\nRUN <<EOF\necho\nEOF", ("a heredoc in RUN",)),
        ('FROM a\nCOPY <<-"EOF" /x\nEOF', ("a heredoc in COPY",)),
        ("FROM a\nRUN cat <<< word", ()),
        ("FROM a\nRUN x=$((1<<y))", ()),
        ("FROM a\n# RUN --mount=type=cache x", ()),
        ("# syntax=docker/dockerfile:1\nFROM a", ()),
    ],
)
def test_what_only_buildkit_can_do(text: str, needs: tuple[str, ...]) -> None:
    assert Dockerfile("Dockerfile", text, inside=True).buildkit_needs == needs


def test_a_dockerfile_inside_outside_and_inline(tmp_path: Path) -> None:
    context = tmp_path / "app"
    context.mkdir()
    (context / "Dockerfile").write_text("FROM in")
    (tmp_path / "Other").write_text("FROM out")
    assert read_dockerfile(Build(context=context)) == Dockerfile("Dockerfile", "FROM in", inside=True)
    for name in ("../Other", str(tmp_path / "Other")):
        assert read_dockerfile(Build(context=context, dockerfile=name)) == Dockerfile(INLINE_NAME, "FROM out", False)
    inline = read_dockerfile(Build(context=context, dockerfile_inline="FROM line"))
    assert inline == Dockerfile(INLINE_NAME, "FROM line", inside=False)


@pytest.mark.parametrize(("context", "said"), [("none", "not a directory"), (".", "Dockerfile")])
def test_what_is_missing_is_named(tmp_path: Path, context: str, said: str) -> None:
    with pytest.raises(BuildFailed, match=said):
        read_dockerfile(Build(context=tmp_path / context))


def test_the_context_leaves_out_what_is_ignored(tmp_path: Path) -> None:
    for name in ("Dockerfile", "app.py", "secret.env", "keep.env"):
        (tmp_path / name).write_text(name)
    (tmp_path / ".dockerignore").write_text("# comment\n*.env\n!keep.env\nDockerfile\n")
    build = Build(context=tmp_path, dockerfile_inline="FROM line")
    with pack_context(build, read_dockerfile(build)) as packed, tarfile.open(fileobj=packed) as archive:
        names = {name for name in archive.getnames() if not name.startswith(".")}
        content = archive.extractfile(INLINE_NAME)
        assert content is not None
        assert content.read() == b"FROM line"
    assert names == {"app.py", "keep.env"}
    build = Build(context=tmp_path)
    with pack_context(build, read_dockerfile(build)) as packed, tarfile.open(fileobj=packed) as archive:
        assert "Dockerfile" in archive.getnames()  # the builder needs it, ignored or not


def test_the_command_line_for_buildkit(tmp_path: Path) -> None:
    build = Build(
        context=tmp_path,
        args={"A": "1"},
        labels={"own": "x"},
        target="run",
        network="host",
        cache_from=("img",),
        extra_hosts={"db": "10.0.0.1"},
        shm_size=9,
        platforms=("linux/amd64", "linux/arm64"),
        pull=True,
        no_cache=True,
        additional_contexts={"lib": "/lib"},
        ssh={"default": "", "key": "/k"},
        entitlements=("network.host",),
        privileged=True,
        ulimits={"nofile": Ulimit(soft=1, hard=2)},
        no_cache_filter=("base",),
    )
    command = buildx_command(
        build,
        Dockerfile("d/Dockerfile", "", True),
        tag="t:1",
        labels={"devenv.project": "p"},
        secrets={"token": Path("/run/1")},
    )
    assert command[:3] == ["docker", "buildx", "build"]
    assert command[-1] == str(tmp_path)
    line = " ".join(command)
    for part in (
        "--load",
        "--tag t:1",
        f"--file {tmp_path / 'd/Dockerfile'}",
        "--build-arg A=1",
        "--label own=x",
        "--label devenv.project=p",
        "--build-context lib=/lib",
        "--add-host db:10.0.0.1",
        "--cache-from img",
        "--target run",
        "--network host",
        "--shm-size 9",
        "--platform linux/amd64,linux/arm64",
        "--pull",
        "--no-cache",
    ):
        assert part in line
    for part in (
        "--secret id=token,src=/run/1",
        "--ssh default",
        "--ssh key=/k",
        "--ulimit nofile=1:2",
        "--allow network.host --allow security.insecure",
        "--no-cache-filter base",
    ):
        assert part in line
    outside = buildx_command(Build(context=tmp_path), Dockerfile(INLINE_NAME, "", False), tag="t", labels={})
    assert outside[outside.index("--file") + 1] == "-"


@pytest.mark.parametrize("name", ["Dockerfile", ".dockerignore"])
def test_a_fifo_in_the_place_of_a_file_of_the_build_does_not_hang(tmp_path: Path, name: str) -> None:
    (tmp_path / "Dockerfile").write_text("FROM scratch")
    (tmp_path / name).unlink(missing_ok=True)
    os.mkfifo(tmp_path / name)
    build = Build(context=tmp_path)
    with pytest.raises(BuildFailed, match="not a regular file"), pack_context(build, read_dockerfile(build)):
        pass


def test_a_fifo_in_the_build_context_is_packed_unread(tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text("FROM scratch")
    os.mkfifo(tmp_path / "pipe")
    build = Build(context=tmp_path)
    with pack_context(build, read_dockerfile(build)) as packed, tarfile.open(fileobj=packed) as archive:
        assert archive.getmember("pipe").isfifo()


IMAGES = {"base": "shop-base:latest", "node": "node:22-slim", "tools": "tools:1"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("FROM base\n", "FROM shop-base:latest\n"),
        ("from --platform=linux/amd64 Base:latest AS x\n", "from --platform=linux/amd64 shop-base:latest AS x\n"),
        ("FROM base AS base\nFROM base\n", "FROM shop-base:latest AS base\nFROM shop-base:latest\n"),
        ("FROM other\nCOPY --from=tools /a /b\n", "FROM other\nCOPY --from=tools:1 /a /b\n"),
        (
            "FROM x\nCOPY --chown=1 --from=base a \\\n  b\n",
            "FROM x\nCOPY --chown=1 --from=shop-base:latest a \\\n  b\n",
        ),
        (
            "FROM x\nONBUILD COPY --from=base a b\nRUN echo FROM base\n",
            "FROM x\nONBUILD COPY --from=shop-base:latest a b\nRUN echo FROM base\n",
        ),
        ("FROM node:20\nCOPY base /from\n", "FROM node:20\nCOPY base /from\n"),
        ("ARG BASE=base\nFROM $BASE\n", None),
        ("FROM base\nRUN --mount=type=bind,from=tools,target=/t true\n", None),
    ],
)
def test_images_as_contexts_are_put_in_for_a_builder_without_contexts(text: str, expected: str | None) -> None:
    inserted = with_images_as_contexts(Dockerfile("Dockerfile", text, inside=True), IMAGES)
    assert (inserted and inserted.text) == expected
    assert inserted is None or (inserted.name, inserted.inside) == (INLINE_NAME, False)


class Podman:
    """The connection to a Podman."""

    async def version(self) -> dict[str, object]:
        return {"Components": [{"Name": "Podman Engine"}]}


async def test_what_only_buildkit_builds_is_refused_on_podman(tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text("FROM scratch\nRUN --mount=type=cache,target=/c true\n")
    builds = Builds(cast(SdkConnection, Podman()))
    build = Build(context=tmp_path, ssh={"default": ""}, platforms=("linux/amd64", "linux/arm64"))
    expected = "cannot build t: build.ssh, several build.platforms require BuildKit, which Podman does not have"
    with pytest.raises(BuildFailed, match=expected):
        await builds.build(BuildSpec(build=build, tag="t", labels={}), progress=lambda _: None)
