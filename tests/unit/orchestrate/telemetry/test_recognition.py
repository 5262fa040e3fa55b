"""Collectors and backends of a stack's own, by image and by port."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from orchestration import JAEGER, service, stack

from devenv.model.stack import Attachment, Build, Port
from devenv.orchestrate.instrumentation.infrastructure import kind_of_image, repository_name
from devenv.orchestrate.telemetry.recognition import IMAGES, host_names, is_telemetry, own_telemetry, telemetry_of

LISTENS = (Port(container=4318, host=None),)


CASES = [
    ("otel/opentelemetry-collector", "collector", "/etc/otelcol/config.yaml"),
    ("otel/opentelemetry-collector:0.130.0", "collector", "/etc/otelcol/config.yaml"),
    ("otel/opentelemetry-collector-contrib:0.130.0@sha256:ab", "collector", "/etc/otelcol-contrib/config.yaml"),
    (
        "ghcr.io/open-telemetry/opentelemetry-collector-releases/opentelemetry-collector-contrib:0.1",
        "collector",
        "/etc/otelcol-contrib/config.yaml",
    ),
    ("mirror:5000/otel/opentelemetry-collector-k8s", "collector", "/etc/otelcol-k8s/config.yaml"),
    ("grafana/alloy:latest", "alloy", ""),
    ("docker.io/grafana/otel-lgtm", "otel-lgtm", "/otel-lgtm/otelcol-config.yaml"),
    ("signoz/signoz-otel-collector:v0.111", "collector", ""),
    ("signoz/signoz:v0.70", "signoz", ""),
    ("jaegertracing/jaeger-collector:1.60", "jaeger", ""),
    ("openzipkin/zipkin", "zipkin", ""),
    ("ghcr.io/openzipkin/zipkin-slim:3", "zipkin", ""),
    ("grafana/tempo:2.6", "tempo", ""),
    ("mcr.microsoft.com/dotnet/aspire-dashboard:9.0", "aspire-dashboard", ""),
    (
        "ghcr.io/open-telemetry/opentelemetry-collector-releases/opentelemetry-collector-otlp:0.130.0",
        "collector",
        "/etc/otelcol-otlp/config.yaml",
    ),
    ("acme/otel-collector:1", "collector", ""),
    ("acme/otelcol:1", "collector", ""),
    ("acme/otelcol-contrib:1", "collector", ""),
    ("aws-observability/aws-otel-collector:v0.43.1", "collector", ""),
    ("signalfx/splunk-otel-collector:0.120.0", "collector", ""),
    ("jaegertracing/jaeger-query:1.60", "jaeger", ""),
    ("jaegertracing/jaeger-agent:1.60", "jaeger", ""),
]


@pytest.mark.parametrize(("image", "kind", "config"), CASES)
def test_by_its_image(image: str, kind: str, config: str) -> None:
    found = telemetry_of(service("telemetry", image=image))
    assert found is not None
    assert (found.kind, found.config, found.sign, found.known) == (kind, config, f"image {image}", True)


def test_each_known_image_has_a_case() -> None:
    assert {repository_name(image) for image, _, _ in CASES} == IMAGES.keys()


@pytest.mark.parametrize(
    "own",
    [
        {"ports": (Port(container=4317, host=14317),)},
        {"ports": (Port(container=80, host=80), Port(container=4318, host=4318))},
        {"expose": (4318,)},
    ],
)
def test_by_a_port_of_otlp(own: dict[str, Any]) -> None:
    found = telemetry_of(service("telemetry", image="acme/gateway:1", **own))
    assert found is not None
    assert (found.kind, found.known) == ("receiver", False)
    assert found.sign in {"port 4317", "port 4318"}


@pytest.mark.parametrize(
    "own",
    [
        {"image": "acme/collector:1"},
        {"image": "postgres:16"},
        {"image": None},
        {"image": "acme/web", "ports": (Port(container=8080, host=4318),)},
        {"image": "acme/web", "ports": (Port(container=4318, host=4318, protocol="udp"),)},
        {"image": "otel/opentelemetry-collector", "x": {"role": "trace-backend"}},
    ],
)
def test_what_is_none(own: dict[str, Any]) -> None:
    assert telemetry_of(service("web", **own)) is None


def test_the_jaeger_of_a_stack_is_its_backend_and_so_is_what_has_the_role() -> None:
    found = own_telemetry(stack(service("tracing", image=JAEGER, ports=LISTENS), service("web"), backend=False))
    assert found == ()
    declared = service("mine", x={"role": "trace-backend"}, ports=LISTENS)
    zipkin = service("zipkin", image="openzipkin/zipkin")
    assert [item.service for item in own_telemetry(stack(declared, zipkin, backend=False))] == ["zipkin"]


def test_by_the_base_image_of_its_build() -> None:
    inline = "FROM otel/opentelemetry-collector-contrib:0.130.0\nCOPY config.yaml /etc/otelcol-contrib/\n"
    built = service("otel", image=None, build=Build(context=Path("/nowhere"), dockerfile_inline=inline))
    found = telemetry_of(built)
    assert found is not None
    assert (found.kind, found.sign) == ("collector", "image otel/opentelemetry-collector-contrib:0.130.0")


def test_every_image_of_telemetry_is_infrastructure_that_sends_no_spans() -> None:
    assert {kind_of_image(image) for image in IMAGES} == {"collector"}


def test_only_what_is_known_by_its_image_gets_no_tracing() -> None:
    assert is_telemetry(service("tempo", image="grafana/tempo"))
    assert not is_telemetry(service("web", ports=LISTENS))


def test_the_names_of_a_service() -> None:
    on = (Attachment(network="default", aliases=("Otel",)),)
    named = service("collector", networks=on, hostname="col", container_name="shop-collector")
    assert host_names(named) == {"collector", "otel", "col", "shop-collector"}
