"""Tracing added to a stack: the backend and the variables, exactly as the design says."""

from __future__ import annotations

import json
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
from orchestration import JAEGER, World, service, stack

from devenv.contract.capabilities import BackendKind
from devenv.errors import ConfigurationError
from devenv.model.extension import Jaeger, Sampling, StackExtension
from devenv.model.stack import Attachment, Network, Port, Service, Stack
from devenv.orchestrate.instrument import ADDED_BACKEND, instance_environment, instrument
from devenv.orchestrate.jaeger import CONFIG_PATH, IMAGE, STRATEGIES_KEY, STRATEGIES_PATH, configuration, release

PROJECT = World().project
_ARGUMENT = "OTEL_TRACES_SAMPLER_ARG"
DEFAULTS = {
    "OTEL_EXPORTER_OTLP_ENDPOINT": "http://jaeger:4318",
    "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
    "OTEL_SERVICE_NAME": "web",
    "OTEL_BSP_SCHEDULE_DELAY": "200",
    "OTEL_METRICS_EXPORTER": "none",
    "OTEL_LOGS_EXPORTER": "none",
}


def traced(*services: Service, **more: object) -> Stack:
    return instrument(stack(*services, backend=False, **more), backend="jaeger")


def environment(own: dict[str, str], **more: object) -> dict[str, str]:
    return dict(traced(service("web", environment=own), **more).services["web"].environment)


def test_a_service_that_sets_nothing_gets_everything() -> None:
    assert environment({}) == DEFAULTS


def test_what_a_service_sets_stays() -> None:
    own = {"OTEL_SERVICE_NAME": "shop", "OTEL_BSP_SCHEDULE_DELAY": "1000", "OTEL_LOGS_EXPORTER": "otlp", "PORT": "1"}
    assert environment(own) == {**DEFAULTS, **own}


@pytest.mark.parametrize(
    ("own", "endpoint", "protocol"),
    [
        ({"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, "http://jaeger:4317", "grpc"),
        ({"OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "grpc"}, "http://jaeger:4317", None),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://jaeger:4317"}, "http://jaeger:4317", "grpc"),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318"}, "http://collector:4318", "http/protobuf"),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "collector:4317"}, "collector:4317", "grpc"),
    ],
)
def test_a_choice_of_grpc_is_kept(own: dict[str, str], endpoint: str, protocol: str | None) -> None:
    found = environment(own)
    assert found["OTEL_EXPORTER_OTLP_ENDPOINT"] == endpoint
    assert found.get("OTEL_EXPORTER_OTLP_PROTOCOL") == protocol


@pytest.mark.parametrize(
    ("own", "protocol"),
    [
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://jaeger:4317"}, "grpc"),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://jaeger:4318/v1/traces"}, None),
        (
            {
                "OTEL_EXPORTER_OTLP_ENDPOINT": "http://jaeger:4317",
                "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://jaeger:4318/v1/traces",
            },
            "http/protobuf",
        ),
    ],
)
def test_the_protocol_of_traces_fits_their_own_endpoint(own: dict[str, str], protocol: str | None) -> None:
    assert environment(own).get("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL") == protocol


def test_a_service_name_among_the_attributes_is_not_overruled() -> None:
    assert "OTEL_SERVICE_NAME" not in environment({"OTEL_RESOURCE_ATTRIBUTES": "service.name=shop"})


def test_sampling_only_where_set() -> None:
    assert "OTEL_TRACES_SAMPLER" not in environment({})
    found = environment({}, x={"sampling": 0.25})
    assert found["OTEL_TRACES_SAMPLER"] == "parentbased_traceidratio"
    assert found["OTEL_TRACES_SAMPLER_ARG"] == "0.25"
    own = environment({"OTEL_TRACES_SAMPLER": "always_on"}, x={"sampling": 0.25})
    assert own["OTEL_TRACES_SAMPLER"] == "always_on"
    assert "OTEL_TRACES_SAMPLER_ARG" not in own


SAMPLING = {
    "default": 0.1,
    "services": {"web": 0.5, "api": {"operations": {"GET /health": 0, "GET /": 1}}, "db": {"default": 0.2}},
}


@pytest.mark.parametrize("backend", ["jaeger", "embedded"])
def test_ratios_of_services_and_operations(backend: BackendKind) -> None:
    """Only a service with ratios of operations has to poll: every SDK knows a ratio."""
    names = ("web", "api", "db", "other", "apart")
    services = [service(name, network_mode="none" if name == "apart" else None) for name in names]
    made = instrument(stack(*services, backend=False, x={"sampling": SAMPLING}), backend=backend)
    found = {
        name: (made.services[name].environment["OTEL_TRACES_SAMPLER"], made.services[name].environment[_ARGUMENT])
        for name in names
    }
    assert found == {
        "web": ("parentbased_traceidratio", "0.5"),
        "api": (
            "parentbased_jaeger_remote",
            "endpoint=http://jaeger:5778,pollingIntervalMs=5000,initialSamplingRate=0.1",
        ),
        "db": ("parentbased_traceidratio", "0.2"),
        "other": ("parentbased_traceidratio", "0.1"),
        "apart": ("parentbased_traceidratio", "0.1"),
    }
    assert 5778 in {port.container for port in made.services["jaeger"].ports}


def test_jaeger_gets_the_strategies_as_a_file() -> None:
    made = traced(service("web"), x={"sampling": SAMPLING})
    assert [mount.target for mount in made.services["jaeger"].configs] == [CONFIG_PATH, STRATEGIES_PATH]
    sampling = json.loads(made.configs["devenv-jaeger"].content or "")["extensions"]["remote_sampling"]
    assert sampling["file"] == {"path": STRATEGIES_PATH, "default_sampling_probability": 0.1}
    given = json.loads(made.configs[STRATEGIES_KEY].content or "")
    assert [each["service"] for each in given["service_strategies"]] == ["web", "api", "db"]
    one = traced(service("web"), x={"sampling": 0.25})
    assert STRATEGIES_KEY not in one.configs
    assert 5778 not in {port.container for port in one.services["jaeger"].ports}


def test_a_service_can_stay_out() -> None:
    made = traced(service("web", x={"instrument": False}))
    assert dict(made.services["web"].environment) == {}
    assert dict(instance_environment(PROJECT, made.services["web"], 1, traced=False)) == {}


@pytest.mark.parametrize(
    ("own", "wanted"),
    [
        ("", "service.instance.id={id}"),
        ("team=a", "team=a,service.instance.id={id}"),
        ("service.instance.id=mine", "service.instance.id=mine"),
    ],
)
def test_each_instance_has_its_id(own: str, wanted: str) -> None:
    given = service("web", environment={"OTEL_RESOURCE_ATTRIBUTES": own} if own else {})
    found = instance_environment(PROJECT, given, 2, traced=True)
    assert found["OTEL_RESOURCE_ATTRIBUTES"] == wanted.format(id=f"{PROJECT.id}-web-2")


def test_the_added_backend() -> None:
    networks = {"front": Network(key="front"), "back": Network(key="back", internal=True)}
    on = (Attachment(network="front"), Attachment(network="back"))
    made = traced(service("web", networks=on), networks=networks, x={"jaeger": {"version": "2.9.0"}})
    added = made.services[ADDED_BACKEND]
    assert added.image == "jaegertracing/jaeger:2.9.0"
    assert [attachment.network for attachment in added.networks] == ["front", "back"]
    assert [(p.address, p.host, p.container) for p in added.ports] == [
        ("127.0.0.1", port, port) for port in (16686, 4317, 4318)
    ]
    assert added.x.role == "trace-backend"
    assert added.x.ready is not None
    assert added.x.ready.http is not None
    assert (added.x.ready.http.path, added.x.ready.http.port) == ("/status", 13133)
    assert made.trace_backend == added
    assert set(made.networks) == {"front", "back"}


def test_a_backend_that_only_sees_internal_networks_gets_one_that_publishes() -> None:
    made = traced(service("web"), networks={"default": Network(key="default", internal=True)})
    assert set(made.networks) == {"default", "devenv"}
    assert [a.network for a in made.services["jaeger"].networks] == ["default", "devenv"]
    assert [a.network for a in made.services["web"].networks] == ["default"]


def test_a_declared_backend_is_attached_everywhere_and_configured() -> None:
    networks = {"default": Network(key="default"), "back": Network(key="back")}
    declared = service("tracing", image=JAEGER, ports=(Port(container=16686, host=16686),))
    made = traced(declared, service("web"), networks=networks)
    backend = made.services["tracing"]
    assert ADDED_BACKEND not in made.services
    assert [a.network for a in backend.networks] == ["default", "back"]
    assert backend.command == ("--config", CONFIG_PATH)
    assert backend.ports == declared.ports
    assert made.services["web"].environment["OTEL_EXPORTER_OTLP_ENDPOINT"] == "http://tracing:4318"
    assert dict(backend.environment) == {}


@pytest.mark.parametrize(
    "own",
    [
        {"command": ("--config=/my.yaml",)},
        {"command": ("--config", "/my.yaml")},
        {"entrypoint": ("/bin/sh",)},
        {"image": "jaegertracing/all-in-one:1.60"},
        {"image": "my/collector", "x": {"role": "trace-backend"}},
    ],
)
def test_a_backend_with_a_configuration_of_its_own_keeps_it(own: dict[str, object]) -> None:
    declared = service("tracing", **{"image": JAEGER, **own})
    made = traced(declared, service("web"))
    assert made.services["tracing"] == declared
    assert not made.configs
    takes_metrics = own.get("image") == "my/collector"
    assert ("OTEL_METRICS_EXPORTER" in made.services["web"].environment) is not takes_metrics


def test_a_name_that_is_taken_is_an_error() -> None:
    with pytest.raises(ConfigurationError, match="jaeger is not marked as the trace backend"):
        traced(service("jaeger"))


@pytest.mark.parametrize(
    ("mode", "endpoint"),
    [("host", "http://127.0.0.1:4318"), ("service:app", "http://jaeger:4318"), ("none", None), ("bridge", None)],
)
def test_where_a_network_mode_leads(mode: str, endpoint: str | None) -> None:
    made = traced(service("web", network_mode=mode), service("app"))
    assert made.services["web"].environment.get("OTEL_EXPORTER_OTLP_ENDPOINT") == endpoint
    assert [w.message.split(",")[0] for w in made.warnings] == ([] if endpoint else [f"web has network_mode {mode}"])


def test_the_embedded_backend_takes_grpc_too() -> None:
    grpc = service("web", environment={"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"})
    made = instrument(stack(grpc, service("api"), backend=False), backend="embedded")
    assert made.warnings == ()
    assert made.services["web"].environment["OTEL_EXPORTER_OTLP_ENDPOINT"] == "http://jaeger:4317"
    assert 4317 in {port.container for port in made.services["jaeger"].ports}
    assert made.services["jaeger"].command is None


def test_the_embedded_backend_stores_metrics_and_logs() -> None:
    own = service("own", environment={"OTEL_METRIC_EXPORT_INTERVAL": "500", "OTEL_METRICS_EXPORTER": "none"})
    made = instrument(stack(service("web"), own, backend=False), backend="embedded").services
    assert not {"OTEL_METRICS_EXPORTER", "OTEL_LOGS_EXPORTER"} & set(made["web"].environment)
    assert made["web"].environment["OTEL_METRIC_EXPORT_INTERVAL"] == "10000"
    assert made["own"].environment["OTEL_METRIC_EXPORT_INTERVAL"] == "500"
    assert made["own"].environment["OTEL_METRICS_EXPORTER"] == "none"


def test_instrumenting_is_pure_and_happens_once() -> None:
    plain = stack(service("web"), backend=False)
    before = replace(plain)
    once = instrument(plain, backend="jaeger")
    assert plain == before
    assert instrument(once, backend="jaeger") == once


def test_badger_lives_on_a_named_volume() -> None:
    made = traced(service("web"), x={"jaeger": {"storage": "badger"}})
    backend = made.services["jaeger"]
    assert [(m.kind, m.source) for m in backend.mounts] == [("volume", "jaeger-data")]
    content = json.loads(made.configs["devenv-jaeger"].content or "")
    store = content["extensions"]["jaeger_storage"]["backends"]["traces"]["badger"]
    assert store["ephemeral"] is False
    assert store["directories"]["keys"].startswith(backend.mounts[0].target + "/")


def test_badger_with_a_backend_that_has_its_own_configuration_is_told() -> None:
    x = {"jaeger": {"storage": "badger"}}
    own = service("traces", image=JAEGER, command=("--config", "/mine.yaml"), x={"role": "trace-backend"})
    for kind, warned in (("jaeger", True), ("embedded", False)):
        made = instrument(stack(service("web"), own, backend=False, x=x), backend=cast("BackendKind", kind))
        told = [warning.message for warning in made.warnings]
        assert told == (
            [f"{own.name} has its own configuration, which decides where the traces are: storage and --persist do not"]
            if warned
            else []
        )
    assert instrument(stack(service("web"), backend=False, x=x), backend="jaeger").warnings == ()


@pytest.mark.jaeger
@pytest.mark.parametrize(
    "x",
    [
        StackExtension(jaeger=Jaeger(max_traces=123, cors_origins=("https://*.shop.test", "*")), sampling=0.5),
        StackExtension(jaeger=Jaeger(storage="badger"), sampling=Sampling(default=0.1, services={"web": 1})),
    ],
)
def test_jaeger_accepts_the_configuration(x: StackExtension, tmp_path: Path, jaeger: Any) -> None:
    program = f"/proc/{jaeger.pid}/exe"  # that the fixture runs
    told = subprocess.run([program, "version"], capture_output=True, text=True, timeout=60, check=True)
    file = tmp_path / "jaeger.json"
    for version in (None, release(f"{IMAGE}:{json.loads(told.stdout)['gitVersion']}")):
        file.write_text(json.dumps(configuration(x, version)))
        command = [program, "validate", "--config", str(file)]
        checked = subprocess.run(command, capture_output=True, text=True, timeout=60)
        assert checked.returncode == 0, checked.stderr


@pytest.mark.parametrize(
    ("image", "version", "ai"),
    [
        ("jaegertracing/jaeger:2.13.0", (2, 13), None),
        ("jaegertracing/jaeger:v2.19.0@sha256:12", (2, 19), None),
        ("registry.test:5000/jaegertracing/jaeger:2.20.0", (2, 20), {"enable_mcp": True}),
        ("jaegertracing/jaeger:2.21", (2, 21), {"mcp": {}}),
        ("jaegertracing/jaeger:latest", None, None),
        ("registry.test:5000/jaegertracing/jaeger", None, None),
        ("jaegertracing/jaeger@sha256:12", None, None),
    ],
)
def test_a_version_gets_the_configuration_that_it_reads(image: str, version: tuple[int, int] | None, ai: Any) -> None:
    assert release(image) == version
    made = traced(service("web"), service("jaeger", image=image, x={"role": "trace-backend"}))
    query = json.loads(made.configs["devenv-jaeger"].content or "")["extensions"]["jaeger_query"]
    assert query.get("ai") == ai


@pytest.mark.parametrize(
    ("origin", "good"),
    [
        ("https://shop.test", True),
        ("http://shop-2.my_box.test:8080", True),
        ("https://*.shop.test:8443", True),
        ("http://shop.test:*", True),
        ("http://[fe80::1]:*", True),
        ("*", True),
        ("shop.test", False),
        ("https://shop.test/", False),
        ("https://Shop.test", False),
        ("https://*.shop.test:*", False),  # the Collector takes one star
        ("https://a.*.test", False),
        ("https://*", False),
        ("null", False),
        ("", False),
    ],
)
def test_which_origins_a_stack_may_list(origin: str, good: bool) -> None:
    if good:
        protocols = configuration(StackExtension(jaeger=Jaeger(cors_origins=(origin,))))["receivers"]["otlp"][
            "protocols"
        ]
        assert protocols["http"]["cors"]["allowed_origins"][-1] == origin
    else:
        with pytest.raises(ValueError, match="without a path"):
            Jaeger(cors_origins=(origin,))
