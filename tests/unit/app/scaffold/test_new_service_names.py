"""Names and ports of new services."""

from __future__ import annotations

from pathlib import Path

import pytest

from devenv.app.scaffold.names import check_name, package_of, variable_of
from devenv.app.scaffold.port_choice import choose_port, upstream_urls
from devenv.errors import UnknownName, UsageError
from devenv.model.stack import Stack
from devenv.stack import load_stack


def stack_of(text: str, tmp_path: Path) -> Stack:
    path = tmp_path / "compose.yaml"
    path.write_text(text)
    return load_stack([path], environ={})


@pytest.mark.parametrize("name", ["orders", "order-items", "a", "v2", "x" * 63])
def test_names_that_can_be(name: str, tmp_path: Path) -> None:
    check_name(name, tmp_path, {"gateway"})


def test_a_hyphen_becomes_an_underscore_in_python_and_in_variables() -> None:
    assert package_of("order-items") == "order_items"
    assert variable_of("order-items") == "ORDER_ITEMS_URL"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("Orders", "lowercase letters, digits and hyphens"),
        ("order_items", "lowercase letters, digits and hyphens"),
        ("1st", "starting with a letter"),
        ("orders-", "not a valid service name"),
        ("", "not a valid service name"),
        ("x" * 64, "not a valid service name"),
        ("../x", "not a valid service name"),
        ("gateway", "service 'gateway' already exists"),
        ("class", "a Python keyword"),
        ("json", "standard library"),
        ("chassis", "folder of the project"),
        ("tests", "folder of the project"),
        ("vendor", "folder of the project"),
        ("fastapi", "installed library"),
        ("pydantic", "installed library"),
        ("jaeger", "the trace backend"),
    ],
)
def test_names_that_cannot_be(name: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=said) as caught:
        check_name(name, tmp_path, {"gateway"})
    assert caught.value.hint


@pytest.mark.parametrize("there", ["order_items", "order_items.py"])
def test_what_is_there_is_not_overwritten(there: str, tmp_path: Path) -> None:
    (tmp_path / there).touch()
    with pytest.raises(UsageError, match="already exists"):
        check_name("order-items", tmp_path, ())


PORTS = """
services:
  web: {image: web, ports: ["127.0.0.1:9000:8080"]}
  user: {image: user, expose: ["8082"]}
  worker: {image: worker}
  shop: {image: shop, x-devenv: {ready: {http: {path: /, port: 8090}}}, expose: ["7000"]}
  jaeger: {image: "jaegertracing/jaeger:2.13.0", ports: ["16686:16686"]}
"""


def test_the_port_is_the_first_free_one_above_those_of_the_services(tmp_path: Path) -> None:
    assert choose_port(stack_of(PORTS, tmp_path), None) == 9001
    assert choose_port(stack_of("services: {a: {image: a}}", tmp_path), None) == 8080
    assert choose_port(stack_of("services: {a: {image: a, expose: [65535, 8080]}}", tmp_path), None) == 8081
    assert choose_port(stack_of(PORTS, tmp_path), 8085) == 8085


@pytest.mark.parametrize(
    ("port", "said"),
    [(8082, "used by user"), (9000, "used by web"), (16686, "used by jaeger"), (80, "1024"), (65536, "65535")],
)
def test_a_port_that_cannot_be(port: int, said: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=said):
        choose_port(stack_of(PORTS, tmp_path), port)


def test_upstreams_are_reached_on_the_port_that_they_listen_on(tmp_path: Path) -> None:
    stack = stack_of(PORTS, tmp_path)
    assert upstream_urls(stack, ("web", "shop")) == {"web": "http://web:8080", "shop": "http://shop:8090"}


@pytest.mark.parametrize(
    ("name", "said", "hint"),
    [
        ("usr", "no service 'usr'; available: web, user, worker, shop", "did you mean 'user'?"),
        ("jaeger", "is the trace backend", ""),
        ("worker", "worker has no port in the stack file", "expose"),
    ],
)
def test_upstreams_that_cannot_be(name: str, said: str, hint: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=said) as caught:
        upstream_urls(stack_of(PORTS, tmp_path), (name,))
    assert hint in caught.value.hint
    assert isinstance(caught.value, UnknownName) == (name == "usr")
