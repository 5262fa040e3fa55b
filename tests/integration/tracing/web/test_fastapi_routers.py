"""Routes of routers that FastAPI includes: newer versions do not copy them, and note a route without the prefix."""

from __future__ import annotations

import httpx
import pytest
from fastapi import APIRouter, FastAPI

from devenv.tracing.integrations import asgi_servers

inner = APIRouter(prefix="/inner")
inner.add_api_route("", lambda: 1)
inner.add_api_route("/{number}", lambda number: number)
outer = APIRouter()
outer.add_api_route("", lambda: 1)
outer.add_api_route("/items/{item}", lambda item: item)
outer.include_router(inner)

BELOW = ["", "/items/{item}", "/inner", "/inner/{number}"]


@pytest.mark.parametrize(("mount", "path"), [("", ""), ("/mounted", "/mounted"), ("/t/{tenant}", "/t/7")])
async def test_the_route_has_the_prefixes(rec, patched, mount, path):
    asgi_servers.instrument_fastapi()
    asgi_servers.instrument_starlette()
    app = FastAPI()
    app.include_router(outer, prefix="/shop/{place}")
    app.get("/own/{item}")(lambda item: item)
    if mount:
        above = FastAPI()
        above.mount(mount, app)
        app = above
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://shop.test") as client:
        for below in BELOW:
            given = f"{path}/shop/here{below.replace('{item}', 'pen').replace('{number}', '1')}"
            assert (await client.get(given)).status_code == 200
        assert (await client.get(f"{path}/own/pen")).status_code == 200
    expected = [f"{mount}/shop/{{place}}{below}" for below in BELOW] + [f"{mount}/own/{{item}}"]
    assert [span.attributes.get("http.route") for span in rec.spans()] == expected
    assert [span.name for span in rec.spans()] == [f"GET {route}" for route in expected]
