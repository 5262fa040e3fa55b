"""Durations of a program that has installed its own meter provider: they go to it, before or after our setup."""

from __future__ import annotations

from typing import Any

import pytest
from opentelemetry import metrics
from opentelemetry.metrics import _internal
from opentelemetry.sdk.metrics import Histogram, MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.metrics.view import DropAggregation, View

from devenv.tracing.active import SCHEMA_URL, state
from devenv.tracing.light import notices
from devenv.tracing.metrics.instruments import HTTP_SERVER
from devenv.tracing.process import patching
from devenv.tracing.testing import recording

REQUEST = ("GET", "http", 200, "/items/{id}", "1.1", None)


@pytest.fixture(autouse=True)
def fresh():
    notices.forget()
    yield
    patching.restore_all()


def install(monkeypatch: pytest.MonkeyPatch, *views: View) -> InMemoryMetricReader:
    reader = InMemoryMetricReader()
    monkeypatch.setattr(_internal, "_METER_PROVIDER", MeterProvider([reader], views=views))
    assert isinstance(metrics.get_meter_provider(), MeterProvider)
    return reader


def counts(reader: InMemoryMetricReader) -> dict[str, Any]:
    found = reader.get_metrics_data()
    if found is None:
        return {}
    (scope,) = found.resource_metrics[0].scope_metrics
    assert (scope.scope.name, scope.scope.schema_url) == ("devenv.tracing", SCHEMA_URL)
    return {metric.name: metric.data.data_points for metric in scope.metrics}


def test_a_provider_that_is_there_first_has_them_all(monkeypatch, caplog):
    reader = install(monkeypatch)
    with recording({"metrics": {"exporter": "otlp"}, "exporter": {"endpoint": "http://127.0.0.1:9"}}) as rec:
        assert state.meter is not None
        for seconds in (0.005, 0.2):
            state.meter.server(REQUEST, seconds)
        assert rec.tracing.force_flush(5)  # nothing goes to the endpoint, which does not answer
    (point,) = counts(reader)[HTTP_SERVER.name]
    assert (point.count, tuple(point.explicit_bounds), point.bucket_counts[0]) == (2, HTTP_SERVER.bounds, 1)
    assert dict(point.attributes) == {
        "http.request.method": "GET", "url.scheme": "http", "http.response.status_code": 200,
        "http.route": "/items/{id}", "network.protocol.version": "1.1",
    }  # fmt: skip
    (told,) = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert "installed a meter provider, opentelemetry.sdk.metrics" in told


def test_a_provider_that_comes_later_has_those_from_the_next_export_on(monkeypatch, capsys):
    with recording({"metrics": {"exporter": "console"}}) as rec:
        assert state.meter is not None
        state.meter.server(REQUEST, 0.1)
        reader = install(monkeypatch)
        assert rec.tracing.force_flush(5)
        assert capsys.readouterr().err.count('"count":"1"') == 1
        state.meter.server(REQUEST, 0.2)
        assert rec.tracing.force_flush(5)
    assert '"count"' not in capsys.readouterr().err
    assert [point.sum for point in counts(reader)[HTTP_SERVER.name]] == [0.2]


def test_the_programs_views_apply(monkeypatch):
    reader = install(monkeypatch, View(instrument_type=Histogram, aggregation=DropAggregation()))
    with recording({"metrics": {"exporter": "console"}}):
        assert state.meter is not None
        state.meter.server(REQUEST, 0.1)
    assert counts(reader) == {}


def test_a_provider_that_fails_is_told_and_changes_nothing(monkeypatch, caplog):
    monkeypatch.setattr(_internal, "_METER_PROVIDER", object())
    with recording({"metrics": {"exporter": "console"}}):
        assert state.meter is not None
        state.meter.server(REQUEST, 0.1)
    assert "cannot trace by the program's meter provider: AttributeError" in caplog.text


def test_without_being_asked_it_has_nothing(monkeypatch):
    reader = install(monkeypatch)
    with recording({}):
        assert state.meter is None
    assert counts(reader) == {}


def test_an_old_api_has_no_boundaries(monkeypatch):
    from devenv.tracing.metrics.programs_own import ProgramsHistogram

    class Old:
        def create_histogram(self, name: str, unit: str = "", description: str = "") -> Any:
            assert (name, unit, description) == (HTTP_SERVER.name, "s", HTTP_SERVER.description)
            return self

        def record(self, seconds: float, attributes: dict[str, Any]) -> None:
            self.recorded = (seconds, attributes["http.route"])

    old = Old()
    ProgramsHistogram(old, HTTP_SERVER).record(REQUEST, 0.1)
    assert old.recorded == (0.1, "/items/{id}")
