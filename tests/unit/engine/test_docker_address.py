"""Where the engine is: environment, docker contexts, TLS."""

from __future__ import annotations

import hashlib
import json
import socket
from pathlib import Path

import pytest

from devenv.engine.docker.podman import product_of
from devenv.engine.docker_address import DEFAULT_SOCKET, find_address
from devenv.errors import ConfigurationError


def write_context(home: Path, name: str, host: str, *, tls: bool = False, current: bool = True) -> Path:
    digest = hashlib.sha256(name.encode()).hexdigest()
    meta = home / ".docker" / "contexts" / "meta" / digest / "meta.json"
    meta.parent.mkdir(parents=True)
    endpoint = {"Host": host, "SkipTLSVerify": False}
    meta.write_text(json.dumps({"Name": name, "Metadata": {}, "Endpoints": {"docker": endpoint}}))
    if current:
        (home / ".docker" / "config.json").write_text(json.dumps({"currentContext": name}))
    certificates = home / ".docker" / "contexts" / "tls" / digest / "docker"
    if tls:
        certificates.mkdir(parents=True)
        for file in ("ca.pem", "cert.pem", "key.pem"):
            (certificates / file).write_text("x")
    return certificates


def test_the_default_socket(tmp_path: Path) -> None:
    address = find_address({}, tmp_path)
    assert address.url == DEFAULT_SOCKET
    assert address.socket_path == Path("/var/run/docker.sock")
    assert not address.is_elsewhere


def test_docker_host_comes_first(tmp_path: Path) -> None:
    write_context(tmp_path, "lab", "tcp://10.0.0.1:2375")
    address = find_address({"DOCKER_HOST": "unix:///run/user/1/docker.sock", "DOCKER_CONTEXT": "lab"}, tmp_path)
    assert address.url == "unix:///run/user/1/docker.sock"
    assert address.origin == "DOCKER_HOST"


@pytest.mark.parametrize(("verify", "checked"), [("1", True), ("", False)])
def test_docker_host_with_tls(tmp_path: Path, verify: str, checked: bool) -> None:
    for file in ("ca.pem", "cert.pem", "key.pem"):
        (tmp_path / file).write_text("x")
    environment = {
        "DOCKER_HOST": "tcp://10.0.0.1:2376",
        "DOCKER_TLS_VERIFY": verify,
        "DOCKER_TLS": "1",
        "DOCKER_CERT_PATH": str(tmp_path),
    }
    address = find_address(environment, tmp_path)
    assert (address.tls, address.verify) == (True, checked)
    assert (address.ca, address.cert, address.key) == tuple(tmp_path / f"{n}.pem" for n in ("ca", "cert", "key"))
    assert address.is_elsewhere
    assert address.hostname == "10.0.0.1"


def test_the_current_context(tmp_path: Path) -> None:
    certificates = write_context(tmp_path, "lab", "tcp://lab:2376", tls=True)
    address = find_address({}, tmp_path)
    assert address.url == "tcp://lab:2376"
    assert (address.tls, address.cert) == (True, certificates / "cert.pem")
    assert "lab" in address.origin


def test_the_environments_context_comes_before_the_current_one(tmp_path: Path) -> None:
    write_context(tmp_path, "lab", "tcp://lab:2376", current=False)
    assert find_address({}, tmp_path).url == DEFAULT_SOCKET
    assert find_address({"DOCKER_CONTEXT": "lab"}, tmp_path).url == "tcp://lab:2376"
    assert find_address({"DOCKER_CONTEXT": "default"}, tmp_path).url == DEFAULT_SOCKET


def test_another_configuration_folder(tmp_path: Path) -> None:
    write_context(tmp_path, "lab", "tcp://lab:2376")
    assert find_address({"DOCKER_CONFIG": str(tmp_path / ".docker")}, tmp_path / "nobody").url == "tcp://lab:2376"


def test_a_context_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="'gone' does not exist"):
        find_address({"DOCKER_CONTEXT": "gone"}, tmp_path)


@pytest.mark.parametrize("content", ["{", "[]"])
def test_a_broken_configuration_names_the_file(tmp_path: Path, content: str) -> None:
    (tmp_path / ".docker").mkdir()
    (tmp_path / ".docker" / "config.json").write_text(content)
    with pytest.raises(ConfigurationError, match=r"config\.json"):
        find_address({}, tmp_path)


@pytest.mark.parametrize(
    ("url", "elsewhere"), [("tcp://127.0.0.1:2375", False), ("tcp://[::1]:2375", False), ("tcp://lab:2375", True)]
)
def test_a_loopback_port_is_not_certainly_elsewhere(tmp_path: Path, url: str, elsewhere: bool) -> None:
    assert find_address({"DOCKER_HOST": url}, tmp_path).is_elsewhere is elsewhere


def make_socket(path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A socket at `path`, bound by its name alone: the path of a Unix socket is short."""
    path.parent.mkdir(parents=True)
    monkeypatch.chdir(path.parent)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path.name)
    return f"unix://{path}"


def test_podman_is_tried_where_docker_has_no_socket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    environ = {"XDG_RUNTIME_DIR": str(tmp_path / "user")}
    docker = f"unix://{tmp_path}/var/run/docker.sock"
    assert find_address(environ, tmp_path, root=tmp_path).url == docker
    (tmp_path / "user" / "podman").mkdir(parents=True)
    (tmp_path / "user" / "podman" / "podman.sock").write_text("not a socket")
    assert find_address(environ, tmp_path, root=tmp_path).url == docker
    system = make_socket(tmp_path / "run" / "podman" / "podman.sock", monkeypatch)
    found = find_address(environ, tmp_path, root=tmp_path)
    assert (found.url, found.origin) == (system, "socket of Podman, as there is none of Docker")
    own = make_socket(tmp_path / "other" / "podman" / "podman.sock", monkeypatch)
    assert find_address({"XDG_RUNTIME_DIR": str(tmp_path / "other")}, tmp_path, root=tmp_path).url == own
    assert find_address({"DOCKER_HOST": "tcp://lab:1"}, tmp_path, root=tmp_path).url == "tcp://lab:1"
    make_socket(tmp_path / "var" / "run" / "docker.sock", monkeypatch)
    assert find_address(environ, tmp_path, root=tmp_path).url == docker


@pytest.mark.parametrize(
    ("components", "product"),
    [([{"Name": "Podman Engine", "Version": "4.3.1"}], "Podman"), ([{"Name": "Engine"}], ""), (None, "")],
)
def test_podman_is_recognised_by_its_version(components: object, product: str) -> None:
    assert product_of({"Version": "1", "Components": components}) == product
