"""A backend that wants a token: who gets in, and what a link of `devenv open` may lead to."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlencode

import pytest

from devenv.backend.access import LINK_SECONDS, Access, ClosedRouter
from devenv.http.server import HttpRequest, Response, Route

TOKEN = "t" * 43


class Closed:
    """A router with one page and one query, behind a token, with its own clock."""

    def __init__(self) -> None:
        self.now = 0.0
        routes = [
            Route("GET", "/search", lambda request: Response.text("page")),
            Route("GET", "/api/services", lambda request: Response.json({"data": ["a"]})),
        ]
        self.router = ClosedRouter(routes, Access(TOKEN, "devenv-16686", now=lambda: self.now))

    def ask(self, path: str, method: str = "GET", query: str = "", **headers: str) -> Response:
        resolved = self.router.resolve(HttpRequest(method, path, query, headers))
        if isinstance(resolved, Response):
            return resolved
        handler, request = resolved
        answer = handler(request)
        assert isinstance(answer, Response)
        return answer

    def code(self) -> str:
        answer = self.ask("/api/devenv/links", "POST", authorization=f"Bearer {TOKEN}")
        return str(body(answer)["code"])

    def login(self, code: str, target: str = "/search") -> Response:
        return self.ask("/login", query=urlencode({"code": code, "next": target}))


def body(answer: Response) -> Any:
    assert isinstance(answer.body, bytes)
    return json.loads(answer.body)


def header(answer: Response, name: str) -> str:
    return dict(answer.headers).get(name, "")


@pytest.fixture
def closed() -> Closed:
    return Closed()


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"authorization": "Bearer "},
        {"authorization": f"Bearer {TOKEN}x"},
        {"authorization": f"Bearer {TOKEN[:-1]}"},
        {"authorization": f"Basic {TOKEN}"},
        {"authorization": TOKEN},
        {"authorization": "Bearer \udcff"},
        {"cookie": f"devenv-16686={TOKEN}"},
        {"cookie": "devenv-16686="},
    ],
)
@pytest.mark.parametrize("path", ["/search", "/", "/nosuch", "/api/services", "/api/v3/services", "/api/devenv/links"])
def test_nobody_else_gets_in(closed: Closed, headers: dict[str, str], path: str) -> None:
    """The attacker is another user of this machine, who can connect to the port and send anything."""
    for method in ("GET", "HEAD", "POST", "DELETE"):
        answer = closed.ask(path, method, **headers)
        assert answer.status == 401, (method, path)
        assert header(answer, "WWW-Authenticate").startswith("Bearer")


def test_the_refusal_has_the_form_of_its_api(closed: Closed) -> None:
    (legacy,) = body(closed.ask("/api/services"))["errors"]
    assert legacy["code"] == 401
    assert "devenv open" in legacy["msg"]
    assert body(closed.ask("/api/v3/services"))["error"]["httpCode"] == 401
    page = closed.ask("/search")
    assert page.content_type.startswith("text/plain")
    assert isinstance(page.body, bytes)
    assert b"devenv open jaeger" in page.body


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER "])
def test_the_token_opens(closed: Closed, scheme: str) -> None:
    answer = closed.ask("/api/services", authorization=f"{scheme} {TOKEN}")
    assert (answer.status, body(answer)) == (200, {"data": ["a"]})


def test_a_link_lets_a_browser_in_once(closed: Closed) -> None:
    code = closed.code()
    answer = closed.login(code, "/trace/abc?x=1")
    assert (answer.status, header(answer, "Location")) == (302, "/trace/abc?x=1")
    cookie = header(answer, "Set-Cookie")
    assert cookie.endswith("; Path=/; HttpOnly; SameSite=Lax")
    assert TOKEN not in cookie, "the browser sends the cookie to other ports of this host as well"
    pair = cookie.partition(";")[0]
    assert closed.ask("/search", cookie=f"other=1; {pair}").status == 200
    assert closed.ask("/search", cookie=pair.replace("16686", "16687")).status == 401
    again = closed.login(code)
    assert (again.status, header(again, "Set-Cookie")) == (401, "")


def test_a_link_grows_old(closed: Closed) -> None:
    code = closed.code()
    closed.now = LINK_SECONDS
    assert closed.login(code).status == 401
    assert closed.login("").status == 401


def test_links_are_bounded(closed: Closed) -> None:
    codes = [closed.code() for _ in range(150)]
    assert len(set(codes)) == 150
    assert closed.login(codes[0]).status == 401
    assert closed.login(codes[-1]).status == 302


@pytest.mark.parametrize(
    "target", ["//evil.example/", "/\\evil.example", "https://evil.example", "/a\r\nSet-Cookie: x=1", "x", "/a b", "/é"]
)
def test_a_link_leads_nowhere_else(closed: Closed, target: str) -> None:
    answer = closed.login(closed.code(), target)
    assert (answer.status, header(answer, "Location")) == (302, "/")
