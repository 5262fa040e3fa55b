"""Log records by OTLP: off unless asked for, each once, in their trace, without secrets, and never in the way."""

from __future__ import annotations

import json
import logging
import logging.config
import subprocess
import sys
from typing import Any

import pytest
from google.protobuf.json_format import MessageToDict
from opentelemetry import trace
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from tracing_collector import dead_port

from devenv.tracing.configuration.resolution import resolve
from devenv.tracing.logs.capture import severity
from devenv.tracing.logs.settings import log_settings
from devenv.tracing.process import patching
from devenv.tracing.runtime import Tracing

ASKED = {"OTEL_LOGS_EXPORTER": "otlp", "OTEL_SERVICE_NAME": "s"}


@pytest.fixture
def log():
    """A logger that accepts all levels."""
    logger = logging.getLogger("shop.orders")
    logger.setLevel(1)
    yield logger
    logger.setLevel(logging.NOTSET)
    logger.propagate = True


def requests(collector) -> list[ExportLogsServiceRequest]:
    return [ExportLogsServiceRequest.FromString(body) for _, body, path in collector.requests if path == "/v1/logs"]


def records(collector) -> list[Any]:
    return [
        record
        for request in requests(collector)
        for resource in request.resource_logs
        for scope in resource.scope_logs
        for record in scope.log_records
    ]


def values(attributes) -> dict[str, Any]:
    return {pair.key: getattr(pair.value, pair.value.WhichOneof("value")) for pair in attributes}


def test_without_being_asked_no_record_is_exported_and_logging_is_untouched(collector, set_up, log):
    before = logging.Logger.callHandlers
    tracing = set_up(environ={})
    log.warning("one")
    assert tracing.force_flush(5)
    assert not requests(collector)
    assert logging.Logger.callHandlers is before


def test_a_record_has_its_trace_its_severity_and_its_place(collector, set_up, log):
    tracing = set_up()
    with tracing.tracer("t").start_as_current_span("order") as span:
        log.warning("%d items", 3, extra={"order.id": "o1", "count": 3, "parts": ["a"]})
    log.info("outside")
    assert tracing.force_flush(5)
    resource = requests(collector)[0].resource_logs[0]
    assert values(resource.resource.attributes)["service.name"] == "s"
    assert resource.scope_logs[0].scope.name == "shop.orders"
    inside, outside = records(collector)
    context = span.get_span_context()
    assert (inside.trace_id.hex(), inside.span_id.hex()) == (f"{context.trace_id:032x}", f"{context.span_id:016x}")
    assert inside.flags == context.trace_flags
    assert (inside.body.string_value, inside.severity_number, inside.severity_text) == ("3 items", 13, "WARNING")
    assert inside.time_unix_nano == inside.observed_time_unix_nano > 1_700_000_000 * 10**9
    found = values(inside.attributes)
    assert found["code.file.path"] == __file__
    assert found["code.function.name"] == "test_a_record_has_its_trace_its_severity_and_its_place"
    assert found["code.line.number"] > 0
    assert (found["order.id"], found["count"], found["parts"]) == ("o1", 3, "['a']")
    assert not outside.trace_id
    assert not outside.span_id


def test_an_exception_is_recorded_by_the_conventions(collector, set_up, log):
    tracing = set_up()
    try:
        raise json.JSONDecodeError("bad", "x", 0)
    except ValueError:
        log.exception("cannot read")
    assert tracing.force_flush(5)
    found = values(records(collector)[0].attributes)
    assert found["exception.type"] == "json.decoder.JSONDecodeError"
    assert found["exception.message"] == "bad: line 1 column 1 (char 0)"
    assert "test_an_exception_is_recorded_by_the_conventions" in found["exception.stacktrace"]


def test_secrets_are_redacted(collector, set_up, log):
    tracing = set_up()
    log.error("login with password=hunter2 failed", extra={"authorization": "Bearer abcdef123456"})
    assert tracing.force_flush(5)
    sent = b"".join(body for _, body, _ in collector.requests)
    assert b"login with" in sent
    assert b"hunter2" not in sent
    assert b"abcdef123456" not in sent


def test_a_later_configuration_of_logging_and_loggers_that_do_not_propagate_lose_nothing(collector, set_up, log):
    tracing = set_up()
    logging.config.dictConfig({"version": 1, "disable_existing_loggers": False, "root": {"handlers": []}})
    log.propagate = False
    log.warning("alone")
    assert tracing.force_flush(5)
    assert [record.body.string_value for record in records(collector)] == ["alone"]


def test_the_librarys_own_records_are_not_exported(collector, set_up, log):
    tracing = set_up()
    logging.getLogger("devenv.tracing.export.exporter").error("export failed")
    log.error("mine")
    assert tracing.force_flush(5)
    assert [record.body.string_value for record in records(collector)] == ["mine"]


class Unprintable:
    def __str__(self) -> str:
        raise RuntimeError("no text")

    __repr__ = __str__


def test_careless_records_are_kept_and_raise_nothing(collector, set_up, log, monkeypatch):
    monkeypatch.setattr(logging, "raiseExceptions", False)
    tracing = set_up()
    log.warning("%d of %d", "x")  # noqa: PLE1206 - what is tested
    log.warning("object", extra={"what": Unprintable()})
    log.log(35, "between")
    log.warning(7)
    assert tracing.force_flush(5)
    found = records(collector)
    assert [record.body.string_value for record in found] == ["%d of %d", "object", "between", "7"]
    assert found[2].severity_number == 16


class WithoutFrames(ValueError):
    """An exception of which no traceback can be made."""

    @property
    def __cause__(self) -> None:
        raise RuntimeError("no cause")


def test_a_record_of_an_exception_that_cannot_be_formatted_is_kept(collector, set_up, log, monkeypatch):
    monkeypatch.setattr(logging, "raiseExceptions", False)
    tracing = set_up()
    log.propagate = False
    log.error("failed", exc_info=WithoutFrames("x"))
    assert tracing.force_flush(5)
    (record,) = records(collector)
    assert values(record.attributes)["exception.message"] == "x"


def test_severities():
    found = {level: severity(level) for level in (0, 5, 10, 15, 20, 25, 30, 40, 49, 50, 90)}
    assert found == {0: 0, 5: 1, 10: 5, 15: 8, 20: 9, 25: 12, 30: 13, 40: 17, 49: 20, 50: 21, 90: 24}


def test_attributes_above_the_limit_are_counted(collector, set_up, log):
    tracing = set_up(environ={**ASKED, "OTEL_LOGRECORD_ATTRIBUTE_COUNT_LIMIT": "4"})
    log.warning("many", extra={f"k{number}": number for number in range(5)})
    assert tracing.force_flush(5)
    (record,) = records(collector)
    assert (len(record.attributes), record.dropped_attributes_count) == (4, 4)


def test_json_is_what_protobufs_own_form_is(collector, set_up, log):
    for protocol in ("http/json", "http/protobuf"):
        tracing = set_up(environ={**ASKED, "OTEL_EXPORTER_OTLP_LOGS_PROTOCOL": protocol})
        with tracing.tracer("t").start_as_current_span("order", context=trace.set_span_in_context(PARENT)):
            log.handle(
                logging.makeLogRecord({"name": "shop.orders", "levelno": 40, "msg": "a", "created": 1.5, "n": 1})
            )
        assert tracing.force_flush(5)
        tracing.shutdown(1)
    logs = [(headers, body) for headers, body, path in collector.requests if path == "/v1/logs"]
    assert [headers["Content-Type"] for headers, _ in logs] == ["application/json", "application/x-protobuf"]
    written = json.loads(logs[0][1])["resourceLogs"][0]["scopeLogs"]
    expected = MessageToDict(ExportLogsServiceRequest.FromString(logs[1][1]), use_integers_for_enums=True)
    reference = expected["resourceLogs"][0]["scopeLogs"]
    for scopes in (written, reference):
        for name in ("traceId", "spanId"):
            assert scopes[0]["logRecords"][0].pop(name)
    assert written == reference


PARENT = trace.NonRecordingSpan(trace.SpanContext(0xABC, 0xDEF, True, trace.TraceFlags(1)))


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, "http://localhost:4318/v1/logs"),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:1/x/"}, "http://c:1/x/v1/logs"),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://c:1/v1/traces"}, "http://c:1/v1/logs"),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:1", "OTEL_EXPORTER_OTLP_LOGS_ENDPOINT": "http://l:2/p"}, "http://l:2/p"),
    ],
)  # fmt: skip
def test_endpoint(environ, expected):
    assert log_settings(resolve(None, environ={**ASKED, **environ})).endpoint == expected


def test_variables_of_logs_set_the_logs_alone():
    settings = resolve(
        None, environ={**ASKED, "OTEL_BLRP_MAX_QUEUE_SIZE": "7", "OTEL_EXPORTER_OTLP_LOGS_HEADERS": "a=b"}
    )
    of_logs = log_settings(settings)
    assert (of_logs.max_queue_size, of_logs.headers, of_logs.schedule_delay_ms) == (7, {"a": "b"}, 1000)
    assert (settings.max_queue_size, settings.headers) == (2048, {})


@pytest.mark.parametrize("exporter", ["none", "otlp"])
def test_variables_of_logs_are_told_only_if_no_logs_are_exported(caplog, exporter):
    resolve(None, environ={"OTEL_LOGS_EXPORTER": exporter, "OTEL_BLRP_MAX_QUEUE_SIZE": "7"})
    told = [record.message for record in caplog.records if "OTEL_BLRP_MAX_QUEUE_SIZE" in record.message]
    assert bool(told) is (exporter == "none")


def test_lost_records_are_counted_and_told(log, caplog):
    tracing = Tracing(
        resolve(
            {"exporter": {"endpoint": f"{dead_port()}/v1/traces"}},
            environ={**ASKED, "OTEL_BLRP_EXPORT_TIMEOUT": "50"},
        )
    )
    tracing.install()
    try:
        log.warning("lost")
        assert not tracing.force_flush(5)
        assert any(record.message.startswith("log records lost: 1 not delivered") for record in caplog.records)
    finally:
        tracing.shutdown(0.2)
        patching.restore_all()


PROGRAM = """
import logging, os
logging.basicConfig(level=logging.INFO, format="%(message)s")
logging.getLogger("a").info("from the parent")
if os.fork() == 0:
    logging.getLogger("a").info("from the child")
else:
    os.wait()
"""


def test_a_program_with_devenv_run_and_its_forked_child(collector):
    environ = {"PATH": "/usr/bin:/bin", "OTEL_LOGS_EXPORTER": "otlp", "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url}
    done = subprocess.run(
        [sys.executable, "-m", "devenv.tracing", "--", sys.executable, "-c", PROGRAM],
        env=environ, capture_output=True, text=True, timeout=30, check=True,
    )  # fmt: skip
    assert [line.split(" ", 3)[:3] for line in done.stderr.splitlines() if line.startswith("from")] == [
        ["from", "the", "parent"],
        ["from", "the", "child"],
    ]
    assert sorted(record.body.string_value for record in records(collector)) == ["from the child", "from the parent"]
