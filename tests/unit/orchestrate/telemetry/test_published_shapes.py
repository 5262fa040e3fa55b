"""Telemetry as its publishers' own Compose files have it: what `up` says about each, and what it leaves unsaid."""

from __future__ import annotations

from pathlib import Path

import pytest

from devenv.orchestrate.instrument import instrument
from devenv.orchestrate.telemetry.collectors import COPY_KEY
from devenv.orchestrate.telemetry.notes import notes
from devenv.stack import load_stack

APP = """\
services:
  app:
    image: shop:1
    ports: ["8080:8080"]
"""
SENDS = APP + '    environment: {{ OTEL_EXPORTER_OTLP_ENDPOINT: "http://{}" }}\n'
SIGNOZ = """\
  signoz-otel-collector:
    image: signoz/signoz-otel-collector:${OTELCOL_TAG:-v0.129.0}
    entrypoint: [/bin/sh]
    command:
      - -c
      - |
        /signoz-otel-collector migrate sync check &&
        /signoz-otel-collector --config=/etc/otel-collector-config.yaml --manager-config=/etc/manager-config.yaml
    volumes:
      - ./otel.yaml:/etc/otel-collector-config.yaml
      - ./opamp.yaml:/etc/manager-config.yaml
    ports: ["4317:4317", "4318:4318"]
  signoz: { image: "signoz/signoz:v0.97.0", command: [--config=/root/config/prometheus.yml], ports: ["8081:8080"] }
"""
ALLOY = """\
  alloy:
    image: grafana/alloy:v1.9.0
    command: [run, --server.http.listen-addr=0.0.0.0:12345, --storage.path=/var/lib/alloy/data, /etc/alloy/config.alloy]
    volumes: ["./config.alloy:/etc/alloy/config.alloy:ro"]
    ports: ["12345:12345"]
"""
TEMPO = """\
  tempo:
    image: grafana/tempo:2.8.0
    command: [-config.file=/etc/tempo.yaml]
    volumes: ["./tempo.yaml:/etc/tempo.yaml"]
    ports: ["3200:3200", "4317:4317", "4318:4318"]
"""
ZIPKIN = """\
    environment: { OTEL_EXPORTER_ZIPKIN_ENDPOINT: "http://zipkin:9411/api/v2/spans" }
  zipkin: { image: openzipkin/zipkin, ports: ["9411:9411"] }
"""
ASPIRE = """\
  aspire-dashboard:
    image: mcr.microsoft.com/dotnet/aspire-dashboard:9.3
    ports: ["18888:18888", "4317:18889"]
"""
LGTM = """\
  lgtm: { image: "grafana/otel-lgtm:0.11.4", ports: ["3000:3000", "4317:4317", "4318:4318"] }
"""
CANNOT_READ = "devenv does not see what app sends to {}, a trace backend that it cannot read"
PASTE = "devenv does not see the spans of {}: {}. To pass them on, add to its configuration:"
LINES = [
    "exporters:",
    '  otlphttp/devenv: { endpoint: "http://jaeger:4318" }',
    "service:",
    "  pipelines:",
    "    traces:",
    "      exporters: [..., otlphttp/devenv]",
]
NOT_A_COLLECTOR = "its configuration is not that of an OpenTelemetry Collector"
ALLOY_LINES = [
    'otelcol.exporter.otlphttp "devenv" {',
    '  client { endpoint = "http://jaeger:4318" }',
    "}",
    "// and otelcol.exporter.otlphttp.devenv.input in the list of traces of the output of each receiver",
]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            SENDS.format("signoz-otel-collector:4318") + SIGNOZ,
            [PASTE.format("signoz-otel-collector", "its configuration comes from a server (--manager-config)"), *LINES],
        ),
        (SENDS.format("alloy:4318") + ALLOY, [PASTE.format("alloy", NOT_A_COLLECTOR), *ALLOY_LINES]),
        (
            APP + ALLOY.replace('"12345:12345"', '"12345:12345", "4318:4318"'),
            [PASTE.format("alloy", NOT_A_COLLECTOR), *ALLOY_LINES],
        ),
        (APP + ALLOY, []),
        (SENDS.format("tempo:4318") + TEMPO, [CANNOT_READ.format("tempo")]),
        (APP + TEMPO, []),
        (APP + ZIPKIN, [CANNOT_READ.format("zipkin")]),
        (SENDS.format("aspire-dashboard:18889") + ASPIRE, [CANNOT_READ.format("aspire-dashboard")]),
        (
            SENDS.format("lgtm:4318") + LGTM,
            [PASTE.format("lgtm", "its configuration /otel-lgtm/otelcol-config.yaml is in its image"), *LINES],
        ),
    ],
)
def test_what_is_said(text: str, said: list[str], tmp_path: Path) -> None:
    for name in ("otel.yaml", "opamp.yaml", "tempo.yaml"):
        (tmp_path / name).write_text("")
    (tmp_path / "compose.yaml").write_text(text)
    given = load_stack([tmp_path / "compose.yaml"], environ={})
    made = instrument(given, backend="jaeger")
    assert list(notes(made, tuple(made.services), given=given, containers=True)) == said
    assert not [key for key in made.configs if key.startswith(COPY_KEY)]
