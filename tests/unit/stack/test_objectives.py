"""Objectives in a stack file, and the calls that it declares: read, or refused at their line and column."""

from __future__ import annotations

from pathlib import Path

import pytest

from devenv.analysis.service_map.declared import declared_edges
from devenv.errors import StackFileError
from devenv.model.stack import Stack
from devenv.stack import load_stack


def load(folder: Path, text: str) -> Stack:
    path = folder / "compose.yaml"
    path.write_text(text)
    return load_stack([path], environ={})


def objective(folder: Path, text: str) -> Stack:
    return load(folder, f"x-devenv:\n  slo:\n    {text}\nservices:\n  web: {{image: x}}\n")


def test_objectives_are_read(tmp_path: Path) -> None:
    text = "sign-in: {service: web, availability: 99.9%, latency: {under: 250ms, share: 95%}, window: 1h}"
    found = objective(tmp_path, text).x.slo["sign-in"]
    assert (found.service, found.availability, found.window) == ("web", 0.999, 3600.0)
    assert found.latency is not None
    assert (found.latency.under, found.latency.share) == (0.25, 0.95)


@pytest.mark.parametrize(
    ("text", "place", "said"),
    [
        ("web: {availability: 100%}", "3:25", "a share above 0% and below 100%"),
        ("web: {availability: 99.9}", "3:25", "a share above 0% and below 100%"),
        ("web: {latency: {under: 250, share: 0}}", "3:40", "a share above 0% and below 100%"),
        ("web: {latency: {under: soon, share: 0.9}}", "3:28", "a duration such as 500ms"),
        ("web: {latency: {share: 0.9}}", "3:20", "under"),
        ("web: {availabilty: 0.9}", "3:11", "availability"),
        ("web: {operation: GET /}", "3:10", "at least one of availability, latency"),
        ("wbe: {availability: 0.9}", "3:5", "wbe"),
        ("sign-in: {service: wbe, availability: 0.9}", "3:24", "wbe"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(tmp_path: Path, text: str, place: str, said: str) -> None:
    with pytest.raises(StackFileError) as caught:
        objective(tmp_path, text)
    assert str(caught.value.location) == f"{tmp_path}/compose.yaml:{place}"
    assert said in f"{caught.value.message} {caught.value.expected} {caught.value.hint}"


SHOP = """
services:
  web:
    image: x
    depends_on: {auth: {condition: service_started}, migration: {condition: service_completed_successfully}}
    environment: {USER_URL: "http://user:8080/users?auth=1", QUEUE: "amqp://guest:x@rabbit/", NAME: user}
  auth: {image: x, environment: {SELF: "http://auth:1", OTEL: "http://jaeger:4318"}}
  user: {image: x, environment: {BROKERS: "rabbit:5672,other:5672"}, container_name: accounts}
  late: {image: x, environment: {ACCOUNTS: "http://accounts/"}}
  migration: {image: x}
  rabbit: {image: rabbitmq}
  jaeger: {image: jaegertracing/jaeger, x-devenv: {role: trace-backend}}
"""


def test_declared_calls_are_dependencies_and_addresses(tmp_path: Path) -> None:
    stack = load(tmp_path, SHOP)
    names = {name: f"n-{name}" for name in stack.services if name != "jaeger"}
    assert declared_edges(stack, names) == {
        ("n-web", "n-auth"),
        ("n-web", "n-user"),
        ("n-web", "n-rabbit"),
        ("n-user", "n-rabbit"),
        ("n-late", "n-user"),
    }
