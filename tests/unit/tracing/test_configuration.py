from __future__ import annotations

import logging

import pytest

from devenv.tracing.configuration.resolution import resolve
from devenv.tracing.configuration.yaml_file import read
from devenv.tracing.errors import ConfigError
from devenv.tracing.settings import KEYS


def write(tmp_path, text):
    path = tmp_path / "config.yaml"
    path.write_text(text)
    return path


def test_defaults_are_development_at_full_sampling():
    settings = resolve(None, environ={})
    assert settings.environment == "development"
    assert settings.sampler == "parentbased_traceidratio"
    assert settings.sampler_ratio == 1.0
    assert settings.endpoint == "http://localhost:4318/v1/traces"
    assert settings.propagators == ("tracecontext", "baggage")
    assert settings.origin("sampler.ratio") == "profile development"
    assert settings.origin("sampler.type") == "default"


def test_every_setting_is_explained():
    explained = resolve(None, environ={}).explain()
    assert set(explained) == {key.path for key in KEYS.values()}
    assert all(key.doc.endswith(".") for key in KEYS.values())


def test_section_of_a_service_file_and_its_origins(tmp_path):
    path = write(tmp_path, "port: 8080\ntracing:\n  service_name: gateway\n  sampler: {ratio: 0.5}\n")
    settings = resolve(path, environ={})
    assert (settings.service_name, settings.sampler_ratio) == ("gateway", 0.5)
    assert settings.origin("service_name") == f"{path}:3:17"
    assert settings.origin("sampler_ratio") == f"{path}:4:20"


def test_environment_wins_over_argument_over_file(tmp_path):
    path = write(tmp_path, "tracing:\n  service_name: file\n")
    assert resolve(path, environ={}).service_name == "file"
    assert resolve(path, service_name="code", environ={}).service_name == "code"
    settings = resolve(path, service_name="code", environ={"OTEL_SERVICE_NAME": "env"})
    assert settings.service_name == "env"
    assert settings.origin("service_name") == "environment OTEL_SERVICE_NAME"


def test_service_name_variable_wins_over_resource_attribute():
    environ = {"OTEL_RESOURCE_ATTRIBUTES": "service.name=fromresource,team=a%20b"}
    settings = resolve({"service_name": "file"}, environ=environ)
    assert settings.service_name == "fromresource"
    assert settings.resource["team"] == "a b"
    assert resolve(None, environ=environ | {"OTEL_SERVICE_NAME": "named"}).service_name == "named"


@pytest.mark.parametrize(
    ("environ", "field", "value"),
    [
        ({"OTEL_SDK_DISABLED": "TRUE"}, "enabled", False),
        ({"OTEL_SDK_DISABLED": "yes"}, "enabled", True),
        ({"OTEL_TRACES_SAMPLER": "always_off"}, "sampler", "always_off"),
        ({"OTEL_TRACES_SAMPLER_ARG": "0.25"}, "sampler_ratio", 0.25),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://j:4318/base/"}, "endpoint", "http://j:4318/base/v1/traces"),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://j:4318/mine"}, "endpoint", "http://j:4318/mine"),
        ({"OTEL_EXPORTER_OTLP_HEADERS": "api-key=a%20b, x=1"}, "headers", {"api-key": "a b", "x": "1"}),
        ({"OTEL_EXPORTER_OTLP_TIMEOUT": "1500"}, "timeout_s", 1.5),
        ({"OTEL_EXPORTER_OTLP_COMPRESSION": "gzip"}, "compression", "gzip"),
        ({"OTEL_BSP_SCHEDULE_DELAY": "200"}, "schedule_delay_ms", 200),
        ({"OTEL_BSP_MAX_QUEUE_SIZE": "10"}, "max_queue_size", 10),
        ({"OTEL_BSP_MAX_EXPORT_BATCH_SIZE": "7"}, "max_batch_size", 7),
        ({"OTEL_BSP_EXPORT_TIMEOUT": "900"}, "export_timeout_ms", 900),
        ({"OTEL_ATTRIBUTE_COUNT_LIMIT": "9"}, "span_attributes", 9),
        ({"OTEL_ATTRIBUTE_COUNT_LIMIT": "9", "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT": "5"}, "span_attributes", 5),
        ({"OTEL_SPAN_EVENT_COUNT_LIMIT": "3"}, "span_events", 3),
        ({"OTEL_SPAN_LINK_COUNT_LIMIT": "4"}, "span_links", 4),
        ({"OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT": "2"}, "event_attributes", 2),
        ({"OTEL_LINK_ATTRIBUTE_COUNT_LIMIT": "1"}, "link_attributes", 1),
        ({"OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT": "50"}, "span_attribute_length", 50),
        ({"OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT": "60"}, "span_attribute_length", 60),
        ({"OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT": "60"}, "attribute_length", None),
        ({"OTEL_PROPAGATORS": "baggage,baggage"}, "propagators", ("baggage",)),
        ({"OTEL_TRACES_EXPORTER": "none"}, "exporter", "none"),
    ],
)
def test_variables(environ, field, value):
    assert getattr(resolve(None, environ=environ), field) == value


@pytest.mark.parametrize(
    ("variable", "text", "field"),
    [
        ("OTEL_TRACES_SAMPLER", "xray", "sampler"),
        ("OTEL_TRACES_SAMPLER_ARG", "1.5", "sampler_ratio"),
        ("OTEL_TRACES_SAMPLER_ARG", "nan", "sampler_ratio"),
        ("OTEL_BSP_MAX_QUEUE_SIZE", "-1", "max_queue_size"),
        ("OTEL_BSP_SCHEDULE_DELAY", "soon", "schedule_delay_ms"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "thrift", "protocol"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "novalue", "headers"),
    ],
)
def test_unreadable_variable_is_warned_about_and_ignored(variable, text, field, caplog):
    default = getattr(resolve(None, environ={}), field)
    with caplog.at_level(logging.WARNING):
        assert getattr(resolve(None, environ={variable: text}), field) == default
    assert variable in caplog.text


def test_empty_variable_counts_as_unset():
    assert resolve({"service_name": "a"}, environ={"OTEL_SERVICE_NAME": ""}).service_name == "a"


def test_production_profile_by_resource_attribute_and_own_profile_over_built_in():
    environ = {"OTEL_RESOURCE_ATTRIBUTES": "deployment.environment.name=production"}
    assert resolve(None, environ=environ).sampler_ratio == 0.1
    own = {"profiles": {"production": {"sampler": {"ratio": 0.01}, "batch": {"max_queue_size": 99}}}}
    settings = resolve(own, environ=environ)
    assert (settings.sampler_ratio, settings.max_queue_size) == (0.01, 99)
    assert settings.origin("sampler.ratio").startswith("profile production")
    assert resolve(own | {"sampler": {"ratio": 0.7}}, environ=environ).sampler_ratio == 0.7
    assert resolve(own, environ={}).sampler_ratio == 1.0


def test_profile_of_the_configured_environment_merges_maps():
    config = {
        "environment": "staging",
        "resource": {"a": "1"},
        "profiles": {"staging": {"resource": {"a": "2", "b": "3"}}},
    }
    assert resolve(config, environ={}).resource == {"a": "1", "b": "3"}


@pytest.mark.parametrize(
    ("text", "place", "parts"),
    [
        ("tracing:\n  servce_name: a\n", "2:3", ["tracing.servce_name", "unknown key", "did you mean service_name?"]),
        (
            "tracing:\n  sampler:\n    ratoi: 1\n",
            "3:5",
            ["tracing.sampler.ratoi", "ratio, type", "did you mean ratio?"],
        ),
        ("tracing:\n  sampler: {ratio: 1.5}\n", "2:20", ["1.5", "from 0 to 1"]),
        ("tracing:\n  sampler: {ratio: .nan}\n", "2:20", ["from 0 to 1"]),
        ("tracing:\n  sampler: {type: allways_on}\n", "2:19", ["did you mean always_on?"]),
        ("tracing:\n  sampler: 1\n", "2:12", ["a mapping of settings"]),
        ("tracing: 5\n", "1:10", ["a mapping of settings"]),
        ("tracing:\n  enabled: on\n", "2:12", ["'on'", "true or false"]),
        ("tracing:\n  batch:\n    max_queue_size: true\n", "3:21", ["a whole number"]),
        ("tracing:\n  batch:\n    max_queue_size: 0\n", "3:21", ["at least 1"]),
        ("tracing:\n  propagators: tracecontext\n", "2:16", ["a list of texts"]),
        ("tracing:\n  propagators: [xray]\n", "2:16", ["one of tracecontext, baggage, b3, b3multi, jaeger, none"]),
        ("tracing:\n  resource: {a: [1]}\n", "2:13", ["a mapping of names to texts"]),
        ("tracing:\n  service_name: a\n  service_name: b\n", "3:3", ["a duplicate key"]),
        ("tracing:\n  profiles:\n    production: {sampler: {ratio: x}}\n", "3:35", ["'x'", "a number"]),
        ("tracing:\n  profiles: [a]\n", "2:13", ["profile names"]),
        ("tracing:\n  profiles: {p: {profiles: {}}}\n", "2:18", ["unknown key"]),
        ("tracin:\n  service_name: a\n", "1:1", ["unknown key"]),
        ("- a\n", "1:1", ["not a mapping"]),
        ("a: [\n", "2:1", ["not valid YAML"]),
        ("a: !!python/name:os.system x\n", "1:4", ["not valid YAML"]),
    ],
)
def test_faults_name_file_line_column_and_what_is_allowed(tmp_path, text, place, parts):
    path = write(tmp_path, text)
    with pytest.raises(ConfigError) as caught:
        resolve(path, environ={})
    message = str(caught.value)
    assert message.startswith(f"{path}:{place}: ")
    for part in parts:
        assert part in message


def test_missing_and_unreadable_file(tmp_path):
    with pytest.raises(ConfigError, match="cannot read the file"):
        resolve(tmp_path / "none.yaml", environ={})
    binary = tmp_path / "b.yaml"
    binary.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="cannot read the file"):
        resolve(binary, environ={})


def test_mapping_faults_have_no_line():
    with pytest.raises(ConfigError) as caught:
        resolve({"tracing": {"sampler": {"ratio": "x"}}}, environ={})
    assert str(caught.value).startswith("configuration: tracing.sampler.ratio: found 'x'")
    assert caught.value.line == 0


def test_yaml_core_schema_and_merge_keys(tmp_path):
    path = write(tmp_path, "base: &b {on: yes, t: 22:22, n: 0o17, h: 0x1f, f: 1e3, z: ~}\nmore:\n  <<: *b\n  t: x\n")
    values = read(path).values
    assert values["base"] == {"on": "yes", "t": "22:22", "n": 15, "h": 31, "f": 1000.0, "z": None}
    assert values["more"] == values["base"] | {"t": "x"}


def test_empty_file_is_an_empty_configuration(tmp_path):
    assert resolve(write(tmp_path, ""), environ={}).service_name == "unknown_service"


def test_origin_of_an_unknown_setting():
    with pytest.raises(KeyError):
        resolve(None, environ={}).origin("sampler.nothing")
