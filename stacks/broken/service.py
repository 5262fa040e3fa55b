"""Each service of the stack: it calls the services of its ``*_URL`` variables, one after the other."""

import json
import os
import urllib.request
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

CALLED = {name.removesuffix("_URL").lower(): url for name, url in os.environ.items() if name.endswith("_URL")}


def call(url: str) -> Any:
    """Return the answer of a service."""
    with urllib.request.urlopen(url, timeout=5) as response:
        return json.load(response)


def answer(request: Request) -> JSONResponse:
    """Answer with what the called services answered."""
    del request
    return JSONResponse({name: call(url) for name, url in sorted(CALLED.items())})


app = Starlette(routes=[Route("/", answer)])

if __name__ == "__main__":
    uvicorn.run(app, host=os.environ.get("HOST", "127.0.0.1"), port=int(os.environ.get("PORT", "8080")))
