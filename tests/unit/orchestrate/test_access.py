"""``x-devenv.backend.access: token`` is kept by the embedded backend, and refused by name for Jaeger."""

from __future__ import annotations

from pathlib import Path

import pytest
from orchestration import World, service, stack

from devenv.contract.specification import InstanceSpec
from devenv.engine.process.launching import launch_of
from devenv.errors import ConfigurationError
from devenv.model.extension import BackendSettings, StackExtension
from devenv.model.identity import identify
from devenv.orchestrate.fingerprint import service_fingerprint
from devenv.orchestrate.instrument import check_access, instrument

CLOSED = StackExtension(backend=BackendSettings(access="token"))


async def test_an_engine_with_jaeger_refuses_it_before_anything_starts() -> None:
    world = World()
    with pytest.raises(ConfigurationError) as caught:
        await world.up(stack(service("web"), x=CLOSED))
    assert "not possible with Jaeger" in caught.value.message
    assert caught.value.key == "x-devenv.backend.access"
    assert "--engine process" in caught.value.hint
    assert not world.engine.instances


def test_the_embedded_backend_gets_it_and_is_replaced_by_a_change(tmp_path: Path) -> None:
    project = identify(tmp_path, "shop")
    hashes = []
    for x in (StackExtension(), CLOSED):
        check_access(stack(x=x), "embedded")
        traced = instrument(stack(service("web"), x=x), backend="embedded")
        backend = traced.services["jaeger"]
        spec = InstanceSpec(
            name="shop-jaeger-1",
            project=project,
            service=backend,
            index=1,
            labels={},
            image="",
            networks={},
            stack=traced,
        )
        assert launch_of(spec).access == x.backend.access
        hashes.append(
            [
                service_fingerprint(
                    project, traced, traced.services[name], image_id="", mounted={}, processes=True
                ).digest
                for name in ("jaeger", "web")
            ]
        )
    (open_backend, open_web), (closed_backend, closed_web) = hashes
    assert open_backend != closed_backend
    assert open_web == closed_web, "services send their spans as before"
