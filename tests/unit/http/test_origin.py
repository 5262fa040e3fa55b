"""Base URLs and endpoints."""

from __future__ import annotations

import pytest

from devenv.http.origin import Origin, split_endpoint


@pytest.mark.parametrize(
    ("url", "origin", "authority"),
    [
        ("http://h", Origin("http", "h", 80), "h"),
        ("https://h/base/", Origin("https", "h", 443, "/base"), "h"),
        ("http://[::1]:8080/a", Origin("http", "::1", 8080, "/a"), "[::1]:8080"),
        ("https://h:80", Origin("https", "h", 80), "h:80"),
    ],
)
def test_origins(url: str, origin: Origin, authority: str) -> None:
    assert Origin.parse(url) == origin
    assert origin.authority == authority


@pytest.mark.parametrize("url", ["", "h:80", "ftp://h", "http://", "/path"])
def test_what_is_no_base_url(url: str) -> None:
    with pytest.raises(ValueError, match="not an http"):
        Origin.parse(url)


@pytest.mark.parametrize(
    ("endpoint", "host", "port"),
    [
        ("http://jaeger:4318/v1/traces", "jaeger", 4318),
        ("jaeger:4317", "jaeger", 4317),
        ("[::1]:4317", "::1", 4317),
        ("//jaeger:4317", "jaeger", 4317),
        ("jaeger", "jaeger", None),
    ],
)
def test_an_endpoint_needs_no_scheme(endpoint: str, host: str, port: int | None) -> None:
    parts = split_endpoint(endpoint)
    assert (parts.hostname, parts.port) == (host, port)


@pytest.mark.parametrize("url", ["http://h:port", "http://h:99999", "http://[::1"])
def test_a_port_or_address_that_is_not_valid(url: str) -> None:
    with pytest.raises(ValueError, match=r"Port|port|URL"):
        Origin.parse(url)
