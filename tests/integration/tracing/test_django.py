"""Django by WSGI and by ASGI, in separate servers run by `devenv run`: one server span per request."""

from __future__ import annotations

import sys
import textwrap

import pytest
from traced_programs import CLI, clean, serving

PROJECT = """
    import os, sys
    import django
    from django.conf import settings
    from django.core.asgi import get_asgi_application
    from django.core.wsgi import get_wsgi_application
    from django.http import HttpResponse, StreamingHttpResponse
    from django.urls import include, path, re_path

    settings.configure(
        DEBUG=False, SECRET_KEY="not a secret", ALLOWED_HOSTS=["*"], ROOT_URLCONF=__name__, USE_TZ=True,
        MIDDLEWARE=["django.middleware.common.CommonMiddleware"], LOGGING_CONFIG=None,
        WSGI_APPLICATION=__name__ + ".wsgi", INSTALLED_APPS=[],
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
    )

    def item(request, number):
        from django.db import connection
        with connection.cursor() as cursor:
            cursor.execute("SELECT %s", [number])
        return HttpResponse(str(number))

    async def waited(request):
        return HttpResponse("waited")

    def streamed(request):
        return StreamingHttpResponse(iter([b"a", b"b"]))

    def fails(request):
        raise ValueError("broken on purpose")

    def refuses(request):
        return HttpResponse(status=503)

    urlpatterns = [
        path("shop/", include([path("items/<int:number>/", item)])),
        path("waited/", waited),
        path("streamed/", streamed),
        re_path(r"^fails/(?P<how>[a-z]+)/$", lambda request, how: fails(request)),
        path("refuses/", refuses),
    ]
    application = wsgi = get_wsgi_application()
    asgi = get_asgi_application()
    if __name__ == "__main__":
        from django.core.management import execute_from_command_line
        execute_from_command_line(sys.argv)
"""
SERVERS = {
    "runserver": ("manage.py", "runserver", "--noreload", "{port}"),
    "runserver with reloader": ("manage.py", "runserver", "{port}"),
    "gunicorn": ("-m", "gunicorn", "manage:wsgi", "--bind", "127.0.0.1:{port}"),
    "uvicorn": ("-m", "uvicorn", "manage:asgi", "--port", "{port}"),
    "uvicorn by wsgi": ("-m", "uvicorn", "manage:wsgi", "--port", "{port}", "--interface", "wsgi"),
}


@pytest.fixture
def project(tmp_path):
    folder = tmp_path / "orders"
    folder.mkdir()
    (folder / "manage.py").write_text(textwrap.dedent(PROJECT))
    return folder


@pytest.mark.parametrize("kind", SERVERS)
def test_one_server_span_a_request_with_route_status_and_error(collector, project, kind):
    paths = ("/shop/items/7/?token=abc", "/waited/", "/streamed/", "/fails/badly/", "/refuses/", "/nothing/")
    command = (*CLI, "run", "--", sys.executable, *SERVERS[kind])
    with serving(command, project, clean(OTEL_EXPORTER_OTLP_ENDPOINT=collector.url)) as server:
        statuses = [server.get(path)[0] for path in paths]
        collector.wait(lambda: len([s for s in collector.spans() if s.kind == "server"]) >= len(paths))
        server.stop()
    assert statuses == [200, 200, 200, 500, 503, 404], server.log.read_text()
    spans = [span for span in collector.spans() if span.kind == "server"]
    assert [span.name for span in spans] == [
        "GET /shop/items/<int:number>/",
        "GET /waited/",
        "GET /streamed/",
        "GET /fails/(?P<how>[a-z]+)/$",
        "GET /refuses/",
        "GET",
    ]
    assert [span.attributes["http.response.status_code"] for span in spans] == statuses
    assert [span.status for span in spans] == ["unset", "unset", "unset", "error", "error", "unset"]
    item, _, _, failed, refused, _ = spans
    assert {span.resource["service.name"] for span in spans} == {"orders"}
    assert len({span.trace_id for span in spans}) == len(spans)
    assert item.attributes["http.route"] == "/shop/items/<int:number>/"
    assert "abc" not in item.attributes["url.query"]
    assert failed.attributes["error.type"] == "ValueError"
    (event,) = failed.events
    assert (event[0], event[1]["exception.message"]) == ("exception", "broken on purpose")
    assert (refused.attributes["error.type"], refused.events) == ("503", ())
    # Others than the view's are of no request: runserver looks for migrations as it starts.
    (statement,) = [span for span in collector.spans() if span.kind == "client" and span.trace_id == item.trace_id]
    assert (statement.name, statement.parent_id) == ("SELECT", item.span_id)
    assert statement.attributes["db.system.name"] == "sqlite"
    assert "7" not in statement.attributes["db.query.text"]


@pytest.mark.parametrize("flags", ["00", "01"])
@pytest.mark.parametrize("kind", ["runserver", "uvicorn"])
def test_the_callers_decision_is_followed(collector, project, kind, flags):
    trace = "0af7651916cd43dd8448eb211c80319c"
    command = (*CLI, "run", "--", sys.executable, *SERVERS[kind])
    with serving(command, project, clean(OTEL_EXPORTER_OTLP_ENDPOINT=collector.url)) as server:
        assert server.get("/waited/", {"traceparent": f"00-{trace}-b7ad6b7169203331-{flags}"})[0] == 200
        server.get("/refuses/")
        collector.wait(lambda: any(span.name == "GET /refuses/" for span in collector.spans()))
    found = [span for span in collector.spans() if span.trace_id == trace]
    assert [(span.name, span.parent_id) for span in found] == [("GET /waited/", "b7ad6b7169203331")] * int(flags)
