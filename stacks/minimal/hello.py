"""One service without a line of tracing: `devenv up` adds it from outside."""

import os

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route


def hello(request: Request) -> PlainTextResponse:
    """Greet the caller."""
    return PlainTextResponse(f"hello, {request.query_params.get('name', 'you')}\n")


app = Starlette(routes=[Route("/", hello)])

if __name__ == "__main__":
    uvicorn.run(app, host=os.environ.get("HOST", "127.0.0.1"), port=int(os.environ.get("PORT", "8080")))
