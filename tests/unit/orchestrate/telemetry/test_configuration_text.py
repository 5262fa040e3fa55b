"""A collector's configuration with one exporter more, and the rest as it was."""

from __future__ import annotations

import difflib
import json

import pytest

from devenv.errors import StackFileError
from devenv.orchestrate.telemetry.configuration_text import (
    lines_to_paste,
    merged,
    overlay,
    read_configuration,
    with_exporter,
)
from devenv.orchestrate.telemetry.pipelines import Addition

ENDPOINT = "http://jaeger:4318"
BLOCK = """\
# what we send where
receivers:
  otlp:
    protocols: { grpc: { endpoint: "0.0.0.0:4317" }, http: }   # both
exporters:
  otlp/vendor:
    endpoint: ${env:VENDOR}:4317
    headers: { key: "${env:KEY:-none}" }

service:
  pipelines:
    traces:
      receivers: [otlp]
      exporters: [otlp/vendor]
    metrics:
      receivers: [otlp]
      exporters:
        - otlp/vendor
"""
FLOW = """\
{"exporters": {"debug": {}},
 "service": {"pipelines": {"traces": {"receivers": ["otlp"], "exporters": ["debug"]}}}}
"""
ALIAS = """\
exporters:
  debug: &none
  nop: *none
lists:
  all: &all [debug]
service:
  pipelines:
    traces: { receivers: [otlp], exporters: *all }
"""
APPEND = Addition(pipelines=("traces",))
OWN = Addition(receivers=("otlp", "zipkin/2"))


def changed(text: str, addition: Addition) -> list[str]:
    made = with_exporter(text, "otel.yaml", addition, ENDPOINT)
    lines = difflib.ndiff(text.splitlines(), made.splitlines())
    return [line for line in lines if line.startswith(("+", "-"))]


def test_only_the_exporter_and_the_list_change() -> None:
    assert changed(BLOCK, APPEND) == [
        '+   otlphttp/devenv: { endpoint: "http://jaeger:4318" }',
        "-       exporters: [otlp/vendor]",
        "+       exporters: [otlp/vendor, otlphttp/devenv]",
    ]


def test_a_pipeline_of_devenv_s_own() -> None:
    assert changed(BLOCK, OWN) == [
        '+   otlphttp/devenv: { endpoint: "http://jaeger:4318" }',
        "+     traces/devenv: { receivers: [otlp, zipkin/2], exporters: [otlphttp/devenv] }",
    ]


@pytest.mark.parametrize("text", [BLOCK, FLOW, ALIAS, BLOCK.replace("\n", "\r\n"), BLOCK.partition("service:")[2]])
@pytest.mark.parametrize("addition", [APPEND, OWN])
def test_it_says_what_is_meant_however_it_is_written(text: str, addition: Addition) -> None:
    if not text.lstrip().startswith(("{", "#", "exporters")):  # no exporters at all, only connectors
        text = "service:" + text
    config = read_configuration(text, "otel.yaml")
    found = read_configuration(with_exporter(text, "otel.yaml", addition, ENDPOINT), "otel.yaml")
    assert found == merged([config, overlay(config, addition, ENDPOINT)])
    assert found["exporters"]["otlphttp/devenv"] == {"endpoint": ENDPOINT}


def test_several_files_are_merged_as_a_collector_does() -> None:
    first = {"exporters": {"debug": None}, "service": {"pipelines": {"traces": {"exporters": ["debug"]}}}}
    second = {"exporters": {"nop": {}}, "service": {"pipelines": {"traces": {"exporters": ["nop"]}}}}
    both = merged([first, second])
    assert both["exporters"] == {"debug": None, "nop": {}}
    added = overlay(both, APPEND, ENDPOINT)
    assert added["service"]["pipelines"] == {"traces": {"exporters": ["nop", "otlphttp/devenv"]}}
    assert json.loads(json.dumps(added)) == added


@pytest.mark.parametrize("text", ["a: [", "- a", "just text"])
def test_what_is_no_configuration_is_refused(text: str) -> None:
    with pytest.raises(StackFileError):
        read_configuration(text, "otel.yaml")


@pytest.mark.parametrize("addition", [None, APPEND, OWN])
def test_the_lines_to_paste_are_yaml(addition: Addition | None) -> None:
    found = read_configuration("\n".join(lines_to_paste(addition, ENDPOINT)), "paste")
    assert found["exporters"] == {"otlphttp/devenv": {"endpoint": ENDPOINT}}
    assert next(iter(found["service"]["pipelines"].values()))["exporters"][-1] == "otlphttp/devenv"
