"""nginx of this machine with the configuration of its image, its mounts and its build."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from devenv.daemon.addresses import Ports, Rewriting
from devenv.engine.process.launch import Listening, Peer
from devenv.model.stack import Mount, Port
from devenv.orchestrate.derivation.nginx import derive_nginx
from devenv.orchestrate.derivation.nginx_start import edited, substituted
from devenv.orchestrate.derivation.outcome import Derived, Machine, Missing
from devenv.orchestrate.derivation.places import Places
from devenv.stack.dockerfile import read_recipe
from devenv.testing import make_service

MACHINE = Machine(
    which=lambda _name: None,
    has_package=lambda _name: False,
    folders=lambda _name: ("/usr/sbin",),
    state=Path("/p/.devenv"),
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("listen 80;", "listen 127.0.0.1:8080;"),
        ("listen  [::]:80 default_server;", "listen [::1]:8080 default_server;"),
        ("listen *:80;", "listen 127.0.0.1:8080;"),
        ("listen 443 ssl;", "listen 443 ssl;"),
        ("listen 8081;", "listen 8081;"),
        ("proxy_pass http://api:5000/x;", "proxy_pass http://127.0.0.1:20001/x;"),
        ("upstream api { server api:5000; }", "upstream api { server 127.0.0.1:20001; }"),
        ("proxy_pass http://my-api:5000;", "proxy_pass http://my-api:5000;"),
        ("proxy_pass http://api:50001;", "proxy_pass http://api:50001;"),
        ("root /usr/share/nginx/html;", "root /p/html;"),
        ("alias /usr/share/nginx/html/a.txt;", "alias /p/html/a.txt;"),
        ("alias /usr/share/nginx/html-old;", "alias /usr/share/nginx/html-old;"),
        ("access_log /var/log/nginx/access.log main;", "access_log /dev/stdout main;"),
        ("user  nginx;\npid /run/nginx.pid;\nevents {}", "\n\nevents {}"),
        ("resolver 127.0.0.11 valid=5s;", ""),
    ],
)
def test_a_configuration_is_led_to_this_machine(text: str, expected: str) -> None:
    paths = {"/usr/share/nginx/html": "/p/html"}
    assert edited(text, {80: 8080}, paths, {"api:5000": "127.0.0.1:20001"}) == expected


def test_a_template_of_the_image() -> None:
    text = "server ${API}; set $a $host; listen $PORT;"
    assert substituted(text, {"API": "api:80", "PORT": "80"}) == "server api:80; set $a $host; listen 80;"


def derived(root: Path, dockerfile: str = "", **fields: Any) -> Derived | Missing | None:
    service = make_service("web", **fields)
    places = Places(context=root, recipe=read_recipe(dockerfile) if dockerfile else None, mounts=service.mounts)
    return derive_nginx(service, "nginx:1.27-alpine", places, MACHINE, ("api",))


def test_what_is_mounted_is_found(tmp_path: Path) -> None:
    (tmp_path / "site.conf").write_text("server { listen 80; location / { proxy_pass http://api:5000; } }")
    mount = Mount(kind="bind", source=str(tmp_path / "site.conf"), target="/etc/nginx/conf.d/default.conf")
    found = derived(tmp_path, mounts=(mount,), ports=(Port(container=80, host=8080), Port(container=443, host=8443)))
    assert isinstance(found, Derived)
    assert found.process.env == {"DEVENV_UPSTREAMS": "api:5000"}
    assert json.loads(found.process.command[-1]) == {
        "data": "/p/.devenv/servers/web",
        "program": "/usr/sbin/nginx",
        "port": 80,
        "ports": {"443": 8443},
        "paths": {"/etc/nginx/conf.d/default.conf": str(tmp_path / "site.conf")},
        "upstreams": [["api", "5000"]],
    }
    peers = [Peer(service="api", names=("api",), ports=(Listening(container=5000, host=20001),))]
    rewriting = Rewriting(peers, Ports(0))
    assert rewriting.command(found.process.command) == tuple(found.process.command)
    assert rewriting.environment(found.process.env) == {"DEVENV_UPSTREAMS": "127.0.0.1:20001"}
    assert found.line == (
        "web: nginx of this machine (/usr/sbin/nginx) for nginx:1.27-alpine; "
        "its configuration leads api:5000 to this machine"
    )


def test_what_is_copied_is_found_if_it_is_there(tmp_path: Path) -> None:
    (tmp_path / "nginx.conf").write_text("")
    dockerfile = (
        "FROM node AS build\nWORKDIR /app\nCOPY . .\nFROM nginx\nCOPY nginx.conf /etc/nginx/conf.d/\n"
        "COPY --from=build /app/dist /usr/share/nginx/html\n"
    )
    missing = derived(tmp_path, dockerfile)
    assert isinstance(missing, Missing)
    assert missing.reason == "/usr/share/nginx/html is made while the image is built"
    (tmp_path / "dist").mkdir()
    found = derived(tmp_path, dockerfile)
    assert isinstance(found, Derived)
    assert json.loads(found.process.command[-1])["paths"] == {
        "/etc/nginx/conf.d/nginx.conf": str(tmp_path / "nginx.conf"),
        "/usr/share/nginx/html": str(tmp_path / "dist"),
    }
    assert found.ports == (80,)


def test_other_images_and_other_machines(tmp_path: Path) -> None:
    service = make_service("web")
    assert derive_nginx(service, "httpd", Places(context=tmp_path), MACHINE, ()) is None
    machine = Machine(which=lambda _name: None, has_package=lambda _name: False)
    found = derive_nginx(service, "nginx", Places(context=tmp_path), machine, ())
    assert isinstance(found, Missing)
    assert found.reason == "the program nginx is not installed on this machine"
