"""What an engine cannot give a service is refused by name, before anything is started."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from devenv.engine.docker import DockerEngine
from devenv.engine.process import ProcessEngine
from devenv.errors import ConfigurationError
from devenv.model.extension import ServiceExtension, StackExtension
from devenv.model.stack import FileMount, Hook, Stack
from devenv.testing import make_project, make_service

PROCESS = ServiceExtension.model_validate({"process": {"command": "python app.py"}})


def stack_of(service: Any) -> Stack:
    return Stack(name=None, directory=Path("/x"), files=(), services={service.name: service}, x=StackExtension())


@pytest.mark.parametrize(
    ("fields", "key"),
    [
        ({"image": "redis:7", "x": ServiceExtension()}, "x-devenv.process"),
        ({"x": PROCESS, "privileged": True}, "privileged"),
        ({"x": PROCESS, "network_mode": "host"}, "network_mode"),
        ({"x": PROCESS, "secrets": (FileMount(source="key", target="/run/secrets/key"),)}, "secrets"),
        ({"x": PROCESS, "user": "nobody"}, "user"),
        ({"x": PROCESS, "post_start": (Hook(command=("a",)), Hook(command=("b",), user="root"))}, "post_start[1].user"),
        ({"x": PROCESS, "pre_stop": (Hook(command=("a",), privileged=True),)}, "pre_stop[0].privileged"),
        ({"x": PROCESS, "pre_stop": (Hook(command=("a",), working_dir="/w"),)}, "pre_stop[0].working_dir"),
    ],
)
def test_the_process_engine_refuses_by_name(fields: dict[str, Any], key: str) -> None:
    service = make_service("web", **fields)
    with pytest.raises(ConfigurationError, match="web") as caught:
        ProcessEngine(make_project()).check(service, stack_of(service))
    assert caught.value.key == f"services.web.{key}"
    assert "--engine docker" in caught.value.hint


def test_the_process_engine_takes_what_it_can_run() -> None:
    service = make_service("web", x=PROCESS)
    ProcessEngine(make_project()).check(service, stack_of(service))
    backend = make_service("traces", image="jaegertracing/jaeger:2.13.0", x=ServiceExtension(role="trace-backend"))
    ProcessEngine(make_project()).check(backend, stack_of(backend))


def test_the_docker_engine_refuses_a_service_without_an_image() -> None:
    service = make_service("web", image=None, x=PROCESS)
    with pytest.raises(ConfigurationError, match="no image or build, which the docker engine requires"):
        DockerEngine().check(service, stack_of(service))
