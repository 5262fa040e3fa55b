"""Builds HTML and SVG; all text is escaped."""

from __future__ import annotations

from html import escape

# Elements without an end tag (HTML Living Standard, 13.1.2).
_VOID = frozenset({"br", "hr", "img", "input", "link", "meta"})


class Markup(str):
    """Text that is already markup."""

    __slots__ = ()


Child = str | int | float | None


def element(tag: str, *children: Child, **attributes: Child) -> Markup:
    """Build one element. Children that are not :class:`Markup` are escaped, as are all attribute values.

    An attribute named ``class_`` becomes ``class``, ``stroke_width`` becomes ``stroke-width``. An attribute whose value
    is None is left out; an empty string gives an attribute without a value.
    """
    shown = "".join(_attribute(name, value) for name, value in attributes.items() if value is not None)
    if tag in _VOID:
        return Markup(f"<{tag}{shown}>")
    return Markup(f"<{tag}{shown}>{join(*children)}</{tag}>")


def join(*children: Child) -> Markup:
    """Join children in order, without those that are None."""
    return Markup(
        "".join(
            child if isinstance(child, Markup) else escape(_printable(str(child)))
            for child in children
            if child is not None
        )
    )


def _attribute(name: str, value: Child) -> str:
    name = name.rstrip("_").replace("_", "-")
    return f' {name}="{escape(_printable(str(value)))}"' if value != "" else f" {name}"


def _printable(text: str) -> str:
    # NUL and other control characters are errors in HTML, and lone surrogates have no encoding.
    if text.isprintable():
        return text
    return "".join(
        character if character.isprintable() or character in "\n\t\u00a0" or ord(character) > 0xFFFF else "\ufffd"
        for character in text
    )
