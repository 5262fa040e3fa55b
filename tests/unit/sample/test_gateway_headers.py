"""Which headers the sample's gateway passes on, and how it reads its table of routes."""

from __future__ import annotations

from pathlib import Path

import pytest

from chassis.config import Config, ConfigMistake
from gateway.composed import extended_profile, profile, profile_with
from gateway.headers import HOP_BY_HOP, request_headers, response_headers
from gateway.routes import ProxiedRoute, read_included, read_routes


@pytest.mark.parametrize("name", sorted(HOP_BY_HOP))
def test_hop_by_hop_headers_end_at_the_gateway(name: str) -> None:
    raw = [(name.upper().encode(), b"x"), (b"accept", b"text/html")]
    assert dict(request_headers(raw)) == {"accept": "text/html"}
    assert response_headers(raw) == [(b"accept", b"text/html")]


def test_headers_that_connection_names_end_there_too() -> None:
    raw = [(b"Connection", b"close, X-Private"), (b"connection", b"x-other"), (b"x-private", b"1"), (b"x-other", b"1")]
    assert response_headers([*raw, (b"x-kept", b"1")]) == [(b"x-kept", b"1")]


@pytest.mark.parametrize(
    "name", ["host", "traceparent", "tracestate", "baggage", "x-account-id", "x-request-id", "x-forwarded-for"]
)
def test_what_the_gateway_says_itself_is_not_taken_from_the_caller(name: str) -> None:
    assert not request_headers([(name.encode(), b"forged")])


def test_repeated_headers_stay_repeated_and_in_order() -> None:
    raw = [(b"Accept", b"a"), (b"X-B", b"1"), (b"accept", b"b")]
    assert list(request_headers(raw).items()) == [("accept", "a"), ("x-b", "1"), ("accept", "b")]
    cookies = [(b"Set-Cookie", b"a=1"), (b"Set-Cookie", b"b=2")]
    assert response_headers(cookies) == [(b"set-cookie", b"a=1"), (b"set-cookie", b"b=2")]


def routes(text: str, tmp_path: Path) -> tuple[ProxiedRoute, ...]:
    path = tmp_path / "config.yaml"
    path.write_text(text)
    return read_routes(Config.read(path, {}), {"auth", "user"})


def test_the_longest_prefix_comes_first(tmp_path: Path) -> None:
    table = routes(
        "routes: [{prefix: /api/, upstream: auth}, {prefix: /api/u, upstream: user, path: /u/, authenticate: true}]",
        tmp_path,
    )
    assert table == (ProxiedRoute("/api/u", "user", "/u", True), ProxiedRoute("/api", "auth", "", False))


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("{prefix: api, upstream: auth}", "starts with /"),
        ("{upstream: auth}", "starts with /"),
        ("{prefix: /api, upstream: orders}", r"no upstream 'orders'; there are \['auth', 'user'\]"),
        ("{prefix: /api}", "no upstream"),
        ("{prefix: /api, upstream: auth, authenticated: true}", "unknown key 'authenticated'"),
        ("7", "expected a list of mappings"),
    ],
)
def test_a_row_that_cannot_be_is_refused(row: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigMistake, match=message):
        routes(f"routes: [{row}]", tmp_path)


def included(text: str, tmp_path: Path) -> tuple[str, ...]:
    path = tmp_path / "config.yaml"
    path.write_text(text)
    return read_included(Config.read(path, {}), {"auth", "user", "profile"})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: 1", ()),
        ("profile: {}", ()),
        ("profile: {include: }", ()),
        ("profile: {include: [user, auth, user]}", ("user", "auth")),
    ],
)
def test_the_profile_includes_what_is_listed(text: str, expected: tuple[str, ...], tmp_path: Path) -> None:
    assert included(text, tmp_path) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("profile: {include: user}", "found 'user', expected a list"),
        ("profile: {include: [orders]}", r"no upstream 'orders'; there are \['auth', 'user'\]"),
        ("profile: {include: [profile]}", "no upstream 'profile'"),
        ("profile: [user]", "expected a mapping"),
    ],
)
def test_an_inclusion_that_cannot_be_is_refused(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigMistake, match=message):
        included(text, tmp_path)


def test_a_profile_that_includes_nothing_costs_nothing_more() -> None:
    """It is the benchmarked route: no span, no parsing, no gathering."""
    assert profile_with(()) is profile
    assert profile_with(("user",)) is extended_profile
