"""Requests as bytes."""

from __future__ import annotations

import pytest

from devenv.http.request_bytes import request_bytes


def test_a_request_without_a_body() -> None:
    assert request_bytes("GET", "/a?b", {"host": "h:1", "x": "y"}) == b"GET /a?b HTTP/1.1\r\nhost: h:1\r\nx: y\r\n\r\n"


@pytest.mark.parametrize(
    ("method", "body", "length"),
    [("POST", b"", b"0"), ("PUT", b"ab", b"2"), ("PATCH", b"", b"0"), ("DELETE", b"abc", b"3")],
)
def test_a_body_has_its_length(method: str, body: bytes, length: bytes) -> None:
    data = request_bytes(method, "/", {"host": "h"}, body)
    assert data == method.encode() + b" / HTTP/1.1\r\nhost: h\r\ncontent-length: " + length + b"\r\n\r\n" + body
