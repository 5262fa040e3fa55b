"""OTLP JSON files: what is read, and what is said of a file that is none."""

from __future__ import annotations

import io
import json
import time
from pathlib import Path

import pytest

from devenv.app.traces import trace_files
from devenv.app.traces.exchange import verdict_code, write
from devenv.app.traces.trace_files import read
from devenv.cli.output import Output, Style
from devenv.cli.views.traces import show_import
from devenv.errors import ConfigurationError
from devenv.model.listings import ImportDocument

SPAN = {"traceId": "0af7651916cd43dd8448eb211c80319c", "spanId": "b7ad6b7169203331", "name": "GET /"}
RESOURCE = {"resource": {"attributes": []}, "scopeSpans": [{"spans": [SPAN]}]}


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    written = write({"resourceSpans": [RESOURCE]}, tmp_path / "trace.json")
    assert (written.traces, written.spans) == (1, 1)
    assert read(tmp_path / "trace.json").requests == ([RESOURCE],)


def test_documents_may_stand_one_a_line(tmp_path: Path) -> None:
    line = json.dumps({"resourceSpans": [RESOURCE]})
    (tmp_path / "lines.json").write_text(f"{line}\n{line}\n\n")
    assert read(tmp_path / "lines.json").requests == ([RESOURCE, RESOURCE],)


def with_ids(trace_id: str, span_id: str) -> str:
    span = {"traceId": trace_id, "spanId": span_id, "name": "operationA"}
    return json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [SPAN, span]}]}]})


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"resourceSpans": [', "trace.json:1:20: not valid JSON"),
        ('{"resourceSpans": []}\n{"date": []}', "trace.json:2:1: found JSON of another kind"),
        ("[1, 2]", "trace.json:1:1: found JSON of another kind"),
        ('{"resourceSpans": [{"scopeSpans": [{"spans": [{"traceId": "zz", "spanId": "00"}]}]}]}', "hexadecimal IDs"),
        ('{"resourceSpans": ["x"]}', "hexadecimal IDs"),
        ("", "trace.json:1:1: found no span"),
        ('\ufeff{"resourceSpans": []}\n', "trace.json:1:1: found no span"),
        ("null", "trace.json:1:1: found JSON of another kind"),
        ('{"resourceSpans": [{"instrumentationLibrarySpans": [{"spans": [{}]}]}]}', "found no span"),
        (with_ids("", ""), "trace.json:1:1: found a span without hexadecimal IDs (traceId '' of 'operationA')"),
        (with_ids("0" * 32, "1" * 16), f"(traceId '{'0' * 32}' of 'operationA')"),
        (with_ids("1" * 32, "1" * 8), "(spanId '11111111' of 'operationA')"),
        (with_ids("1" * 16, "1" * 16), "(traceId '1111111111111111' of 'operationA')"),
    ],
)
def test_what_is_no_otlp_json_is_refused_with_its_place(text: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "trace.json").write_text(text)
    with pytest.raises(ConfigurationError) as caught:
        read(tmp_path / "trace.json")
    assert said in caught.value.message


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="No such file"):
        read(tmp_path / "nothing.json")
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigurationError, match="not UTF-8"):
        read(tmp_path / "binary")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"resourceSpans": []}\n' + "[" * 100_000, "trace.json:2:1: found JSON that is nested too deeply"),
        ('{"resourceSpans": []}\n' + '{"a":' * 100_000, "trace.json:2:1: found JSON that is nested too deeply"),
        ('{"resourceSpans": []}\n{"resourceSpans": ' + "9" * 5000 + "}", "trace.json:2:1: not valid JSON: a number"),
    ],
)
def test_a_hostile_file_is_refused_with_its_line(text: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "trace.json").write_text(text)
    with pytest.raises(ConfigurationError) as caught:
        read(tmp_path / "trace.json")
    assert said in caught.value.message


@pytest.mark.slow
def test_many_documents_take_linear_time(tmp_path: Path) -> None:
    line = json.dumps({"resourceSpans": [RESOURCE]})
    took = {}
    for count in (10_000, 60_000):
        (tmp_path / "lines.json").write_text(f"{line}\n" * count)
        started = time.process_time()
        assert read(tmp_path / "lines.json").spans == count
        took[count] = time.process_time() - started
    assert took[60_000] < 20 * took[10_000]
    assert took[60_000] < 5


def test_the_line_of_an_error_is_counted_over_all_documents(tmp_path: Path) -> None:
    line = json.dumps({"resourceSpans": [RESOURCE]}, indent=1)
    (tmp_path / "lines.json").write_text(f"{line}\n\n" * 1000 + "{}")
    with pytest.raises(
        ConfigurationError, match=rf"lines.json:{1000 * (line.count(chr(10)) + 2) + 1}:1: found JSON of"
    ):
        read(tmp_path / "lines.json")


def test_a_file_over_the_limit_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trace_files, "MAX_BYTES", 1 << 20)
    (tmp_path / "trace.json").write_text(" " * (1 << 20) + "{}")
    with pytest.raises(ConfigurationError, match="found more than 1 MiB, expected less"):
        read(tmp_path / "trace.json")
    with pytest.raises(ConfigurationError, match="found more than 1 MiB, expected less"):
        read(Path("/dev/zero"))


@pytest.mark.parametrize(
    ("refused", "reason", "line", "code"),
    [
        (0, "", None, 0),
        (2, "too large", "The trace backend refused 2 spans of these: too large", 1),
        (1, "", "The trace backend refused 1 span of these: no reason given", 1),
        (0, "old field", "The trace backend accepted all of these, with a warning: old field", 0),
    ],
)
def test_spans_that_the_backend_refused_are_counted(refused: int, reason: str, line: str | None, code: int) -> None:
    document = ImportDocument(traces=["a"], spans=3, ui_urls=[], refused=refused, refused_reason=reason)
    out = io.StringIO()
    show_import(document, Output(style=Style(), stdout=out, stderr=io.StringIO(), live=False, colour=False))
    assert out.getvalue().splitlines()[1:] == ([line] if line else [])
    assert verdict_code(document) == code
