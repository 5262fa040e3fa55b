"""The receiver's URL and headers: told at the start if they cannot be used, and shown without secrets."""

from __future__ import annotations

import logging
import re
from urllib.parse import urlsplit

from devenv.tracing.export.redaction import NOBODY, Redactor
from devenv.tracing.export.signal import SPANS
from devenv.tracing.light.notices import warn_once

_log = logging.getLogger(__name__)

_redactor = Redactor()
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*://")
_BASE = "OTEL_EXPORTER_OTLP_ENDPOINT"


def signal_url(variable: str, text: str, scheme: str = "", path: str = SPANS.path) -> str:
    """Return the URL for a signal from a variable's value; `http://` is added, with a warning, if it has no scheme.

    Args:
        variable: The variable.
        text: Its value.
        scheme: The scheme of a value without one, if that is allowed.
        path: The signal's path below OTEL_EXPORTER_OTLP_ENDPOINT.

    Raises:
        ValueError: If the value is not a URL of HTTP.
    """
    url = text
    if _SCHEME.match(text) is None:
        if not scheme:
            warn_once(_log, "%s=%s has no scheme; using http://", variable, without_secrets(text))
        url = f"{scheme or 'http'}://{text}"
    check_url(url)
    return url.rstrip("/") + path if variable == _BASE else url


def check_url(url: str) -> None:
    """Check that a URL has a scheme and a host.

    Raises:
        ValueError: If it is not a URL of HTTP.
    """
    try:
        parts = urlsplit(url)
        valid = parts.scheme in {"http", "https"} and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:  # a port that is not a number, or brackets that do not close
        valid = False
    if not valid:
        raise ValueError("http://HOST:PORT or https://HOST:PORT")


def is_header(name: str, value: str) -> bool:
    """Return whether a field can be sent: a token as its name, and no control character in its value (RFC 9110, 5)."""
    token = bool(name) and name.isascii() and all(char.isalnum() or char in "!#$%&'*+-.^_`|~" for char in name)
    return token and all(char == "\t" or (" " <= char <= "\xff" and char != "\x7f") for char in value)


def without_secrets(text: str) -> str:
    """Return a URL as it may be shown."""
    if "://" not in text:
        text = text.rpartition("@")[2]
    return _redactor.text(_redactor.url(text)).replace(NOBODY, "")
