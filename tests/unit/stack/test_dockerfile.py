"""The reader of Dockerfiles: stages, variables, commands, ports and copies."""

from __future__ import annotations

from pathlib import Path

import pytest

from devenv.model.stack import Build
from devenv.stack.dockerfile import Copy, command_words, dockerfile_text, instructions, read_recipe, recipe_of

PYTHON = """\
# syntax=docker/dockerfile:1
ARG VERSION=3.12
FROM python:${VERSION}-slim
WORKDIR /srv
WORKDIR app
ENV PORT=8301 NAME="two words"
ENV LEGACY some value
COPY requirements.txt .
RUN pip install --no-cache-dir \\
    # a comment between
    -r requirements.txt
COPY --chown=1:1 . .
EXPOSE $PORT 9000/udp 9100-9102/tcp
USER app
CMD ["python", "app.py"]
"""


def test_the_instructions_of_a_single_stage() -> None:
    recipe = read_recipe(PYTHON)
    assert recipe is not None
    image = recipe.image
    assert (image.base, recipe.bases) == ("python:3.12-slim", ("python:3.12-slim",))
    assert image.working_directory == "/srv/app"
    assert image.environment == {"PORT": "8301", "NAME": "two words", "LEGACY": "some value"}
    assert image.ports == (8301, 9100)
    assert image.copies == (
        Copy(sources=("requirements.txt",), destination="/srv/app", folder=True),
        Copy(sources=(".",), destination="/srv/app", folder=True),
    )
    assert (image.entrypoint, image.command, image.user) == (None, ("python", "app.py"), "app")


def test_an_argument_from_outside_comes_before_the_default() -> None:
    recipe = read_recipe(PYTHON, {"VERSION": "3.9"})
    assert recipe is not None
    assert recipe.image.base == "python:3.9-slim"


STAGES = """\
FROM golang:1.22 AS build
WORKDIR /src
COPY . .
CMD ["build"]
FROM debian AS Base
ENV A=1
CMD ["base"]
FROM base AS debug
ENTRYPOINT ["debugger"]
FROM base
COPY --from=build /src/server /bin/server
ENTRYPOINT ["/bin/server"]
CMD ["--quick"]
"""


@pytest.mark.parametrize(
    ("target", "base", "entrypoint", "command"),
    [
        (None, "debian", ("/bin/server",), ("--quick",)),
        ("build", "golang:1.22", None, ("build",)),
        ("base", "debian", None, ("base",)),
        ("DEBUG", "debian", ("debugger",), None),
        ("unknown", "debian", ("/bin/server",), ("--quick",)),
    ],
)
def test_the_target_is_the_image(
    target: str | None, base: str, entrypoint: tuple[str, ...] | None, command: tuple[str, ...] | None
) -> None:
    recipe = read_recipe(STAGES, target=target)
    assert recipe is not None
    assert (recipe.image.base, recipe.image.entrypoint, recipe.image.command) == (base, entrypoint, command)
    assert recipe.bases == ("golang:1.22", "debian")


def test_a_copy_from_a_stage_names_it() -> None:
    recipe = read_recipe(STAGES)
    assert recipe is not None
    assert recipe.image.environment == {"A": "1"}
    (copy,) = recipe.image.copies
    assert (copy.stage, copy.sources, copy.destination) == ("build", ("/src/server",), "/bin/server")
    source, by_number = recipe.stage("BUILD"), recipe.stage("0")
    assert source is not None
    assert source is by_number
    assert source.working_directory == "/src"
    assert recipe.stage("alpine:3") is None


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('["a", "b c"]', ("a", "b c")),
        ("python -m app 'x y'", ("python", "-m", "app", "x y")),
        ("gunicorn -b :$PORT app:app", ("sh", "-c", "gunicorn -b :$PORT app:app")),
        ("exec node server.js", ("sh", "-c", "exec node server.js")),
        ("A=1 node server.js", ("sh", "-c", "A=1 node server.js")),
        ('["a", ', None),
        ("it's", None),
    ],
)
def test_the_words_of_a_command(text: str, words: tuple[str, ...] | None) -> None:
    assert command_words(text) == words


@pytest.mark.parametrize(
    ("line", "ports"),
    [
        ("ARG P=1\nEXPOSE ${P}", (1,)),
        ("EXPOSE ${P:-2}", (2,)),
        ("ENV P=3\nEXPOSE ${P:+4}", (4,)),
        ("EXPOSE ${P:+4}", ()),
        ("EXPOSE \\$P 5", (5,)),
        ("EXPOSE 53/udp", ()),
    ],
)
def test_variables(line: str, ports: tuple[int, ...]) -> None:
    recipe = read_recipe(f"FROM scratch\n{line}")
    assert recipe is not None
    assert recipe.image.ports == ports
    assert recipe.bases == ()


def test_an_argument_before_from_needs_to_be_named_in_the_stage() -> None:
    recipe = read_recipe("ARG P=1\nFROM a\nENV X=$P\nARG P\nENV Y=$P\n")
    assert recipe is not None
    assert recipe.image.environment == {"X": "", "Y": "1"}


def test_the_content_of_a_heredoc_is_not_read() -> None:
    text = "FROM a\nRUN <<EOF\nCMD no\nEOF\nCOPY <<x <<y /z/\nUSER no\nx\nUSER no\ny\nCMD yes\n"
    assert [word for word, _ in instructions(text)] == ["FROM", "RUN", "COPY", "CMD"]
    recipe = read_recipe(text)
    assert recipe is not None
    assert (recipe.image.command, recipe.image.copies) == (("yes",), ())


def test_another_escape_character() -> None:
    recipe = read_recipe("# escape=`\nFROM a\nCMD b `\n  c\n")
    assert recipe is not None
    assert recipe.image.command == ("b", "c")


@pytest.mark.parametrize("text", ["", "# nothing", "RUN a"])
def test_a_text_without_from_has_no_recipe(text: str) -> None:
    assert read_recipe(text) is None


def test_the_file_is_found_in_the_context_or_in_the_stack_file(tmp_path: Path) -> None:
    (tmp_path / "dev.Dockerfile").write_text("FROM a\n")
    assert recipe_of(Build(context=tmp_path, dockerfile="dev.Dockerfile")) is not None
    assert dockerfile_text(Build(context=tmp_path, dockerfile_inline="FROM b")) == "FROM b"
    assert recipe_of(Build(context=tmp_path)) is None
