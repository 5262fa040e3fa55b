"""What a collector's configuration needs so that each span comes once."""

from __future__ import annotations

from typing import Any

import pytest

from devenv.orchestrate.telemetry.pipelines import NO_PIPELINE, REACHED, Addition, needed_addition

REACHED_HOSTS = {"jaeger", "gateway"}
EXPORTERS = {
    "debug": None,
    "otlp/vendor": {"endpoint": "vendor.example:4317", "headers": {"x": "jaeger"}},
    "otlp/jaeger": {"endpoint": "jaeger:4317"},
    "otlphttp/jaeger": {"traces_endpoint": "http://Jaeger:4318/v1/traces"},
    "otlp/variable": {"endpoint": "${env:BACKEND:-nowhere}:4317"},
    "otlp/default": {"endpoint": "${OTHER:-gateway}:4317"},
    "loadbalancing": {"resolver": {"static": {"hostnames": ["gateway:4317"]}}},
}


def needed(connectors: dict[str, Any] | None = None, **pipelines: Any) -> Addition | str:
    named = {name.replace("_", "/"): value for name, value in pipelines.items()}
    config = {"exporters": EXPORTERS, "connectors": connectors, "service": {"pipelines": named}}
    return needed_addition(config, reached=REACHED_HOSTS, environment={"BACKEND": "jaeger"})


def pipeline(receivers: str, exporters: str = "debug", processors: str = "batch") -> dict[str, list[str]]:
    return {"receivers": receivers.split(), "processors": processors.split(), "exporters": exporters.split()}


@pytest.mark.parametrize(
    ("pipelines", "expected"),
    [
        ({"traces": pipeline("otlp")}, Addition(pipelines=("traces",))),
        ({"traces": pipeline("otlp"), "metrics": pipeline("otlp")}, Addition(pipelines=("traces",))),
        (
            {"traces": pipeline("otlp"), "traces_2": pipeline("zipkin otlp/2")},
            Addition(pipelines=("traces", "traces/2")),
        ),
        ({"traces": pipeline("otlp"), "traces_2": pipeline("otlp zipkin")}, Addition(receivers=("otlp", "zipkin"))),
        ({"traces": pipeline("otlp", processors="batch tail_sampling")}, Addition(receivers=("otlp",))),
        ({"traces": pipeline("otlp", processors="probabilistic_sampler/ten")}, Addition(receivers=("otlp",))),
        ({"traces": pipeline("otlp", "debug otlp/jaeger")}, REACHED),
        ({"traces": pipeline("otlp", "otlphttp/jaeger")}, REACHED),
        ({"traces": pipeline("otlp", "otlp/variable")}, REACHED),
        ({"traces": pipeline("otlp", "otlp/default")}, REACHED),
        ({"traces": pipeline("otlp", "loadbalancing")}, REACHED),
        ({"traces": pipeline("otlp", "otlp/vendor")}, Addition(pipelines=("traces",))),
        ({"traces": pipeline("otlp", "otlp/jaeger"), "traces_2": pipeline("otlp")}, REACHED),
        ({"traces": pipeline("otlp", "otlp/jaeger"), "traces_2": pipeline("otlp b")}, Addition(receivers=("b",))),
        (
            {"traces": pipeline("otlp", "otlp/jaeger"), "traces_2": pipeline("b")},
            Addition(pipelines=("traces/2",)),
        ),
        ({"metrics": pipeline("otlp"), "tracesque": pipeline("otlp")}, NO_PIPELINE),
        ({"traces": None}, REACHED),
    ],
)
def test_what_is_added(pipelines: dict[str, Any], expected: Addition | str) -> None:
    assert needed(**pipelines) == expected


@pytest.mark.parametrize(
    ("last", "expected"),
    [("debug", Addition(receivers=("otlp",))), ("otlp/jaeger", REACHED)],
)
def test_spans_that_a_connector_passes_on_come_once(last: str, expected: Addition | str) -> None:
    first, second = pipeline("otlp", "debug forward"), pipeline("forward", last)
    assert needed({"forward": None}, traces=first, traces_2=second) == expected


def test_a_connector_to_metrics_does_not_pass_spans_on() -> None:
    found = needed({"spanmetrics": None}, traces=pipeline("otlp", "debug spanmetrics"), metrics=pipeline("spanmetrics"))
    assert found == Addition(pipelines=("traces",))


@pytest.mark.parametrize("config", [{}, {"service": None}, {"service": {"pipelines": ["traces"]}}, {"service": "x"}])
def test_what_is_no_configuration_has_no_pipeline(config: dict[str, Any]) -> None:
    assert needed_addition(config, reached=REACHED_HOSTS, environment={}) == NO_PIPELINE
