"""Heads of responses, and where their bodies end."""

from __future__ import annotations

import pytest

from devenv.http.response_head import NotHttp, ResponseHead


def test_a_head_is_parsed() -> None:
    head = ResponseHead.parse(b"HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\nX-A:b\r\n\r\nno")
    assert (head.status, head.reason, head.content_length) == (404, "404 Not Found", 2)
    assert head.headers == {"content-length": "2", "x-a": "b"}
    assert not head.ends_with_connection


@pytest.mark.parametrize(
    ("head", "ends"),
    [
        (b"HTTP/1.0 200 OK\r\n\r\n", True),
        (b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nContent-Length: 9\r\n", True),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n", False),
        (b"HTTP/1.1 200 OK\r\nTRANSFER-ENCODING: chunked\r\n\r\n", False),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", False),
        (b"\r\nHTTP/1.1 103 Early Hints\r\nContent-Length: 1\r\n\r\nHTTP/1.1 200 OK\r\n\r\n", True),
    ],
)
def test_a_body_without_a_length_ends_with_the_connection(head: bytes, ends: bool) -> None:
    found = ResponseHead.parse(head)
    assert (found.status, found.ends_with_connection) == (200, ends)


@pytest.mark.parametrize("value", ["", "-1", "two", "1, 1", "\u0661"])
def test_a_length_that_is_not_a_number_is_none(value: str) -> None:
    assert ResponseHead.parse(f"HTTP/1.1 200 OK\r\nContent-Length: {value}".encode()).content_length is None


@pytest.mark.parametrize("line", [b"", b"SSH-2.0-OpenSSH", b"HTTP/1.1 abc", "HTTP/1.1 \u0662\u0660\u0660".encode()])
def test_what_is_not_http(line: bytes) -> None:
    with pytest.raises(NotHttp) as caught:
        ResponseHead.parse(line + b"\r\n\r\n")
    assert str(caught.value) == line.decode("latin-1")
