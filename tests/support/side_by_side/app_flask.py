"""The application of the situations with Flask."""

from __future__ import annotations

import flask
from side_by_side.situations import broken, work
from werkzeug.middleware.dispatcher import DispatcherMiddleware


def make(hand=False):
    """Return the application, traced by hand if asked for."""
    app, below = flask.Flask("shop"), flask.Flask("below")
    below.add_url_rule("/inner/<key>", view_func=ok)
    for path, view in PLAIN.items():
        app.add_url_rule(path, view_func=view)
    app.add_url_rule("/items/<int:number>", view_func=ok, endpoint="item")
    app.add_url_rule("/upload", view_func=upload, methods=["POST"])
    app.wsgi_app = DispatcherMiddleware(failing(app.wsgi_app), {"/below": below})
    if hand:
        from devenv import tracing

        app.wsgi_app = tracing.WSGIMiddleware(app.wsgi_app)
    return app


def failing(application):
    """A middleware that fails for one path."""

    def call(environ, start_response):
        if environ["PATH_INFO"] == "/middleware":
            broken()
        return application(environ, start_response)

    return call


def ok(**parameters):
    with work():
        return "ok"


def fails():
    broken()


def refused():
    flask.abort(403)


def busy():
    return "busy", 503


def moved():
    return flask.redirect("/ok")


def streamed():
    def parts():
        with work("part"):
            yield b"a"
        yield b"b"

    return flask.Response(parts())


def background():
    response = flask.Response("ok")

    def after():
        with work("after"):
            pass

    response.call_on_close(after)
    return response


def endless():
    return streamed()


def upload():
    return str(len(flask.request.get_data()))


PLAIN = {f"/{view.__name__}": view for view in (ok, fails, refused, busy, moved, streamed, endless, background)}
