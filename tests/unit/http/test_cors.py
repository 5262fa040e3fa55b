"""Which pages of other origins may call a server, and what a browser is told."""

from __future__ import annotations

from collections.abc import Awaitable

import pytest

from devenv.http.browser_origins import LOOPBACK_ORIGINS, BrowserOrigins
from devenv.http.server import Guard, HttpRequest, Response, Route
from devenv.http.server.cors import CorsRouter

PAGE = "http://localhost:3000"
HOST = {"host": "127.0.0.1:4318"}


def later(request: HttpRequest) -> Awaitable[Response]:
    async def answer() -> Response:
        return Response.text("later", 400)

    return answer()


ROUTER = CorsRouter(
    [Route("POST", "/v1/traces", lambda request: Response()), Route("POST", "/later", later)],
    BrowserOrigins(LOOPBACK_ORIGINS),
)


async def answer(method: str, path: str, **headers: str) -> tuple[int, dict[str, str]]:
    fields = {name.replace("_", "-"): value for name, value in headers.items()}
    found = ROUTER.resolve(HttpRequest(method, path, "", fields))
    if not isinstance(found, Response):
        handler, request = found
        made = handler(request)
        found = made if isinstance(made, Response) else await made
    return found.status, dict(found.headers)


@pytest.mark.parametrize(
    ("origin", "allowed"),
    [
        ("http://localhost", True),
        ("http://localhost:3000", True),
        ("https://127.0.0.1:8443", True),
        ("http://[::1]:5173", True),
        ("https://SHOP.test", True),
        ("https://a.b.shop.test", True),
        ("https://any.port:99", True),
        ("https://any.port", False),
        ("http://shop.test", False),
        ("https://shop.test.evil.test", False),
        ("https://evilshop.test", False),
        ("http://localhost.evil.test:3000", False),
        ("null", False),
    ],
)
def test_which_origins_are_allowed(origin: str, allowed: bool) -> None:
    listed = ("https://shop.test", "https://*.shop.test", "https://any.port:*")
    assert BrowserOrigins((*LOOPBACK_ORIGINS, *listed)).allows(origin) is allowed


def test_the_part_for_the_star_does_not_overlap() -> None:
    assert not BrowserOrigins(["https://ab*ba.test"]).allows("https://aba.test")
    assert BrowserOrigins(["*"]).allows("null")


async def test_a_browser_is_told_before_it_sends() -> None:
    asked = {"access_control_request_method": "POST", "access_control_request_headers": "content-type, traceparent"}
    status, headers = await answer("OPTIONS", "/v1/traces", origin=PAGE, **asked)
    assert status == 204
    assert headers == {
        "Access-Control-Allow-Origin": PAGE,
        "Access-Control-Allow-Credentials": "true",
        "Access-Control-Allow-Methods": "POST",
        "Access-Control-Allow-Headers": "content-type, traceparent",
        "Access-Control-Max-Age": "600",
        "Vary": "Origin",
    }


@pytest.mark.parametrize("names", ["a\r\nx: y", "", "a, (b)", "a,,b"])
async def test_what_is_no_list_of_names_is_not_repeated(names: str) -> None:
    asked = {"access_control_request_method": "POST", "access_control_request_headers": names}
    _, headers = await answer("OPTIONS", "/v1/traces", origin=PAGE, **asked)
    assert "Access-Control-Allow-Headers" not in headers


@pytest.mark.parametrize(("path", "status"), [("/v1/traces", 200), ("/later", 400), ("/other", 404)])
async def test_each_answer_can_be_read(path: str, status: int) -> None:
    found, headers = await answer("POST", path, origin=PAGE)
    assert (found, headers["Access-Control-Allow-Origin"], headers["Vary"]) == (status, PAGE, "Origin")


@pytest.mark.parametrize("origin", ["", "https://evil.test"])
async def test_others_are_told_nothing(origin: str) -> None:
    headers = {"origin": origin} if origin else {}
    for method, status in (("OPTIONS", 405), ("POST", 200)):
        found, told = await answer(method, "/v1/traces", access_control_request_method="POST", **headers)
        assert found == status
        assert not any(name.startswith("Access-Control") for name in told)


def test_the_guard_lets_the_pages_of_these_origins_in_and_no_others() -> None:
    guard = Guard((), BrowserOrigins([*LOOPBACK_ORIGINS, "https://shop.test"]))
    for origin in ("https://shop.test", "http://localhost:3000"):
        assert guard.refusal("POST", {**HOST, "origin": origin, "sec-fetch-site": "cross-site"}) is None
    assert guard.refusal("POST", {**HOST, "origin": "https://evil.test"}) is not None
    assert guard.refusal("POST", {**HOST, "sec-fetch-site": "cross-site"}) is not None
    assert guard.refusal("POST", {"host": "evil.test", "origin": "https://shop.test"}) is not None
    assert Guard().refusal("POST", {**HOST, "origin": "https://shop.test"}) is not None
