"""OTEL_* whole: each variable of the specification is honoured, or warned about once by name; no secret is shown."""

from __future__ import annotations

import logging
import re
import subprocess
import sys
from pathlib import Path

import opentelemetry.environment_variables as api_variables
import opentelemetry.sdk.environment_variables as sdk_variables
import pytest

from devenv.tracing import automatic
from devenv.tracing.configuration import variables
from devenv.tracing.configuration.resolution import resolve
from devenv.tracing.errors import ConfigError
from devenv.tracing.runtime import Tracing

# The tables of the specification's pages on the SDK's and the exporter's variables.
SPECIFICATION = """
    OTEL_SDK_DISABLED OTEL_RESOURCE_ATTRIBUTES OTEL_SERVICE_NAME OTEL_LOG_LEVEL OTEL_PROPAGATORS OTEL_TRACES_SAMPLER
    OTEL_TRACES_SAMPLER_ARG OTEL_BSP_SCHEDULE_DELAY OTEL_BSP_EXPORT_TIMEOUT OTEL_BSP_MAX_QUEUE_SIZE
    OTEL_BSP_MAX_EXPORT_BATCH_SIZE OTEL_BLRP_SCHEDULE_DELAY OTEL_BLRP_EXPORT_TIMEOUT OTEL_BLRP_MAX_QUEUE_SIZE
    OTEL_BLRP_MAX_EXPORT_BATCH_SIZE OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT OTEL_ATTRIBUTE_COUNT_LIMIT
    OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT OTEL_SPAN_EVENT_COUNT_LIMIT
    OTEL_SPAN_LINK_COUNT_LIMIT OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT OTEL_LINK_ATTRIBUTE_COUNT_LIMIT
    OTEL_LOGRECORD_ATTRIBUTE_VALUE_LENGTH_LIMIT OTEL_LOGRECORD_ATTRIBUTE_COUNT_LIMIT OTEL_EXPORTER_ZIPKIN_ENDPOINT
    OTEL_EXPORTER_ZIPKIN_TIMEOUT OTEL_EXPORTER_ZIPKIN_PROTOCOL OTEL_EXPORTER_PROMETHEUS_HOST
    OTEL_EXPORTER_PROMETHEUS_PORT OTEL_TRACES_EXPORTER OTEL_METRICS_EXPORTER OTEL_LOGS_EXPORTER
    OTEL_METRICS_EXEMPLAR_FILTER OTEL_METRIC_EXPORT_INTERVAL OTEL_METRIC_EXPORT_TIMEOUT OTEL_CONFIG_FILE
    OTEL_EXPERIMENTAL_CONFIG_FILE OTEL_ENTITIES OTEL_EXPORTER_OTLP_SPAN_INSECURE OTEL_EXPORTER_OTLP_METRIC_INSECURE
    OTEL_SEMCONV_STABILITY_OPT_IN OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE
    OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION
    OTEL_PYTHON_DISABLED_INSTRUMENTATIONS OTEL_PYTHON_EXCLUDED_URLS OTEL_PYTHON_CONTEXT OTEL_PYTHON_LOG_CORRELATION
    OTEL_PYTHON_DISTRO OTEL_PYTHON_CONFIGURATOR OTEL_INSTRUMENTATION_HTTP_KNOWN_METHODS
"""
PER_SIGNAL = ("CERTIFICATE", "CLIENT_CERTIFICATE", "CLIENT_KEY", "COMPRESSION", "ENDPOINT", "HEADERS", "INSECURE",
              "PROTOCOL", "TIMEOUT")  # fmt: skip
# Of the SDK's own metrics about itself, and of its components that devenv does not use.
OF_THE_SDK = re.compile(r"OTEL_PYTHON_SDK_INTERNAL_|_OTEL_|OTEL_EXPERIMENTAL_DISABLE_|OTEL_PYTHON_EXPORTER_")


def names_of(module):
    return {value for name, value in vars(module).items() if name.isupper() and isinstance(value, str)}


def test_each_variable_of_the_specification_and_of_the_sdk_is_known():
    signals = ("", "_TRACES", "_METRICS", "_LOGS")
    listed = {f"OTEL_EXPORTER_OTLP{signal}_{name}" for signal in signals for name in PER_SIGNAL}
    listed |= set(SPECIFICATION.split())
    listed |= {name for name in names_of(api_variables) | names_of(sdk_variables) if not OF_THE_SDK.match(name)}
    assert len(listed) > 90
    assert listed - variables.known() == set()


@pytest.mark.parametrize("name", sorted(variables._UNUSED.keys() | variables._OTHER_SIGNALS))
def test_what_is_not_used_is_warned_about_once_by_name(name, caplog):
    for _ in range(2):
        resolve(None, environ={name: "1"})
    (record,) = caplog.records
    assert (record.levelname, name in record.getMessage()) == ("WARNING", True)


def test_no_other_variable_is_warned_about(caplog):
    quiet = {
        "OTEL_METRICS_EXPORTER": "none", "OTEL_LOGS_EXPORTER": "NONE", "OTEL_PYTHON_CONTEXT": "contextvars_context",
        "OTEL_BLRP_SCHEDULE_DELAY": "", "OTEL_NODE_RESOURCE_DETECTORS": "env", "OTEL_JAVAAGENT_DEBUG": "true",
        "OTEL_RESOURCE_ATTRIBUTES_POD_NAME": "p", "OTEL_SEMCONV_STABILITY_OPT_IN": "http,database",
    }  # fmt: skip
    resolve(None, environ=quiet)
    assert caplog.records == []


def test_a_misspelt_name_and_the_old_attributes(caplog):
    resolve(None, environ={"OTEL_TRACE_SAMPLER": "always_off", "OTEL_SEMCONV_STABILITY_OPT_IN": "http/dup"})
    assert "did you mean OTEL_TRACES_SAMPLER?" in caplog.text
    assert "OTEL_SEMCONV_STABILITY_OPT_IN=http/dup" in caplog.text


def test_one_bad_header_drops_no_other_and_shows_no_secret(caplog):
    text = "authorization=Bearer%20hunter2,hunter2-without-equals,bad name=hunter2,x=a%0Ahunter2,tenant=a%20b"
    settings = resolve(None, environ={"OTEL_EXPORTER_OTLP_HEADERS": text})
    assert settings.headers == {"authorization": "Bearer hunter2", "tenant": "a b"}
    assert [f"member {number}" in caplog.text for number in (2, 3, 4)] == [True] * 3
    assert "OTEL_EXPORTER_OTLP_HEADERS" in caplog.text
    assert "hunter2" not in caplog.text
    assert "hunter2" not in repr(settings)


@pytest.mark.parametrize(
    "config",
    [{"exporter": {"headers": {"authorization": "hunter2", "b": ["hunter2"]}}}, {"exporter": {"headers": "hunter2"}}],
)
def test_an_error_about_headers_in_config_shows_no_secret(config):
    with pytest.raises(ConfigError) as caught:
        resolve(config, environ={})
    assert "hunter2" not in str(caught.value)


def test_no_warning_shows_user_information_of_the_endpoint(caplog):
    environ = {"OTEL_EXPORTER_OTLP_ENDPOINT": "u:hunter2@collector:4318"}
    settings = resolve(None, environ=environ)
    assert settings.endpoint == "http://u:hunter2@collector:4318/v1/traces"
    assert settings.receiver == "http://collector:4318/v1/traces"
    resolve(None, environ={"OTEL_EXPORTER_OTLP_ENDPOINT": "ftp://u:hunter2@h", "OTEL_RESOURCE_ATTRIBUTES": "hunter2"})
    assert "OTEL_RESOURCE_ATTRIBUTES" in caplog.text
    assert "hunter2" not in caplog.text


@pytest.mark.parametrize(
    ("environ", "endpoint", "warns"),
    [
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "collector:4318"}, "http://collector:4318/v1/traces", True),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "collector/p"}, "http://collector/p", True),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "HTTPS://c:1"}, "HTTPS://c:1/v1/traces", False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "unix:///tmp/s"}, "http://localhost:4318/v1/traces", True),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:port"}, "http://localhost:4318/v1/traces", True),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://"}, "http://localhost:4318/v1/traces", True),
        (
            {"OTEL_EXPORTER_OTLP_ENDPOINT": "c:4317", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"},
            "https://c:4317/v1/traces",
            False,
        ),
        (
            {
                "OTEL_EXPORTER_OTLP_ENDPOINT": "c:4317",
                "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc",
                "OTEL_EXPORTER_OTLP_INSECURE": "true",
            },
            "http://c:4317/v1/traces",
            False,
        ),
    ],
)
def test_an_endpoint_that_is_no_url_is_told_at_start(environ, endpoint, warns, caplog):
    assert resolve(None, environ=environ).endpoint == endpoint
    assert ("OTEL_EXPORTER_OTLP" in caplog.text) is warns


def test_an_endpoint_without_a_scheme_in_config_is_an_error():
    with pytest.raises(ConfigError, match="expected http://HOST:PORT"):
        resolve({"exporter": {"endpoint": "collector:4318"}}, environ={})


@pytest.mark.parametrize(
    ("environ", "field", "value"),
    [
        ({"OTEL_PROPAGATORS": "b3, xray,tracecontext"}, "propagators", ("b3", "tracecontext")),
        ({"OTEL_PROPAGATORS": "xray"}, "propagators", ("tracecontext", "baggage")),
        ({"OTEL_TRACES_EXPORTER": "console,otlp"}, "exporter", "otlp,console"),
        ({"OTEL_TRACES_EXPORTER": "console"}, "exporter", "console"),
        ({"OTEL_TRACES_EXPORTER": "zipkin,console"}, "exporter", "console"),
        ({"OTEL_TRACES_EXPORTER": "zipkin"}, "exporter", "otlp"),
        ({"OTEL_BSP_EXPORT_TIMEOUT": "0"}, "export_timeout_ms", (1 << 31) - 1),
        ({"OTEL_EXPORTER_OTLP_TIMEOUT": "0"}, "timeout_s", ((1 << 31) - 1) / 1000),
        ({"OTEL_BSP_SCHEDULE_DELAY": "0"}, "schedule_delay_ms", 1),
        ({"OTEL_LOG_LEVEL": "DEBUG"}, "log_level", "debug"),
        ({"OTEL_PYTHON_EXCLUDED_URLS": "/Health, client/.*/info"}, "exclude_patterns", ("/Health", "client/.*/info")),
        ({"OTEL_TRACES_SAMPLER": "parentbased_jaeger_remote"}, "sampler", "parentbased_jaeger_remote"),
        (
            {
                "OTEL_TRACES_SAMPLER": "jaeger_remote",
                "OTEL_TRACES_SAMPLER_ARG": "endpoint=http://j:1,pollingIntervalMs=5",
            },
            "sampler_interval_ms",
            5,
        ),
        (
            {"OTEL_TRACES_SAMPLER": "jaeger_remote", "OTEL_TRACES_SAMPLER_ARG": "initialSamplingRate=0.25,x=1"},
            "sampler_ratio",
            0.25,
        ),
    ],
)
def test_values(environ, field, value):
    assert getattr(resolve(None, environ=environ), field) == value


@pytest.mark.parametrize(
    ("environ", "part"),
    [
        ({"OTEL_PROPAGATORS": "b3,xray"}, "'xray'"),
        ({"OTEL_TRACES_EXPORTER": "zipkin,otlp"}, "'zipkin'"),
        ({"OTEL_SDK_DISABLED": "yes"}, "true or false"),
        ({"OTEL_TRACES_SAMPLER": "always_on", "OTEL_TRACES_SAMPLER_ARG": "0.5"}, "not used by always_on"),
        ({"OTEL_TRACES_SAMPLER": "jaeger_remote", "OTEL_TRACES_SAMPLER_ARG": "endpoint=j:5778"}, "http://HOST:PORT"),
        ({"OTEL_LOG_LEVEL": "loud"}, "one of trace, debug"),
        ({"OTEL_PYTHON_ID_GENERATOR": "xray"}, "'xray' is not installed"),
        ({"OTEL_EXPERIMENTAL_RESOURCE_DETECTORS": "os,nothing"}, "'nothing' is not installed"),
        ({"OTEL_PYTHON_EXCLUDED_URLS": "a(,b"}, "excluded URLs: ignoring 'a('"),
    ],
)
def test_what_is_wrong_is_told_once(environ, part, caplog):
    from devenv.tracing.server_side import ServerSide

    for _ in range(2):
        tracing = Tracing(resolve(None, environ={"OTEL_TRACES_EXPORTER": "none", **environ}))
        ServerSide(tracing, None, None)
        tracing.resource()
    assert caplog.text.count(part) == 1


def run(code, **environ):
    command = [sys.executable, "-c", code]
    settings = {"PATH": "/usr/bin:/bin", "OTEL_TRACES_EXPORTER": "none", **environ}
    root = str(Path(automatic.__file__).parents[2])
    return subprocess.run(
        command, env={"PYTHONPATH": root, **settings}, capture_output=True, text=True, timeout=60, check=False
    )


@pytest.mark.parametrize(
    "environ",
    [
        {"OTEL_PROPAGATORS": "b3"},
        {"OTEL_PROPAGATORS": "jaeger,xray,tracecontext"},
        {"OTEL_PYTHON_TRACER_PROVIDER": "nothing"},
        {
            "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT": "many",
            "OTEL_ATTRIBUTE_COUNT_LIMIT": "x",
            "DEVENV_TRACING_PROVIDER": "sdk",
        },
        {"OTEL_PYTHON_ID_GENERATOR": "nothing", "OTEL_TRACES_SAMPLER": "nothing", "OTEL_CONFIG_FILE": "/nothing.yaml"},
    ],
)
def test_setup_survives_each_environment(environ):
    code = (
        "import os\nfrom devenv import tracing\nt = tracing.setup(service_name='x')\n"
        "with tracing.span('a') as s: print(s.is_recording())\n"
        "import opentelemetry.propagate\nprint(dict(os.environ) == before)\n"
    )
    done = run("import os; before = dict(os.environ)\n" + code, **environ)
    assert (done.returncode, done.stdout) == (0, "True\nTrue\n"), done.stderr
    assert "Traceback" not in done.stderr


def test_the_level_of_the_own_log_with_and_without_handlers():
    code = "{}from devenv import tracing; t = tracing.setup(service_name='x'); tracing.setup(service_name='y')"
    assert "ignoring y" in run(code.format(""), OTEL_LOG_LEVEL="info").stderr
    assert run(code.format("")).stderr == ""
    configured = "import logging; logging.basicConfig(level='DEBUG', format='%(message)s'); "
    assert run(code.format(configured), OTEL_LOG_LEVEL="debug").stderr.count("ignoring y") == 1
    assert "ignoring y" not in run(code.format(configured), OTEL_LOG_LEVEL="error").stderr


@pytest.mark.parametrize(
    ("disabled", "missing"),
    [
        ("flask,requests", {"flask", "requests", "urllib3"}),
        ("FastAPI", {"asgi"}),
        ("aiohttp-client", {"aiohttp_client"}),
        ("aiohttp_server,threading", {"aiohttp_server", "threads"}),
        ("boto,nothing", set()),
        ("*", None),
    ],
)
def test_disabled_instrumentations_are_not_traced(monkeypatch, disabled, missing):
    seen = set()
    monkeypatch.setattr(automatic, "when_imported", lambda library, name, action: seen.add(name))
    modules = {}
    monkeypatch.setattr(automatic, "_action", lambda module, function: modules.setdefault(module, module))
    tracing = automatic.auto(
        environ={"OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": disabled, "OTEL_TRACES_EXPORTER": "none"}
    )
    tracing.shutdown(0.1)
    everything = {name for name, *_ in automatic.INTEGRATIONS} | {module for _, _, module, _ in automatic.INTEGRATIONS}
    if missing is None:
        assert seen == set()
    else:
        assert (missing & (seen | modules.keys()), missing <= everything) == (set(), True)
        assert len(seen | modules.keys()) > 8


def test_resource_detectors(caplog):
    environ = {
        "OTEL_EXPERIMENTAL_RESOURCE_DETECTORS": "os,host,process,otel",
        "OTEL_RESOURCE_ATTRIBUTES": "os.type=mine",
    }
    tracing = Tracing(resolve(None, environ={"OTEL_TRACES_EXPORTER": "none", **environ}))
    resource = tracing.resource()
    assert resource["os.type"] == "mine"
    assert {"host.arch", "process.executable.path", "process.parent_pid", "os.version"} <= resource.keys()
    assert caplog.records == []


def test_logging_level_is_untouched_without_the_variable():
    logger = logging.getLogger("devenv.tracing")
    before = logger.level
    Tracing(resolve(None, environ={"OTEL_TRACES_EXPORTER": "none"}))
    assert logger.level == before
