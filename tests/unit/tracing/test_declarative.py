"""`OTEL_CONFIG_FILE`: OpenTelemetry's declarative configuration 1.0, as far as it concerns traces."""

from __future__ import annotations

from dataclasses import replace

import pytest

from devenv.tracing.configuration.declarative import substitute
from devenv.tracing.configuration.resolution import resolve
from devenv.tracing.runtime import Tracing

WHOLE = """\
file_format: "1.0"
log_level: debug
attribute_limits: {attribute_value_length_limit: 4096, attribute_count_limit: 64}
resource:
  attributes:
    - {name: service.name, value: shop}
    - {name: team, value: "${TEAM:-a team}"}
    - {name: shards, value: 3, type: int}
    - {name: canary, value: true, type: bool}
  attributes_list: "team=nobody,region=eu%20west"
  detection/development: {detectors: [{host: }, {process: }]}
propagator:
  composite: [{tracecontext: }, {b3: }]
  composite_list: "b3,baggage"
tracer_provider:
  processors:
    - batch:
        schedule_delay: 100
        export_timeout: 0
        max_queue_size: 10
        max_export_batch_size: 5
        exporter:
          otlp_http:
            endpoint: http://collector:4318/v1/traces
            headers: [{name: api-key, value: "${KEY}"}, {name: tenant, value: null}]
            headers_list: "api-key=low,x=1"
            compression: gzip
            timeout: 2500
            encoding: json
            tls: {ca_file: /ca.pem, cert_file: /c.pem, key_file: /k.pem}
    - simple: {exporter: {console: }}
  limits: {event_count_limit: 7, attribute_count_limit: 9}
  sampler:
    parent_based:
      root: {trace_id_ratio_based: {ratio: 0.25}}
"""

REMOTE = (
    "jaeger_remote/development: "
    "{endpoint: 'http://j:14250', interval: 30, initial_sampler: {trace_id_ratio_based: {ratio: 0.1}}}"
)
BAD_HEADER = (
    "file_format: '1.0'\ntracer_provider: {processors: [{batch: {exporter: {otlp_http: "
    "{headers: [{name: a b, value: hunter2}]}}}}]}\n"
)


@pytest.fixture
def read(tmp_path):
    def settings(text, **environ):
        path = tmp_path / "otel.yaml"
        path.write_text(text)
        return resolve(environ.pop("config", None), environ={"OTEL_CONFIG_FILE": str(path), **environ})

    return settings


def test_the_whole_file(read, caplog):
    settings = read(WHOLE, KEY="hunter2", OTEL_SERVICE_NAME="ignored", OTEL_TRACES_SAMPLER="always_off")
    assert settings.service_name == "shop"
    assert (settings.sampler, settings.sampler_ratio) == ("parentbased_traceidratio", 0.25)
    assert settings.propagators == ("tracecontext", "b3", "baggage")
    assert (settings.exporter, settings.protocol, settings.schedule_delay_ms) == ("otlp", "http/json", 100)
    (further,) = settings.further
    assert (further["exporter"], further["schedule_delay_ms"], further["headers"]) == ("console", 1, {})
    assert (settings.endpoint, settings.compression) == ("http://collector:4318/v1/traces", "gzip")
    assert settings.headers == {"api-key": "hunter2", "x": "1"}
    assert (settings.timeout_s, settings.export_timeout_ms) == (2.5, (1 << 31) - 1)
    assert (settings.max_queue_size, settings.max_batch_size) == (10, 5)
    assert (settings.certificate, settings.client_certificate, settings.client_key) == ("/ca.pem", "/c.pem", "/k.pem")
    assert (settings.span_attributes, settings.event_attributes, settings.span_events) == (9, 64, 7)
    assert (settings.span_attribute_length, settings.attribute_length) == (4096, 4096)
    assert settings.log_level == "debug"
    assert settings.resource_detectors == ("host", "process")
    resource = settings.resource
    assert (resource["team"], resource["shards"], resource["canary"], resource["region"]) == (
        "a team", "3", "true", "eu west"
    )  # fmt: skip
    assert settings.origin("sampler.ratio").endswith("otel.yaml:35:14")
    assert "hunter2" not in repr(settings)
    assert caplog.records == []


TWO = """\
file_format: "1.0"
tracer_provider:
  processors:
    - batch: {max_queue_size: 7, exporter: {otlp_http: {endpoint: "http://a:4318/v1/traces"}}}
    - batch:
        exporter: {otlp_http: {endpoint: "http://b/v1/traces", headers: [{name: k, value: hunter2}], compression: gzip}}
    - simple: {exporter: {zipkin: }}
    - simple: {exporter: {console: }}
"""


def test_each_processor_exports_by_itself(read, caplog, capsys):
    settings = read(TWO)
    assert (settings.exporter, settings.endpoint, settings.max_queue_size) == ("otlp", "http://a:4318/v1/traces", 7)
    assert (settings.headers, settings.compression) == ({}, "none")
    second, third = settings.further
    assert (second["endpoint"], second["headers"], second["compression"], second["max_queue_size"]) == (
        "http://b/v1/traces", {"k": "hunter2"}, "gzip", 2048
    )  # fmt: skip
    assert (third["exporter"], third["schedule_delay_ms"]) == ("console", 1)
    assert "hunter2" not in repr(settings)
    assert "zipkin" in caplog.text

    both = replace(settings, exporter="console", further=(third, third))
    opened = Tracing(both)
    opened.tracer("t").start_span("s").end()
    assert opened.force_flush(5)
    assert opened.stats().exported == 3
    assert opened.shutdown(5)
    assert capsys.readouterr().err.count('"name":"s"') == 3


@pytest.mark.parametrize(("environ", "stream"), [({}, "err"), ({"DEVENV_TRACING_CONSOLE": "stdout"}, "out")])
def test_the_console_exporter_writes_to_the_chosen_stream(environ, stream, capsys):
    opened = Tracing(resolve(None, environ={"OTEL_TRACES_EXPORTER": "console", **environ}))
    opened.tracer("t").start_span("shown").end()
    assert opened.shutdown(5)
    said = capsys.readouterr()
    assert '"name":"shown"' in getattr(said, stream)
    assert "shown" not in (said.out if stream == "err" else said.err)


def test_it_takes_precedence_over_config_and_leaves_our_own_variables(read):
    config = {"sampler": {"type": "always_off"}, "limits": {"trace_spans": 5}}
    settings = read(WHOLE, config=config, DEVENV_TRACING_TRACE_RESPONSE="true")
    assert (settings.sampler, settings.trace_spans) == ("parentbased_traceidratio", 5)
    assert settings.trace_response


@pytest.mark.parametrize(
    ("sampler", "expected"),
    [
        ("always_on:", ("always_on", 1.0)),
        ("always_off: {}", ("always_off", 1.0)),
        ("trace_id_ratio_based: {ratio: 0.5}", ("traceidratio", 0.5)),
        ("parent_based:", ("parentbased_always_on", 1.0)),
        ("parent_based: {root: {always_off: }}", ("parentbased_always_off", 1.0)),
        (
            REMOTE,
            ("jaeger_remote", 0.1),
        ),
    ],
)
def test_samplers(read, sampler, expected):
    settings = read(f'file_format: "1.0"\ntracer_provider:\n  processors: []\n  sampler:\n    {sampler}\n')
    assert (settings.sampler, settings.sampler_ratio) == expected


def test_what_is_left_out_means_what_the_specification_says(read):
    settings = read('file_format: "1.0-rc.2"\n')
    assert (settings.exporter, settings.propagators, settings.enabled) == ("none", ("none",), True)
    settings = read('file_format: "1.0"\ntracer_provider: {processors: [{batch: {exporter: {otlp_grpc: }}}]}\n')
    assert (settings.endpoint, settings.protocol) == ("http://localhost:4317", "grpc")
    assert settings.sampler == "parentbased_always_on"
    assert not read('file_format: "1.0"\ndisabled: ${OFF}\n', OFF="true").enabled


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("file_format: '0.3'\n", ["otel.yaml:1:14", "'0.3'", "'1.0'", "is not used"]),
        ("a: [\n", ["not valid YAML", "is not used"]),
        ("file_format: '1.0'\nlog_level: ${1A}\n", ["otel.yaml:2:12", "${1A}", "is not used"]),
        ("file_format: &a [*a]\n", ["nested too deeply"]),
        ("file_format: '1.0'\nmeter_provider: {}\nlogger_provider: {}\n", ["logger_provider, meter_provider"]),
        ("file_format: '1.0'\ntracer_provder: {}\n", ["otel.yaml:2:1: tracer_provder"]),
        (
            "file_format: '1.0'\ntracer_provider: {processors: [{batch: {exporter: {zipkin: }}}]}\n",
            ["zipkin", "otlp_http, otlp_grpc, console"],
        ),
        ("file_format: '1.0'\ntracer_provider: {limits: {event_count_limit: many}}\n", ["'many'", "a whole number"]),
        ("file_format: '1.0'\npropagator: {composite: [{xray: }]}\n", ["found xray", "one of tracecontext"]),
        ("file_format: '1.0'\nresource: {attributes_list: 'a'}\n", ["resource.attributes_list"]),
        ("file_format: '1.0'\nresource: {attributes: [a]}\n", ["resource.attributes", "a mapping"]),
        (
            "file_format: '1.0'\ntracer_provider: {sampler: {parent_based: {remote_parent_sampled: {always_off: }}}}\n",
            ["remote_parent_sampled", "expected always_on"],
        ),
        ("file_format: '1.0'\ntracer_provider: {sampler: {mine: }}\n", ["'mine'"]),
        (
            BAD_HEADER,
            ["header a b"],
        ),
    ],
)
def test_what_is_wrong_or_not_used_is_a_warning_with_its_place(read, text, parts, caplog):
    for _ in range(2):
        read(text)
    for part in parts:
        assert caplog.text.count(part) == 1, caplog.text
    assert "hunter2" not in caplog.text


def test_a_missing_file_is_a_warning_and_the_other_variables_count(caplog):
    environ = {"OTEL_CONFIG_FILE": "/nothing.yaml", "OTEL_SERVICE_NAME": "shop"}
    assert resolve(None, environ=environ).service_name == "shop"
    assert "OTEL_CONFIG_FILE is not used: /nothing.yaml: cannot read the file" in caplog.text


VALUES = {
    "STRING_VALUE": "value", "FLOAT_VALUE": "1.1", "DO_NOT_REPLACE_ME": "x", "REPLACE_ME": "${DO_NOT_REPLACE_ME}",
    "VALUE_WITH_ESCAPE": "value$$", "EMPTY": "",
}  # fmt: skip


# The table of the specification's page on the data model.
@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("${STRING_VALUE}", "value"),
        ("${env:STRING_VALUE}", "value"),
        ("foo ${STRING_VALUE} ${FLOAT_VALUE}", "foo value 1.1"),
        ("${UNDEFINED_KEY}", ""),
        ("${UNDEFINED_KEY:-fallback}", "fallback"),
        ("${EMPTY:-fallback}", "fallback"),
        ("${REPLACE_ME}", "${DO_NOT_REPLACE_ME}"),
        ("$${STRING_VALUE}", "${STRING_VALUE}"),
        ("$$${STRING_VALUE}", "$value"),
        ("$$$${STRING_VALUE}", "$${STRING_VALUE}"),
        ("$${STRING_VALUE:-fallback}", "${STRING_VALUE:-fallback}"),
        ("${VALUE_WITH_ESCAPE}", "value$$"),
        ("a $$ b", "a $ b"),
        ("a $ b", "a $ b"),
    ],
)
def test_references(text, result):
    assert substitute(text, VALUES) == result


@pytest.mark.parametrize("text", ["${STRING_VALUE:?error}", "${1A}", "${API_$KEY}", "${}"])
def test_malformed_references(text):
    with pytest.raises(ValueError, match=r"\$\{"):
        substitute(text, VALUES)


def test_types_are_known_after_the_substitution_and_no_structure_can_be_injected(read):
    text = 'file_format: "1.0"\nresource:\n  attributes:\n  - {name: a, value: "${B}"}\n  - name: b\n    value: ${C}\n'
    settings = read(f"{text}attribute_limits:\n  attribute_count_limit: ${{N}}\n", B="x\ny: z", C="0x1f", N="12")
    assert settings.resource == {"a": "x\ny: z", "b": "31"}
    assert settings.span_attributes == 12
