"""Databases and caches by image on the process engine: the machine's own servers, with data below ``.devenv/``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from devenv_cli import Devenv

COMPOSE = """\
services:
  db:
    image: postgres:15
    environment: {POSTGRES_USER: shop, POSTGRES_PASSWORD: "se'cret", POSTGRES_DB: orders}
    volumes: ["data:/var/lib/postgresql/data", "./init.sql:/docker-entrypoint-initdb.d/init.sql"]
    healthcheck: {test: [CMD-SHELL, pg_isready -U shop -d orders], interval: 1s}
  cache:
    image: redis:7-alpine
    command: redis-server --appendonly yes
volumes: {data: {}}
"""
QUERY = ("exec", "db", "env", "PGPASSWORD=se'cret", "psql", "-U", "shop", "-d", "orders", "-h", "127.0.0.1", "-Atc")


@pytest.fixture
def project(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Devenv]:
    for needed in ("postgres", "redis_server"):  # they skip, or fail, where the servers are missing
        request.getfixturevalue(needed)
    (tmp_path / "compose.yaml").write_text(COMPOSE)
    (tmp_path / "init.sql").write_text("CREATE TABLE item (id int);\nINSERT INTO item VALUES (7);\n")
    tool = Devenv(tmp_path, "process", files=(tmp_path / "compose.yaml",))
    yield tool
    tool.down()


@pytest.mark.postgres
@pytest.mark.redis
def test_a_named_volume_keeps_what_was_written(project: Devenv) -> None:
    up = project.json("up", "--no-canary")
    assert {service["health"] for service in up["services"] if service["name"] != "jaeger"} == {"healthy"}
    assert project.run(*QUERY, "INSERT INTO item VALUES (8)").returncode == 0
    assert (project.directory / ".devenv/servers/cache/appendonlydir").is_dir()
    assert project.json("down")["kept"]["volumes"] == ["data"]
    assert not (project.directory / ".devenv/servers").exists()
    project.json("up", "--no-canary", "db")
    assert project.run(*QUERY, "SELECT id FROM item").stdout.split() == ["7", "8"]
    assert project.json("down", "--volumes")["removed"]["volumes"] == ["data"]
    assert not (project.directory / ".devenv/volumes").exists()
