"""``web → otel-collector → jaeger``: what is known of the spans on this way."""

from __future__ import annotations

import pytest
from orchestration import JAEGER, service, stack

from devenv.app.environment.collector_routes import recorded_routes, route_documents
from devenv.model.stack import FileMount, FileSource
from devenv.orchestrate.instrument import instrument
from devenv.orchestrate.telemetry.routes import CollectorRoute, routes

CONFIG = """\
receivers: { otlp: }
exporters: { debug: {} }
service: { pipelines: { traces: { receivers: [otlp], exporters: [debug] } } }
"""
SENDS = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://otel:4318"}
ROUTES = recorded_routes([CollectorRoute(services=("web", "api"), collector="otel", backend="jaeger")])
TRACED = {"web": "web", "api": "shop-api"}


def test_the_services_that_name_a_collector_whose_spans_get_to_the_backend() -> None:
    collector = service(
        "otel",
        image="otel/opentelemetry-collector",
        configs=(FileMount(source="c", target="/etc/otelcol/config.yaml"),),
        environment=SENDS,
    )
    given = stack(
        *(service("web", environment=SENDS), service("api"), service("worker", environment=SENDS), collector),
        *(service("zipkin", image="openzipkin/zipkin"),),
        configs={"c": FileSource(key="c", content=CONFIG)},
    )
    traced = instrument(given, backend="jaeger")
    assert routes(traced, containers=True) == (
        CollectorRoute(services=("web", "worker"), collector="otel", backend="jaeger"),
    )
    leave = stack(*given.services.values(), backend=False, x={"collector": "leave"}, configs=given.configs)
    left = instrument(leave, backend="jaeger")
    assert routes(left, containers=True) == ()
    assert routes(stack(service("web"), service("tracing", image=JAEGER), backend=False), containers=True) == ()


@pytest.mark.parametrize(
    ("silent", "arrive"),
    [(None, None), ([], True), (["web"], True), (["shop-api"], True), (["web", "shop-api"], False)],
)
def test_whether_they_arrive(silent: list[str] | None, arrive: bool | None) -> None:
    (found,) = route_documents(ROUTES, TRACED, silent)
    assert (found.services, found.collector, found.backend) == (["web", "api"], "otel", "jaeger")
    assert found.spans_arrive is arrive


def test_without_a_record_there_is_nothing() -> None:
    assert route_documents(None, None, []) == []
    (unknown,) = route_documents(ROUTES, None, [])
    assert unknown.spans_arrive is None
