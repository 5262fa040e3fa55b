"""What a plan says, on the fake engine: the printed plan is what is asserted on."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from orchestration import IMAGE, World, service, stack, volumes

from devenv.errors import ConfigurationError, ImageMissing, UnknownName
from devenv.model.stack import AddressPool, Build, Dependency, FileMount, FileSource, Mount, Network, Port, Restart
from devenv.model.state import State
from devenv.orchestrate.planning.calls import BuildImage, CreateInstance
from devenv.orchestrate.up import UpOptions, make_plan
from devenv.testing import FakeImage


def lines(text: str) -> list[str]:
    """A printed plan with single spaces, without the backend that devenv adds."""
    return [" ".join(line.split()) for line in text.splitlines() if "jaeger" not in line]


async def test_nothing_there_yet() -> None:
    world = World()
    wanted = stack(
        service("db", mounts=(Mount(kind="volume", source="data", target="/data"),)),
        service("web", depends_on=[Dependency(service="db", condition="service_healthy")], replicas=2),
        volumes=volumes("data", "unused"),
    )
    assert lines(await world.plan(wanted)) == [
        "create-network P_default",
        "create-volume P_data",
        "create P-db-1",
        "create P-web-1 when db (healthy)",
        "create P-web-2 when db (healthy)",
    ]
    assert world.engine.faults.mutations == 0


async def test_nothing_changed_is_kept() -> None:
    world = World()
    wanted = stack(service("db"), service("web", depends_on=["db"]))
    await world.up(wanted)
    assert lines(await world.plan(wanted)) == ["keep P-db-1", "keep P-web-1"]


async def test_what_changed_is_named() -> None:
    world = World()
    await world.up(stack(service("web", environment={"LEVEL": "info"})))
    plan = await world.plan(stack(service("web", environment={"LEVEL": "debug"}, command=("serve",))))
    assert lines(plan) == ["replace P-web-1 (command, environment changed)"]


async def test_another_restart_policy_replaces() -> None:
    world = World()
    await world.up(stack(service("web", restart=Restart(policy="on-failure", maximum=3))))
    assert lines(await world.plan(stack(service("web")))) == ["replace P-web-1 (restart changed)"]


async def test_a_new_image_replaces() -> None:
    world = World()
    wanted = stack(service("web"))
    await world.up(wanted)
    world.engine.images[IMAGE] = FakeImage("sha256:2")
    assert lines(await world.plan(wanted)) == ["replace P-web-1 (image changed)"]


async def test_what_says_nothing_of_the_instance_replaces_nothing() -> None:
    world = World()
    await world.up(stack(service("db"), service("web")))
    plan = await world.plan(
        stack(service("db"), service("web", depends_on=["db"], pull_policy="never", x={"ready": {"log": "up"}}))
    )
    assert lines(plan) == ["keep P-db-1", "keep P-web-1"]


async def test_scaled_down_and_gone_from_the_file() -> None:
    world = World()
    await world.up(stack(service("web", replicas=3), service("old")))
    plan = lines(await world.plan(stack(service("web"))))
    assert plan == [
        "remove P-old-1 (removed from the stack file)",
        "remove P-web-2 (replicas is 1)",
        "remove P-web-3 (replicas is 1)",
        "keep P-web-1",
    ]


async def test_services_of_inactive_profiles_and_of_other_names_are_left_alone() -> None:
    world = World()
    both = stack(service("web"), service("tool"), service("other"))
    await world.up(both)
    without_tool = stack(service("web"), service("other"), inactive=("tool",))
    assert lines(await world.plan(without_tool)) == ["keep P-web-1", "keep P-other-1"]
    assert lines(await world.plan(stack(service("web")), services=("web",))) == ["keep P-web-1"]


async def test_named_services_bring_what_they_need() -> None:
    world = World()
    wanted = stack(service("db"), service("api", depends_on=["db"]), service("web", depends_on=["api"]))
    assert [line for line in lines(await world.plan(wanted, services=("api",))) if "create " in line] == [
        "create P-db-1",
        "create P-api-1 when db (started)",
    ]
    with pytest.raises(UnknownName) as caught:
        await world.plan(wanted, services=("wep",))
    assert caught.value.hint == "did you mean 'web'?"


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        (State.CREATED, "created but never started"),
        (State.EXITED, "exited with code 143"),
        (State.PAUSED, "was paused"),
        (State.DEAD, "was dead"),
    ],
)
async def test_what_does_not_run_is_recreated(state: State, reason: str) -> None:
    world = World()
    wanted = stack(service("web"))
    await world.up(wanted)
    web = next(item for item in world.engine.instances.values() if item.service == "web")
    await world.engine.stop(web.id)
    web.state = state
    assert lines(await world.plan(wanted)) == [f"recreate P-web-1 ({reason})"]


async def test_dependents_restart_where_they_ask_for_it() -> None:
    world = World()
    asking = Dependency(service="db", restart=True)

    def wanted(level: str) -> object:
        return stack(
            service("db", environment={"LEVEL": level}),
            service("api", depends_on=[asking]),
            service("web", depends_on=[Dependency(service="api", restart=True)]),
            service("other", depends_on=["db"]),
        )

    await world.up(wanted("info"))
    assert lines(await world.plan(wanted("debug"))) == [
        "replace P-db-1 (environment changed)",
        "restart P-api-1 (db is recreated) when db (started)",
        "restart P-web-1 (api is restarted) when api (started)",
        "keep P-other-1",
    ]


@pytest.mark.parametrize(
    ("before", "now", "api"),
    [
        (True, False, "keep P-api-1"),
        (False, True, "restart P-api-1 (db is recreated) when db (started)"),
    ],
)
async def test_whether_dependents_restart_is_as_the_file_says_now(before: bool, now: bool, api: str) -> None:
    """Not as it said when the dependent was created: `depends_on` alone replaces nothing."""
    world = World()

    def wanted(level: str, *, asks: bool) -> object:
        depends = [Dependency(service="db", restart=True)] if asks else []
        return stack(service("db", environment={"LEVEL": level}), service("api", depends_on=depends))

    await world.up(wanted("info", asks=before))
    assert lines(await world.plan(wanted("debug", asks=now))) == ["replace P-db-1 (environment changed)", api]
    await world.up(wanted("debug", asks=now))
    assert lines(await world.plan(wanted("debug", asks=now))) == ["keep P-db-1", "keep P-api-1"]


@pytest.mark.parametrize(
    ("given", "what"),
    [
        ({"network_mode": "service:app"}, "network"),
        ({"pid": "service:app"}, "process IDs"),
        ({"options": {"ipc": "service:app"}}, "IPC namespace"),
        ({"options": {"volumes_from": ["app:ro"]}}, "volumes"),
    ],
)
async def test_what_is_shared_comes_anew_with_its_owner(given: dict[str, Any], what: str) -> None:
    """A container names the other one by its ID, so that it could not start beside a new one."""
    world = World()
    depends = (Dependency(service="app", restart=True),)  # as the reader adds it

    def wanted(level: str) -> object:
        return stack(service("sidecar", depends_on=depends, **given), service("app", environment={"LEVEL": level}))

    await world.up(wanted("info"))
    (sidecar, app) = lines(await world.plan(wanted("debug")))
    assert sidecar.startswith(f"replace P-sidecar-1 (shares the {what} of app, which is recreated)")
    assert app == "replace P-app-1 (environment changed)"


@pytest.mark.parametrize(
    "given",
    [
        {"network_mode": "service:app"},
        {"pid": "service:app"},
        {"options": {"ipc": "service:app"}},
        {"options": {"volumes_from": ["app"]}},
        {"options": {"links": ["app:application"]}},
    ],
)
async def test_what_names_a_container_is_created_after_it(given: dict[str, Any]) -> None:
    depends = (Dependency(service="app", restart=True),)
    world = World()
    wanted = stack(service("sidecar", depends_on=depends, **given), service("app"))
    plan = await make_plan(world.engine, world.project, wanted, UpOptions(), sink=world.events.append)
    created = {step.action.service: step for step in plan.calls(CreateInstance)}
    assert created["app"].id in created["sidecar"].after


async def test_a_container_of_others_is_no_owner() -> None:
    world = World()

    def wanted(level: str) -> object:
        reader = service("reader", options={"volumes_from": ["container:app:ro"]})
        return stack(reader, service("app", environment={"LEVEL": level}))

    await world.up(wanted("info"))
    assert lines(await world.plan(wanted("debug")))[0] == "keep P-reader-1"


async def test_a_changed_network_comes_anew_with_all_that_is_on_it() -> None:
    world = World()
    await world.up(stack(service("web")))
    pools = (AddressPool(subnet="10.99.0.0/24"),)
    changed = stack(service("web"), networks={"default": Network(key="default", pools=pools)})
    assert lines(await world.plan(changed)) == [
        "replace-network P_default (definition changed)",
        "replace P-web-1 (network default changed)",
    ]
    await world.up(changed)
    assert lines(await world.plan(changed)) == ["keep P-web-1"]


async def test_a_port_is_taken_over_when_its_holder_is_gone() -> None:
    world = World()
    await world.up(stack(service("old", ports=(Port(container=80, host=48123),))))
    plan = await world.plan(stack(service("new", ports=(Port(container=80, host=48123),))))
    assert lines(plan) == ["remove P-old-1 (removed from the stack file)", "create P-new-1 after P-old-1"]


async def test_a_moved_port_replaces() -> None:
    world = World()
    await world.up(stack(service("web", ports=(Port(container=80, host=48123),))))
    plan = await world.plan(stack(service("web", ports=(Port(container=80, host=48124),))))
    assert lines(plan) == ["replace P-web-1 (ports changed)"]


async def test_a_completed_one_shot_is_not_run_again() -> None:
    world = World()
    wanted = stack(
        service("job", command=("true",)),
        service("web", depends_on=[Dependency(service="job", condition="service_completed_successfully")]),
    )
    await world.up(wanted)
    assert lines(await world.plan(wanted)) == ["keep P-job-1 (completed)", "keep P-web-1"]


async def test_a_changed_secret_replaces(tmp_path: Path) -> None:
    world = World()
    secret = tmp_path / "password"
    secret.write_text("one")
    wanted = stack(
        service("web", secrets=(FileMount(source="password", target="/run/secrets/password"),)),
        secrets={"password": FileSource(key="password", file=secret)},
    )
    await world.up(wanted)
    assert lines(await world.plan(wanted)) == ["keep P-web-1"]
    secret.write_text("two")
    assert lines(await world.plan(wanted)) == ["replace P-web-1 (secrets changed)"]
    secret.unlink()
    with pytest.raises(ConfigurationError, match=r"cannot read the file of password: No such file"):
        await world.plan(wanted)


async def test_a_secret_from_the_environment() -> None:
    def wanted(value: str | None) -> object:
        return stack(
            service("web", secrets=(FileMount(source="key", target="/run/secrets/key"),)),
            secrets={"key": FileSource(key="key", environment="KEY", value=value)},
        )

    world = World()
    await world.up(wanted("one"))
    web = next(i for i in world.engine.instances.values() if i.service == "web")
    assert [(file.target, file.content) for file in web.spec.files] == [("/run/secrets/key", b"one")]
    assert lines(await world.plan(wanted("two"))) == ["replace P-web-1 (secrets changed)"]
    with pytest.raises(ConfigurationError, match=r"environment variable KEY \(used by key\) is not set"):
        await world.plan(wanted(None))


async def test_images_are_made_once() -> None:
    world = World()
    build = Build(context=Path("/nowhere/shop"))
    wanted = stack(
        service("a", image="made:1", build=build),
        service("b", image="made:1", build=build),
        service("c", image=None, build=build),
        service("d", image="fetched:1"),
        service("e", image="fetched:1"),
        service("f", pull_policy="always"),
    )
    images = [line for line in lines(await world.plan(wanted)) if line.startswith(("pull", "build"))]
    assert images == [
        "build made:1 for a, b (missing)",
        "build P-c:latest for c (missing)",
        "pull fetched:1 for d, e (missing)",
        "pull shop:1 for f (pull_policy always)",
    ]
    never = stack(service("g", image="absent:1", pull_policy="never"))
    with pytest.raises(ImageMissing, match="pull_policy is never"):
        await world.plan(never)


@pytest.mark.parametrize(("age", "pulled"), [(59.0, False), (61.0, True), (None, True)])
async def test_an_image_is_pulled_again_after_the_time_of_its_policy(age: float | None, pulled: bool) -> None:
    world = World()
    world.engine.images[IMAGE] = FakeImage("sha256:old", age=age)
    wanted = stack(service("web", pull_policy="every_1m", pull_after=60.0))
    found = [line for line in lines(await world.plan(wanted)) if line.startswith("pull")]
    assert found == ([f"pull {IMAGE} for web (older than its pull_policy allows)"] if pulled else [])


async def test_a_mounted_image_is_pulled_and_its_change_replaces_what_mounts_it() -> None:
    world = World()
    mount = Mount(kind="image", source="data:1", target="/data", subpath="app")
    wanted = stack(service("reader", mounts=(mount,)), service("other"))
    world.engine.registry["data:1"] = FakeImage("sha256:data1")
    assert "pull data:1 for reader (missing)" in lines(await world.plan(wanted))
    await world.up(wanted)
    assert lines(await world.plan(wanted)) == ["keep P-reader-1", "keep P-other-1"]
    world.engine.images["data:1"] = FakeImage("sha256:data2")
    assert lines(await world.plan(wanted)) == ["replace P-reader-1 (mounts changed)", "keep P-other-1"]


async def test_an_image_that_the_stack_builds_is_not_pulled_for_a_mount() -> None:
    world = World()
    mount = Mount(kind="image", source="made:1", target="/data")
    built = service("source", image="made:1", build=Build(context=Path("/nowhere/shop")))
    planned = lines(await world.plan(stack(service("reader", mounts=(mount,)), built)))
    assert [line for line in planned if line.startswith(("pull", "build"))] == ["build made:1 for source (missing)"]


async def test_a_build_gets_its_secrets(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("hush")
    world = World()
    build = Build(context=tmp_path, secrets=(FileMount(source="token", target="npm"),))
    secrets = {"token": FileSource(key="token", file=tmp_path / "token")}
    await world.up(stack(service("web", image="made:1", build=build), secrets=secrets))
    assert world.engine.build_secrets == {"npm": b"hush"}


async def test_the_image_of_a_service_is_built_before_the_build_that_has_it_as_a_context() -> None:
    world = World()
    context = Path("/nowhere/shop")
    wanted = stack(
        service("web", image="web:1", build=Build(context=context, additional_contexts={"lib": "service:middle"})),
        service(
            "middle", image=None, build=Build(context=context, additional_contexts={"b": "service:base", "c": "/c"})
        ),
        service("base", image="base:1", build=Build(context=context)),
        service("other"),
    )
    planned = lines(await world.plan(wanted, services=("web",)))
    assert [line for line in planned if not line.startswith("create-network")] == [
        "build base:1 for base (missing)",
        "build P-middle:latest for middle (missing)",
        "build web:1 for web (missing)",
        "create P-web-1",
    ]
    result = await world.up(wanted, services=("web",))
    base, middle, web = result.plan.calls(BuildImage)
    assert (base.after, middle.after, web.after) == ((), (base.id,), (middle.id,))
    contexts = [step.call.spec.build.additional_contexts for step in (middle, web) if isinstance(step.call, BuildImage)]
    middle_tag = f"{world.project.id}-middle:latest"
    assert contexts == [{"b": "docker-image://base:1", "c": "/c"}, {"lib": f"docker-image://{middle_tag}"}]
    assert not [line for line in lines(await world.plan(wanted)) if line.startswith("build")]


async def test_build_is_forced_when_asked_for() -> None:
    world = World()
    built = service("web", build=Build(context=Path("/nowhere/shop")))
    assert not [line for line in lines(await world.plan(stack(built))) if line.startswith("build")]
    assert "build shop:1 for web (requested)" in lines(await world.plan(stack(built), build=True))
    policy = stack(replace(built, pull_policy="build"))
    assert "build shop:1 for web (pull_policy build)" in lines(await world.plan(policy))


@pytest.mark.parametrize("fields", [{"ports": (Port(container=80, host=8080),)}, {"container_name": "the-one"}])
async def test_what_only_one_instance_can_have_is_refused(fields: dict[str, object]) -> None:
    with pytest.raises(ConfigurationError, match="web has 2 replicas, but only one can use"):
        await World().plan(stack(service("web", replicas=2, **fields)))


def test_the_hash_is_the_same_in_every_process() -> None:
    """Python's hash seed and the order of mappings must not reach the hash, or every `up` would replace everything."""
    program = (
        "import sys; sys.path.insert(0, sys.argv[1]);"
        "from orchestration import *; from devenv.orchestrate.fingerprint import service_fingerprint as f;"
        "keys = ['A', 'B', 'C'] if sys.argv[2] == '1' else ['C', 'B', 'A'];"
        "s = service('web', environment={k: k for k in keys}, labels={k: k for k in keys});"
        "print(f(World().project, stack(s), s, image_id='sha256:1', mounted={}, processes=False).digest)"
    )
    found = {
        subprocess.run(
            [sys.executable, "-c", program, str(Path(__file__).parents[2] / "support"), seed],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(found) == 1
    assert len(found.pop().strip()) == 64


async def test_dependents_restart_if_any_replica_of_a_dependency_is_recreated() -> None:
    world = World()
    asking = Dependency(service="db", restart=True)
    wanted = stack(service("db", replicas=2), service("api", depends_on=[asking]))
    await world.up(wanted)
    first = next(i for i in world.engine.instances.values() if i.service == "db" and i.spec.index == 1)
    await world.engine.stop(first.id)
    assert "restart         P-api-1 (db is recreated)" in await world.plan(wanted)


async def test_a_dependency_that_was_only_started_since_is_not_called_recreated() -> None:
    world = World()
    asking = Dependency(service="db", restart=True)
    wanted = stack(service("db"), service("api", depends_on=[asking]))
    await world.up(wanted)
    db = next(i for i in world.engine.instances.values() if i.service == "db")
    await world.clock.sleep(5)
    await world.engine.stop(db.id)
    await world.engine.start(db.id)
    assert "restart         P-api-1 (db is newer than this instance)" in await world.plan(wanted)
