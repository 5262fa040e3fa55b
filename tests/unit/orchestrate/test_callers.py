"""The entry point of a stack whose file does not name one: what nothing else in the stack calls."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from devenv.model.extension import StackExtension
from devenv.model.stack import Attachment, Dependency, Port, Stack
from devenv.orchestrate.naming import entry_candidates, entrypoint_of
from devenv.testing import make_service

PUBLISHED = (Port(container=80, host=8080),)


def stack_of(services: dict[str, dict[str, Any]], entrypoint: str | None = None) -> Stack:
    made = {name: make_service(name, **{"ports": PUBLISHED, **fields}) for name, fields in services.items()}
    return Stack(name=None, directory=Path("/x"), files=(), services=made, x=StackExtension(entrypoint=entrypoint))


@pytest.mark.parametrize(
    ("services", "candidates"),
    [
        ({"web": {}}, ("web",)),
        ({"web": {}, "worker": {"ports": ()}}, ("web",)),
        ({"worker": {"ports": ()}}, ()),
        ({"api": {}, "web": {"environment": {"API_URL": "http://api:80"}}}, ("web",)),
        ({"api": {}, "web": {"environment": {"API": "api:80"}}}, ("web",)),
        ({"api": {}, "web": {"environment": {"API_HOST": "api"}}}, ("web",)),
        ({"db": {}, "web": {"environment": {"URL": "postgresql://me:secret@db/shop"}}}, ("web",)),
        ({"api": {}, "web": {"command": ("proxy", "--to=http://api:80")}}, ("web",)),
        ({"api": {}, "web": {"depends_on": (Dependency(service="api"),)}}, ("web",)),
        ({"api": {}, "web": {"options": {"links": ("api:backend",)}}}, ("web",)),
        (
            {
                "api": {"networks": (Attachment(network="n", aliases=("b",)),)},
                "web": {"environment": {"X": "http://b"}},
            },
            ("web",),
        ),
        # It is not a host name there.
        (
            {"user": {}, "web": {"environment": {"NAME": "user", "EMAIL": "user@example.com", "A": "b://user.org"}}},
            ("user", "web"),
        ),
        ({"db": {"image": "postgres:16"}, "adminer": {"image": "adminer"}, "web": {}}, ("web",)),
        ({"proxy": {"image": "nginx"}, "db": {"image": "mysql"}}, ("proxy",)),
        ({"db": {"image": "mongo"}, "ui": {"image": "mongo-express"}}, ("db", "ui")),
        # It calls itself.
        ({"web": {"environment": {"OWN": "http://web:80"}}, "api": {"ports": ()}}, ("web",)),
        # The browser is led back from the API: the dependency decides.
        (
            {
                "api": {"environment": {"ORIGIN": "http://web:80"}},
                "web": {"environment": {"API": "http://api:80"}, "depends_on": (Dependency(service="api"),)},
            },
            ("web",),
        ),
        (
            {"a": {"depends_on": (Dependency(service="b"),)}, "b": {"depends_on": (Dependency(service="a"),)}},
            ("a", "b"),
        ),
    ],
)
def test_the_services_that_could_be_the_entry_point(
    services: dict[str, dict[str, Any]], candidates: tuple[str, ...]
) -> None:
    stack = stack_of(services)
    assert entry_candidates(stack) == candidates
    assert entrypoint_of(stack) == (candidates[0] if len(candidates) == 1 else None)


def test_what_the_file_names_is_the_entry_point() -> None:
    services: dict[str, dict[str, Any]] = {"api": {}, "web": {"environment": {"API_URL": "http://api:80"}}}
    assert entrypoint_of(stack_of(services, entrypoint="api")) == "api"
