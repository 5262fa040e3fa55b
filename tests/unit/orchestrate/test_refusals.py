"""Services that an engine cannot run: all of them in one message."""

from __future__ import annotations

from pathlib import Path

import pytest

from devenv.engine.process import ProcessEngine
from devenv.errors import ConfigurationError
from devenv.model.extension import ServiceExtension, StackExtension
from devenv.model.stack import Stack
from devenv.orchestrate.derivation.refusals import check_services
from devenv.testing import make_project, make_service

PROCESS = ServiceExtension.model_validate({"process": {"command": "python app.py"}})
GOOD = make_service("good", x=PROCESS)
ROOT = make_service("root", x=PROCESS, user="root", privileged=True)
PLAIN = make_service("plain", image="redis")


def check(*names: str) -> None:
    services = {service.name: service for service in (GOOD, ROOT, PLAIN)}
    stack = Stack(name=None, directory=Path("/x"), files=(), services=services, x=StackExtension())
    check_services(ProcessEngine(make_project()), [services[name] for name in names], stack)


def test_what_can_run_is_not_refused() -> None:
    check("good")


def test_one_service_has_the_message_of_the_engine() -> None:
    with pytest.raises(ConfigurationError, match="root: the process engine does not support user"):
        check("good", "root")


def test_several_are_in_one_message() -> None:
    with pytest.raises(ConfigurationError) as caught:
        check("root", "good", "plain")
    assert caught.value.message.endswith(
        "the process engine cannot run 2 services: services.root.user, services.plain.x-devenv.process"
    )
    assert caught.value.details["services"].keys() == {"root", "plain"}
    assert caught.value.key == "services.root.user"
