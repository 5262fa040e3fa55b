"""The application of the situations with Django, by WSGI and by ASGI."""

from __future__ import annotations

from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.http import HttpResponse, HttpResponseRedirect, StreamingHttpResponse
from django.urls import include, path
from side_by_side.situations import broken, work

if not settings.configured:
    settings.configure(
        ALLOWED_HOSTS=["*"],
        INSTALLED_APPS=[],
        LOGGING_CONFIG=None,
        MIDDLEWARE=["side_by_side.app_django.failing"],
        ROOT_URLCONF="side_by_side.app_django",
        SECRET_KEY="not a secret",
    )


def make(hand=False):
    """Return the application, traced by hand if asked for."""
    from django.core.wsgi import get_wsgi_application

    app = get_wsgi_application()
    if not hand:
        return app
    from devenv import tracing

    return tracing.WSGIMiddleware(app)


def make_asgi():
    """Return the application for ASGI servers."""
    from django.core.asgi import get_asgi_application

    return get_asgi_application()


def failing(get_response):
    """A middleware that fails for one path."""

    def call(request):
        if request.path == "/middleware":
            broken()
        return get_response(request)

    return call


class Closing(HttpResponse):
    """Does its work when the response has been sent."""

    def close(self):
        super().close()
        with work("after"):
            pass


def ok(request, **parameters):
    with work():
        return HttpResponse("ok")


def fails(request):
    broken()


def refused(request):
    raise PermissionDenied


def busy(request):
    return HttpResponse("busy", status=503)


def moved(request):
    return HttpResponseRedirect("/ok")


def streamed(request):
    def parts():
        with work("part"):
            yield b"a"
        yield b"b"

    return StreamingHttpResponse(parts())


def upload(request):
    return HttpResponse(str(len(request.body)))


urlpatterns = [
    path("ok", ok),
    path("fails", fails),
    path("refused", refused),
    path("busy", busy),
    path("moved", moved),
    path("streamed", streamed),
    path("endless", streamed),
    path("background", lambda request: Closing("ok")),
    path("below/", include([path("inner/<str:key>", ok)])),
    path("items/<int:number>", ok),
    path("upload", upload),
]
