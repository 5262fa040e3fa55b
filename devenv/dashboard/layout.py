"""The frame of every page: head, navigation, style, and the content security policy."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import AsyncGenerator, Iterable, Iterator
from contextlib import aclosing
from hashlib import sha256
from itertools import chain, islice

from devenv.dashboard.markup import Child, Markup, element, join
from devenv.http.server import Response
from devenv.http.server.message import HTML

COLOURS = 12
MAX_DEPTH = 40

_PALETTE = (
    "#3b7dd8", "#d9822b", "#2f9e62", "#b04fc0", "#c0392b", "#1d9aaa",
    "#8a7a1f", "#6a5acd", "#d0508a", "#5a8f29", "#a0622d", "#5f7387",
)  # fmt: skip

_BASE = """
:root{color-scheme:light dark;--bg:#fff;--fg:#1b1f24;--soft:#5c6670;--line:#dde1e6;--card:#f5f7f9;--link:#0b5cad;
--bad:#c62828;--warn:#9a6700}
@media(prefers-color-scheme:dark){:root{--bg:#14171a;--fg:#e4e7ea;--soft:#98a2ac;--line:#2e343a;--card:#1d2125;
--link:#79b8ff;--bad:#ff7b72;--warn:#e3b341}}
*{box-sizing:border-box}
body{margin:0;background:var(--bg);color:var(--fg);font:14px/1.45 system-ui,sans-serif}
a{color:var(--link);text-decoration:none}a:hover{text-decoration:underline}
header{display:flex;gap:1.2rem;align-items:baseline;padding:.6rem 1rem;border-bottom:1px solid var(--line)}
header strong{font-size:1.05rem}
main{padding:1rem;max-width:1500px;margin:auto}
h1{font-size:1.25rem;margin:.2rem 0 .6rem;overflow-wrap:anywhere}
code,.mono{font-family:ui-monospace,monospace;font-size:.92em}
.soft{color:var(--soft)}.bad{color:var(--bad);font-weight:600}.warn{color:var(--warn);font-weight:600}
.facts{display:flex;flex-wrap:wrap;gap:.3rem 1.4rem;margin:0 0 1rem}
.note{background:var(--card);border-left:3px solid var(--warn);padding:.5rem .8rem;margin:.6rem 0}
form{display:grid;grid-template-columns:repeat(auto-fill,minmax(190px,1fr));gap:.6rem;align-items:end;
background:var(--card);padding:.8rem;border-radius:6px;margin-bottom:1rem}
label{display:grid;gap:.15rem;font-size:.85rem;color:var(--soft)}
input,select,button{font:inherit;padding:.35rem .45rem;color:var(--fg);background:var(--bg);
border:1px solid var(--line);border-radius:4px;width:100%}
form .wide{grid-column:1/-1}form pre{white-space:pre}
button{background:var(--link);color:var(--bg);border:0;cursor:pointer}
.trace{display:block;border:1px solid var(--line);border-radius:6px;margin:.5rem 0;padding:.5rem .7rem;color:inherit}
.trace:hover{background:var(--card);text-decoration:none}
.row{display:flex;flex-wrap:wrap;justify-content:space-between;gap:.2rem 1rem}
.tag{display:inline-block;border-radius:3px;padding:0 .4rem;margin:.15rem .3rem 0 0;background:var(--card);
border-left:4px solid var(--soft);overflow-wrap:anywhere}
svg.bar{display:block;width:100%;height:6px;margin:.3rem 0}svg.bar .back{fill:var(--line)}
.spans{border:1px solid var(--line);border-radius:6px;overflow:hidden}
.span>summary,.ruler{display:grid;grid-template-columns:minmax(240px,38%) 1fr;align-items:center;list-style:none}
.span>summary{cursor:pointer;border-bottom:1px solid var(--line)}
.span>summary::-webkit-details-marker{display:none}
.span>summary:hover,.span[open]>summary{background:var(--card)}
.name{padding:.15rem .5rem;white-space:nowrap;overflow:hidden;text-overflow:ellipsis}
.name b{border-left:4px solid;padding-left:.4rem;font-weight:600}
svg.line{display:block;width:100%;height:22px}svg text{fill:var(--fg);font-size:11px}
svg text.on{fill:#fff}
@media(max-width:700px){svg text.minor{display:none}}
.grid{stroke:var(--line)}.ruler{color:var(--soft);font-size:.8rem;border-bottom:1px solid var(--line)}
.dot{stroke:var(--bg);stroke-width:1;fill:var(--soft)}.dot.bad{fill:var(--bad)}.dot.warn{fill:var(--warn)}
.logs{margin-top:1.2rem;border-top:1px solid var(--line)}.logs h2{font-size:1.05rem;margin:.6rem 0}
.log>summary{display:grid;grid-template-columns:6.5rem minmax(90px,12rem) 5rem 1fr minmax(80px,16rem);gap:0 .6rem;
align-items:baseline;list-style:none;cursor:pointer;padding:.1rem .5rem;border-bottom:1px solid var(--line)}
.log>summary::-webkit-details-marker{display:none}.log>summary:hover,.log[open]>summary{background:var(--card)}
.log b{border-left:4px solid;padding-left:.4rem;font-weight:600}
.log b,.log .where{white-space:nowrap;overflow:hidden;text-overflow:ellipsis}
.log .said{overflow-wrap:anywhere}.log .at,.log .where{text-align:right}.log .at{font-variant-numeric:tabular-nums}
@media(max-width:700px){.log>summary{display:flex;flex-wrap:wrap}.log .said{flex-basis:100%}
.log .where{margin-left:auto}}
.detail{padding:.5rem .8rem .8rem 1.4rem;border-bottom:1px solid var(--line);background:var(--card)}
table{border-collapse:collapse;margin:.2rem 0 .7rem;width:100%}
td,th{text-align:left;vertical-align:top;padding:.15rem .6rem .15rem 0;border-bottom:1px solid var(--line)}
td{overflow-wrap:anywhere;white-space:pre-wrap}td:first-child{color:var(--soft);width:24%}
h2{font-size:.95rem;margin:.5rem 0 .1rem}
pre{background:var(--card);padding:.5rem .8rem;border-radius:6px;overflow-x:auto;margin:.2rem 0 .8rem}
.map{width:100%;height:auto;max-height:75vh}.map .box{fill:var(--card);stroke:var(--line)}
.map text{font-size:12px;paint-order:stroke;stroke:var(--bg);stroke-width:3px;stroke-linejoin:round}
.map text.small{font-size:10px;fill:var(--soft)}.map path{fill:none;stroke:var(--soft)}
.map path.failing{stroke:var(--bad)}.map .tip{fill:var(--soft);stroke:none}
.map text.failing{fill:var(--bad)}.num{text-align:right}
"""


def _style() -> str:
    colours = "".join(
        f".c{number}{{fill:{colour};border-color:{colour}!important;stroke:{colour}}}"
        for number, colour in enumerate(_PALETTE)
    )
    indents = "".join(f".d{depth}{{padding-left:{0.5 + 0.9 * depth:.1f}rem}}" for depth in range(MAX_DEPTH + 1))
    return _BASE + colours + indents


STYLE = _style()
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


def page(title: str, *content: Child, status: int = 200) -> Response:
    """A whole page."""
    return Response.html(_text(title, *content), status, _HEADERS)


def long_page(title: str, pieces: Iterable[bytes]) -> Response:
    """A page whose content is in pieces (:func:`in_pieces`); other requests are served between them."""
    top, bottom = _ends(title)
    return Response(200, chain([top], pieces, [bottom]), HTML, _HEADERS)


def framed(title: str, content: AsyncGenerator[bytes]) -> Response:
    """A page whose content arrives in pieces; its head is sent before the first of them."""
    return Response(200, _framed(title, content), HTML, _HEADERS)


def in_pieces(before: Child, parts: Iterable[Markup], class_: str = "spans") -> Iterator[bytes]:
    """An element with many parts, and what is before it, in pieces; empty ones are pauses."""
    top, bottom = join(before, element("div", _GAP, class_=class_)).split(_GAP)
    yield top.encode("utf-8", "replace")
    left = iter(parts)
    while some := list(islice(left, _PARTS)):
        yield "".join(some).encode("utf-8", "replace")
        yield b""
    yield bottom.encode()


async def _framed(title: str, content: AsyncGenerator[bytes]) -> AsyncGenerator[bytes]:
    top, bottom = _ends(title)
    yield top
    async with aclosing(content):
        async for piece in content:
            yield piece
    yield bottom


def _ends(title: str) -> tuple[bytes, bytes]:
    top, bottom = _text(title, _GAP).split(_GAP)
    return top.encode("utf-8", "replace"), bottom.encode()


def _text(title: str, *content: Child) -> str:
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", name="viewport", content="width=device-width,initial-scale=1"),
        element("title", f"{title} · devenv"),
        element("link", rel="icon", href=_ICON),
        Markup(f"<style>{STYLE}</style>"),
    )
    navigation = element(
        "header",
        element("strong", "devenv"),
        element("a", "Search", href="/search"),
        element("a", "Service map", href="/dependencies"),
    )
    body = element("body", navigation, element("main", *content))
    return join(Markup("<!doctype html>"), element("html", head, body, lang="en"))


class Colours:
    """A colour class for each service, the same for the same name on every page."""

    def __init__(self) -> None:
        self._known: dict[str, str] = {}

    def of(self, service: str) -> str:
        """``c0`` … ``c11``."""
        if service not in self._known:
            number = int.from_bytes(sha256(service.encode("utf-8", "replace")).digest()[:4], "big") % COLOURS
            taken = set(self._known.values())
            free = [f"c{(number + step) % COLOURS}" for step in range(COLOURS)]
            self._known[service] = next((name for name in free if name not in taken), free[0])
        return self._known[service]
