"""What an engine cannot give a service is refused by name, before anything is started."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from devenv.contract.specification import InstanceSpec
from devenv.engine.docker import DockerEngine
from devenv.engine.process import ProcessEngine
from devenv.engine.process.launching import launch_of
from devenv.errors import ConfigurationError
from devenv.model.extension import ServiceExtension, StackExtension
from devenv.model.stack import FileMount, Hook, Port, Stack
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


def test_the_port_of_a_process_is_the_first_one_of_its_launch() -> None:
    extension = ServiceExtension.model_validate({"process": {"command": "broker", "port": 5672, "same_port": True}})
    service = make_service("queue", x=extension, ports=(Port(container=15672, host=15673),), expose=(4369, 5672))
    spec = InstanceSpec(
        name="queue-1", project=make_project(), service=service, index=1, labels={}, stack=stack_of(service)
    )
    assert [(port.container, port.host, port.same) for port in launch_of(spec).ports] == [
        (5672, None, True),
        (15672, 15673, True),
        (4369, None, True),
    ]
