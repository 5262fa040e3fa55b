"""Jinja2: a span for each rendering and each compilation of a template, named as by the stock instrumentation."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from devenv.tracing.process.patching import replace
from devenv.tracing.process.stock import taken
from devenv.tracing.spans import KINDS, SpanScope, block_of

_FROM_TEXT = "<memory>"


def instrument() -> None:
    """Trace every template of the process. Neither its text nor its values are recorded."""
    from jinja2 import Environment, Template

    if taken("jinja2"):
        return
    replace(Template, "render", _make_render)
    replace(Template, "render_async", _make_async_render)
    replace(Environment, "compile", _make_compile)


def _make_render(original: Callable[..., str]) -> Callable[..., str]:
    def render(self: Any, *args: Any, **values: Any) -> str:
        with block_of("jinja2", lambda: _scope("jinja2.render", self.name, self.filename)):
            return original(self, *args, **values)

    return render


def _make_async_render(original: Callable[..., Awaitable[str]]) -> Callable[..., Awaitable[str]]:
    async def render_async(self: Any, *args: Any, **values: Any) -> str:
        with block_of("jinja2", lambda: _scope("jinja2.render", self.name, self.filename)):
            return await original(self, *args, **values)

    return render_async


def _make_compile(original: Callable[..., Any]) -> Callable[..., Any]:
    def compile_source(self: Any, source: Any, name: Any = None, filename: Any = None, *args: Any, **more: Any) -> Any:
        with block_of("jinja2", lambda: _scope("jinja2.compile", name, filename)):
            return original(self, source, name, filename, *args, **more)

    return compile_source


def _scope(operation: str, name: str | None, path: str | None) -> SpanScope:
    attributes = {"jinja2.template_name": name or _FROM_TEXT}
    if path and not path.startswith("<"):
        attributes["jinja2.template_path"] = path
    return SpanScope(operation, KINDS["internal"], attributes)
