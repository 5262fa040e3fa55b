"""How a container is named to people."""

from __future__ import annotations

import pytest

from devenv.engine.docker.holders import described

COMPOSE = {"com.docker.compose.project": "shop", "com.docker.compose.project.working_dir": "/srv/shop"}


@pytest.mark.parametrize(
    ("labels", "text"),
    [
        ({}, "container db"),
        (COMPOSE, "container db of project shop in /srv/shop"),
        ({"devenv.project": "web-1", "devenv.directory": "/src/web"}, "container db of project web-1 in /src/web"),
    ],
)
def test_a_container_is_named_with_its_project_and_folder(labels: dict[str, str], text: str) -> None:
    assert described("db", labels) == text
