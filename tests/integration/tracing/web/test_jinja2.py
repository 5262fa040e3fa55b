"""Jinja2's renderings and compilations."""

from __future__ import annotations

import jinja2
import pytest

from devenv import tracing
from devenv.tracing.integrations.web import jinja2 as integration
from devenv.tracing.testing import assert_trace


async def test_each_rendering_and_compilation_has_a_span(rec, patched, tmp_path):
    integration.instrument()
    (tmp_path / "page.html").write_text("{% include 'part.html' %}{{ value }}")
    (tmp_path / "part.html").write_text("part")
    (tmp_path / "broken.html").write_text("{{ 1 / 0 }}")
    environment = jinja2.Environment(loader=jinja2.FileSystemLoader(tmp_path), autoescape=True)
    with tracing.span("request"):
        assert environment.get_template("page.html").render(value="secret") == "partsecret"
        assert environment.get_template("page.html").render() == "part"
        with pytest.raises(ZeroDivisionError):
            environment.get_template("broken.html").render()
    assert_trace(
        rec.spans(),
        """
        request
          jinja2.compile
          jinja2.render
            jinja2.compile
          jinja2.render
          jinja2.compile
          jinja2.render !
        """,
    )
    first = rec.spans("jinja2.render")[0]
    assert first.attributes == {
        "jinja2.template_name": "page.html",
        "jinja2.template_path": str(tmp_path / "page.html"),
    }
    rec.clear()
    template = jinja2.Environment(enable_async=True, autoescape=True).from_string("{{ value }}")
    assert await template.render_async(value=1) == "1"
    assert rec.span("jinja2.render").attributes == {"jinja2.template_name": "<memory>"}
