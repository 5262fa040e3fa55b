"""The frame of every page: head, navigation, style, and the content security policy."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import AsyncGenerator, Iterable, Iterator
from contextlib import aclosing
from hashlib import sha256
from itertools import chain, islice

from devenv.dashboard.sheet import style_sheet
from devenv.drawing.markup import Child, Markup, element, join
from devenv.drawing.shapes import sprite
from devenv.http.server import Response
from devenv.http.server.message import HTML
from devenv.immutable import immutable

STYLE = style_sheet()
# Nothing from other origins, no scripts, no frames; the only style sheet is allowed by its hash.
POLICY = (
    f"default-src 'none'; style-src 'sha256-{b64encode(sha256(STYLE.encode()).digest()).decode()}'; "
    "img-src data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
# An empty image avoids the browser's request for /favicon.ico.
_ICON = "data:,"
_HEADERS = (("Content-Security-Policy", POLICY), ("Referrer-Policy", "same-origin"))
# Content cannot contain a control character: it is replaced there.
_GAP = Markup("\x00")
_PARTS = 50
_NAVIGATION = (("Traces", "/search"), ("Map", "/dependencies"))


@immutable()
class Frame:
    """What is around the content of a page.

    Attributes:
        title: the title of the window.
        place: the address of the page in the navigation to which this one belongs; empty for none.
        wide: whether the content is as wide as the window, as waterfalls and maps are.
    """

    title: str
    place: str
    wide: bool = False


def page(frame: Frame, *content: Child, status: int = 200) -> Response:
    """A whole page."""
    return Response.html(_text(frame, *content), status, _HEADERS)


def long_page(frame: Frame, pieces: Iterable[bytes]) -> Response:
    """A page whose content is in pieces (:func:`in_pieces`); other requests are served between them."""
    top, bottom = _ends(frame)
    return Response(200, chain([top], pieces, [bottom]), HTML, _HEADERS)


def framed(frame: Frame, content: AsyncGenerator[bytes]) -> Response:
    """A page whose content arrives in pieces; its head is sent before the first of them."""
    return Response(200, _framed(frame, content), HTML, _HEADERS)


def in_pieces(before: Child, parts: Iterable[Markup], class_: str = "spans") -> Iterator[bytes]:
    """An element with many parts, and what is before it, in pieces; empty ones are pauses."""
    top, bottom = join(before, element("div", _GAP, class_=class_)).split(_GAP)
    yield top.encode("utf-8", "replace")
    left = iter(parts)
    while some := list(islice(left, _PARTS)):
        yield "".join(some).encode("utf-8", "replace")
        yield b""
    yield bottom.encode()


async def _framed(frame: Frame, content: AsyncGenerator[bytes]) -> AsyncGenerator[bytes]:
    top, bottom = _ends(frame)
    yield top
    async with aclosing(content):
        async for piece in content:
            yield piece
    yield bottom


def _ends(frame: Frame) -> tuple[bytes, bytes]:
    top, bottom = _text(frame, _GAP).split(_GAP)
    return top.encode("utf-8", "replace"), bottom.encode()


def _text(frame: Frame, *content: Child) -> str:
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", name="viewport", content="width=device-width,initial-scale=1"),
        element("title", f"{frame.title} · devenv"),
        element("link", rel="icon", href=_ICON),
        Markup(f"<style>{STYLE}</style>"),
    )
    links = (
        element("a", name, href=address, aria_current="page" if address == frame.place else None)
        for name, address in _NAVIGATION
    )
    body = element(
        "body",
        element("a", "Skip to the content", href="#main", class_="skip"),
        sprite(),
        element("header", element("strong", "devenv"), element("nav", *links, aria_label="Pages")),
        element("main", *content, id="main", class_="wide" if frame.wide else None),
    )
    return join(Markup("<!doctype html>"), element("html", head, body, lang="en"))
