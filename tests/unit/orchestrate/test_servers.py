"""The servers that run on this machine for images of databases, caches and brokers."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from devenv.model.stack import Build, Mount, Port
from devenv.orchestrate.derivation.outcome import Derived, Machine, Missing
from devenv.orchestrate.derivation.places import Places
from devenv.orchestrate.derivation.servers import SCRIPTS, derive_server
from devenv.stack.dockerfile import read_recipe
from devenv.testing import make_service

STATE = Path("/p/.devenv")
FOLDERS = {
    "postgres": ("/pg/16/bin", "/pg/15/bin"),
    "redis-server": ("/usr/bin",),
    "mariadbd": ("/usr/sbin",),
    "rabbitmq-server": ("/r/sbin",),
}
MACHINE = Machine(
    which=lambda _name: None,
    has_package=lambda _name: False,
    folders=lambda name: FOLDERS.get(name, ()),
    path="/bin",
    state=STATE,
)


def derived(image: str, **fields: Any) -> Derived:
    service = make_service("db", image=image, **fields)
    found = derive_server(service, image, Places(context=Path("/p"), mounts=service.mounts), MACHINE)
    assert isinstance(found, Derived), found
    return found


@pytest.mark.parametrize(
    ("image", "fields", "arguments", "variable"),
    [
        ("postgres", {}, ("/p/.devenv/servers/db", "/pg/16/bin", "0"), "PGPORT"),
        ("docker.io/library/postgres:15-alpine", {}, ("/p/.devenv/servers/db", "/pg/15/bin", "0"), "PGPORT"),
        ("postgis/postgis:12-3.1", {}, ("/p/.devenv/servers/db", "/pg/16/bin", "0"), "PGPORT"),
        (
            "postgres:9@sha256:0",
            {"command": ("postgres", "-c", "fsync=off")},
            ("/p/.devenv/servers/db", "/pg/16/bin", "0", "-c", "fsync=off"),
            "PGPORT",
        ),
        (
            "redis:7",
            {"command": ("redis-server", "--save", "")},
            ("/p/.devenv/servers/db", "/usr/bin/redis-server", "--save", ""),
            "PORT",
        ),
        ("valkey/valkey", {}, ("/p/.devenv/servers/db", "/usr/bin/redis-server"), "PORT"),
        (
            "mysql:8",
            {"command": ("--max-connections=9",)},
            ("/p/.devenv/servers/db", "/usr/sbin/mariadbd", "0", "--max-connections=9"),
            "MYSQL_TCP_PORT",
        ),
        ("rabbitmq:3", {}, ("/p/.devenv/servers/db", "/r/sbin/rabbitmq-server"), "RABBITMQ_NODE_PORT"),
        (
            "rabbitmq:3-management",
            {"ports": (Port(container=15672, host=15673),)},
            ("/p/.devenv/servers/db", "/r/sbin/rabbitmq-server", "15673"),
            "RABBITMQ_NODE_PORT",
        ),
    ],
)
def test_the_command_of_a_server(image: str, fields: dict[str, Any], arguments: tuple[str, ...], variable: str) -> None:
    process = derived(image, **fields).process
    assert process.command[0] == "sh"
    assert Path(process.command[1]).parent == SCRIPTS
    assert Path(process.command[1]).is_file()
    assert process.command[2:] == arguments
    assert (process.port_env, process.same_port) == (variable, True)
    assert process.port in {5432, 3306, 6379, 5672}


def test_the_data_of_a_named_volume_has_its_place(tmp_path: Path) -> None:
    named = Mount(kind="volume", source="pgdata", target="/var/lib/postgresql/data")
    found = derived("postgres:16", mounts=(named,))
    assert found.process.command[2] == "/p/.devenv/volumes/pgdata"
    assert (
        found.line == "db: PostgreSQL of this machine (/pg/16/bin/postgres) for postgres:16, "
        "with its data in .devenv/volumes/pgdata"
    )
    bound = Mount(kind="bind", source=str(tmp_path), target="/var/lib/postgresql/data")
    assert derived("postgres:16", mounts=(bound,)).line.endswith(
        ".devenv/servers/db; /var/lib/postgresql/data is not that of the stack file"
    )


def test_scripts_that_run_once(tmp_path: Path) -> None:
    for name in ("init/b.sql", "init/a.sh", "c.sql", "d.sql"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("")
    folder = Mount(kind="bind", source=str(tmp_path / "init"), target="/docker-entrypoint-initdb.d")
    assert [Path(word).name for word in derived("postgres:16", mounts=(folder,)).process.command[5:]] == [
        "a.sh",
        "b.sql",
    ]
    file = Mount(kind="bind", source=str(tmp_path / "c.sql"), target="/docker-entrypoint-initdb.d/1.sql")
    assert derived("postgres:16", mounts=(file,)).process.command[4:] == ("1", str(tmp_path / "c.sql"))
    recipe = read_recipe("FROM postgres:16\nCOPY d.sql /docker-entrypoint-initdb.d/\n")
    service = make_service("db", build=Build(context=tmp_path))
    found = derive_server(service, "postgres:16", Places(context=tmp_path, recipe=recipe), MACHINE)
    assert isinstance(found, Derived)
    assert found.process.command[4:] == ("1", str(tmp_path / "d.sql"))


def test_a_server_that_is_not_installed() -> None:
    machine = Machine(which=lambda _name: None, has_package=lambda _name: False)
    service = make_service("db", image="postgres:16")
    found = derive_server(service, "postgres:16", Places(context=Path("/p")), machine)
    assert isinstance(found, Missing)
    assert found.reason == "the program postgres is not installed on this machine"
    assert "Debian's package is postgresql" in found.remedy


@pytest.mark.parametrize("image", ["", "nginx", "mongo:7", "shop/postgres-exporter"])
def test_other_images_are_not_known_servers(image: str) -> None:
    assert derive_server(make_service("db", image=image), image, Places(context=Path("/p")), MACHINE) is None


def test_what_listens_is_known() -> None:
    assert (derived("postgres").ports, derived("postgres").listens, derived("postgres").stop_signal) == (
        (5432,),
        True,
        "SIGINT",
    )
    assert derived("redis", ports=(Port(container=6379, host=7000),)).ports == ()


def test_what_keeps_mariadb_from_making_its_tables_is_in_its_output(tmp_path: Path) -> None:
    made = tmp_path / "mariadb-install-db"
    made.write_text("#!/bin/sh\necho 'FATAL ERROR: Could not find my_print_defaults'\nexit 1\n")
    made.chmod(0o755)
    command = ["sh", str(SCRIPTS / "mariadb.sh"), str(tmp_path / "data"), "mariadbd", "0"]
    path = f"{tmp_path}:{os.environ['PATH']}"
    done = subprocess.run(command, capture_output=True, text=True, env={"PATH": path}, timeout=30)
    assert done.returncode == 1
    assert "my_print_defaults" in done.stderr
