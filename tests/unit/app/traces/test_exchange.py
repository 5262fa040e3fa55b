"""OTLP JSON files: what is read, and what is said of a file that is none."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from devenv.app.traces.exchange import read, write
from devenv.errors import ConfigurationError

SPAN = {"traceId": "0af7651916cd43dd8448eb211c80319c", "spanId": "b7ad6b7169203331", "name": "GET /"}
RESOURCE = {"resource": {"attributes": []}, "scopeSpans": [{"spans": [SPAN]}]}


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    written = write({"resourceSpans": [RESOURCE]}, tmp_path / "trace.json")
    assert (written.traces, written.spans) == (1, 1)
    assert read(tmp_path / "trace.json") == [RESOURCE]


def test_documents_may_stand_one_a_line(tmp_path: Path) -> None:
    line = json.dumps({"resourceSpans": [RESOURCE]})
    (tmp_path / "lines.json").write_text(f"{line}\n{line}\n\n")
    assert read(tmp_path / "lines.json") == [RESOURCE, RESOURCE]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"resourceSpans": [', "trace.json:1:20: not valid JSON"),
        ('{"resourceSpans": []}\n{"data": []}', "trace.json:2:1: found JSON without a resourceSpans list"),
        ("[1, 2]", "trace.json:1:1: found JSON without a resourceSpans list"),
        ('{"resourceSpans": [{"scopeSpans": [{"spans": [{"traceId": "zz", "spanId": "00"}]}]}]}', "hexadecimal IDs"),
        ('{"resourceSpans": ["x"]}', "hexadecimal IDs"),
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
