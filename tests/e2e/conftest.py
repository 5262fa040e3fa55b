"""The sample stack on each engine in turn, in its own project directory."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from devenv_cli import Devenv

ENGINES = [pytest.param("docker", marks=pytest.mark.docker), "process"]


@pytest.fixture(scope="module", params=ENGINES)
def engine(request: pytest.FixtureRequest) -> str:
    """Each engine in turn; what the machine lacks skips, before a fixture of the module's needs it."""
    if request.param == "docker":
        request.getfixturevalue("docker_client")
    return str(request.param)


@pytest.fixture(scope="module")
def devenv(engine: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Devenv]:
    """The command line in a new project directory; whatever a test leaves up is taken down."""
    tool = Devenv(tmp_path_factory.mktemp(f"{engine}-project"), engine)
    yield tool
    tool.down()


@pytest.fixture(scope="module")
def up(devenv: Devenv) -> Any:
    """The sample stack, up: the document that `devenv up` printed."""
    return devenv.json("up")
