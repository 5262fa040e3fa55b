"""Exceptions as attributes and as text; nothing here raises, whatever the exception's own methods do."""

from __future__ import annotations

import traceback
from typing import Any

from devenv.tracing.light.values import as_text


def exception_attributes(exception: Any) -> dict[str, str]:
    """Return the `exception.*` attributes of the semantic conventions."""
    return {
        "exception.type": type_name(exception),
        "exception.message": as_text(exception),
        "exception.stacktrace": _stacktrace(exception),
    }


def type_name(exception: Any) -> str:
    """Return the qualified name of an exception's class; without the module if it is built in."""
    kind = type(exception)
    name, module = as_text(kind.__qualname__), as_text(kind.__module__)
    return name if module == "builtins" else f"{module}.{name}"


def described(exception: Any) -> str:
    """Return `Name: message`, the description of a failed span."""
    return f"{as_text(type(exception).__name__)}: {as_text(exception)}"


def _stacktrace(exception: Any) -> str:
    if not isinstance(exception, BaseException):
        return ""
    try:
        return "".join(traceback.format_exception(type(exception), exception, exception.__traceback__))
    except Exception:  # noqa: BLE001 - the exception's own code failed (a property, __str__ of a cause)
        return as_text(exception)
