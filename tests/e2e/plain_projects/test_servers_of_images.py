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
SHOP = """\
services:
  web:
    build: web
    ports: ["8000"]
    environment: {DATABASE_URL: "postgresql+psycopg://postgres:secret@db/postgres"}
    depends_on: [db]
  db:
    image: postgres
    environment: {POSTGRES_PASSWORD: secret}
"""
APP = """\
import os
from flask import Flask
from sqlalchemy import create_engine, text

app = Flask(__name__)
engine = create_engine(os.environ["DATABASE_URL"])


@app.get("/")
def shop():
    with engine.connect() as connection:
        return str(connection.execute(text("SELECT 40 + 2")).scalar_one())
"""
DOCKERFILE = """\
FROM python:3.12-slim
WORKDIR /app
COPY . .
RUN pip install -r requirements.txt
EXPOSE 8000
CMD ["flask", "run", "--host=0.0.0.0", "--port=8000"]
"""
QUERY = ("exec", "db", "env", "PGPASSWORD=se'cret", "psql", "-U", "shop", "-d", "orders", "-h", "127.0.0.1", "-Atc")


@pytest.fixture
def project(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Devenv]:
    """The two servers; a test may write another stack file before it begins."""
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


@pytest.mark.postgres
@pytest.mark.redis
def test_a_plain_project_with_a_database_is_traced(project: Devenv) -> None:
    files = {"compose.yaml": SHOP, "web/app.py": APP, "web/Dockerfile": DOCKERFILE, "web/requirements.txt": "flask\n"}
    (project.directory / "web").mkdir()
    for name, text in files.items():
        (project.directory / name).write_text(text)
    up = project.json("up")
    assert (up["canary"]["verdict"], up["canary"]["services"], up["canary"]["status"]) == ("complete", ["web"], 200)
    assert up["canary"]["spans"] >= 3  # devenv's own, that of the request and that of the query
