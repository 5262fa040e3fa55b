"""Code that the sample's services share, without a server."""

from __future__ import annotations

import asyncio
import io
import json
import logging
from pathlib import Path

import pytest

from chassis.config import Config, ConfigMistake
from chassis.json_requests import text_field
from chassis.logs import REQUEST_ID, JsonLines
from chassis.passwords import hash_password, verify_password
from chassis.problems import Problem
from chassis.upstream import upstream_urls


def config(text: str, tmp_path: Path, **environment: str) -> Config:
    path = tmp_path / "config.yaml"
    path.write_text(text)
    return Config.read(path, environment)


def test_a_value_comes_from_the_file_unless_its_variable_is_set(tmp_path: Path) -> None:
    text = "server: {port: 8080}"
    assert config(text, tmp_path).number("server.port", "PORT") == 8080
    assert config(text, tmp_path, PORT="9").number("server.port", "PORT") == 9
    assert config(text, tmp_path, PORT="").number("server.port", "PORT") == 8080


@pytest.mark.parametrize(
    ("text", "key", "message"),
    [
        ("server: {port: x}", "server.port", "server.port: found 'x', expected a number"),
        ("server: {}", "server.port", "server.port is missing"),
        ("server: 3", "server.port", "server.port is missing"),
    ],
)
def test_a_mistake_names_the_file_and_the_key(text: str, key: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigMistake) as caught:
        config(text, tmp_path).number(key)
    assert str(caught.value) == f"{tmp_path / 'config.yaml'}: {message}"


@pytest.mark.parametrize("text", ["[1, 2]", "a: [", "just text"])
def test_what_is_no_mapping_is_refused(text: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigMistake, match=r"config\.yaml: "):
        config(text, tmp_path)


def test_upstreams_are_taken_from_the_environment_first(tmp_path: Path) -> None:
    text = "upstreams: {auth: 'http://127.0.0.1:1', price-list: 'http://127.0.0.1:2'}"
    urls = upstream_urls(config(text, tmp_path, PRICE_LIST_URL="http://price-list:8000/base"))
    assert {name: str(url) for name, url in urls.items()} == {
        "auth": "http://127.0.0.1:1",
        "price-list": "http://price-list:8000/base",
    }


@pytest.mark.parametrize("url", ["user:8082", "ftp://user", "http://", ""])
def test_an_upstream_that_is_no_http_url_is_refused(url: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigMistake, match="USER_URL"):
        upstream_urls(config(f"upstreams: {{user: '{url}'}}", tmp_path))


def record(level: int = logging.INFO, error: BaseException | None = None) -> logging.LogRecord:
    return logging.LogRecord("x", level, "", 0, "two\n%s", ("lines",), (type(error), error, None) if error else None)


def test_a_log_line_is_one_json_object_with_the_request() -> None:
    stream = io.StringIO()
    said = record()
    said.fields = {"path": "/"}
    token = REQUEST_ID.set("r1")
    try:
        JsonLines("auth", stream).handle(said)
    finally:
        REQUEST_ID.reset(token)
    assert stream.getvalue().count("\n") == 1
    line = json.loads(stream.getvalue())
    assert line["message"] == "two\nlines"
    assert (line["service"], line["level"], line["path"], line["request_id"]) == ("auth", "info", "/", "r1")
    assert "trace_id" not in line


async def test_lines_wait_for_company_unless_one_is_a_warning() -> None:
    stream = io.StringIO()
    lines = JsonLines("auth", stream)
    lines.request("GET", "/1", 200, 0.5)
    lines.handle(record())
    assert not stream.getvalue()
    lines.handle(record(logging.ERROR, ValueError("broken")))
    written = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [line["level"] for line in written] == ["info", "info", "error"]
    assert "ValueError: broken" in written[2]["exception"]


async def test_what_waits_is_written_soon() -> None:
    written = asyncio.Event()

    class Stream(io.StringIO):
        def flush(self) -> None:
            written.set()

    stream = Stream()
    JsonLines("auth", stream).request("GET", "/1", 200, 0.5)
    await asyncio.wait_for(written.wait(), 5)
    assert json.loads(stream.getvalue())["path"] == "/1"


def test_a_password_matches_its_own_hash_only() -> None:
    stored = hash_password("correct horse")
    assert verify_password("correct horse", stored)
    assert not verify_password("correct horsf", stored)
    assert "correct" not in stored
    assert hash_password("correct horse") != stored


def test_a_hash_of_another_kind_is_an_error() -> None:
    with pytest.raises(ValueError, match="another kind"):
        verify_password("x", "md5$1$1$1$AA==$AA==")


@pytest.mark.parametrize("value", [None, "", "  ", 3, ["x"], "x" * 201])
def test_a_text_field_is_a_text_of_bounded_length(value: object) -> None:
    with pytest.raises(Problem) as caught:
        text_field({"name": value}, "name")
    assert caught.value.status == 422
    assert "x" * 201 not in caught.value.detail
