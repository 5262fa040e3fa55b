"""Redacts secrets in spans: values of secret keys, and secrets in query strings and in free text.

Attributes that devenv records are redacted when they are recorded; all others (third-party instrumentation,
exceptions, custom attributes) when a span is encoded, off the request's path. Every pass over a text is linear in its
length: no expression has to look at a character again for each earlier one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import lru_cache
from urllib.parse import unquote

from devenv.tracing.export.secret_names import is_prose, is_secret, is_secret_parameter

REDACTED = "[REDACTED]"

_TEXT_KEYS = frozenset({"exception.message", "exception.stacktrace", "db.query.text", "db.statement"})
_URL_KEYS = frozenset({"url.full", "url.query", "http.url", "http.target", "url.original"})

_PIECE = re.compile(r"[^&;#]+")
# Values that are secrets whatever their name is: JSON web tokens, and keys of well-known formats.
_KNOWN_VALUE = re.compile(
    r"(?<![A-Za-z0-9_\-])(?:"
    r"eyJ[A-Za-z0-9_\-]{8,}\.[A-Za-z0-9_\-]{8,}(?:\.[A-Za-z0-9_\-]*)*"
    r"|(?:AKIA|ASIA)[0-9A-Z]{16}(?![0-9A-Za-z])"
    r"|gh[opsur]_[A-Za-z0-9]{36,}|github_pat_[A-Za-z0-9_]{22,}|glpat-[A-Za-z0-9_\-]{20,}"
    r"|xox[abeoprs]-[A-Za-z0-9\-]{10,}|(?:sk|rk)_(?:live|test)_[A-Za-z0-9]{16,}|sk-[A-Za-z0-9_\-]{32,}"
    r"|AIza[0-9A-Za-z_\-]{35}|npm_[A-Za-z0-9]{36}|pypi-[A-Za-z0-9_\-]{50,}|hvs\.[A-Za-z0-9_\-]{20,}"
    r"|SG\.[A-Za-z0-9_\-]{16,}\.[A-Za-z0-9_\-]{16,}"
    r")"
)
_KNOWN_PARTS = (
    "eyJ", "AKIA", "ASIA", "gho_", "ghp_", "ghs_", "ghu_", "ghr_", "github_pat_", "glpat-", "xox", "k_live_", "k_test_",
    "sk-", "AIza", "npm_", "pypi-", "hvs.", "SG.",
)  # fmt: skip
_SHORTEST_KNOWN = 20
_PRIVATE_KEY = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----(?:[^-]|-(?!----))*(?:-----END [A-Z ]*-----)?")
_BEARER = re.compile(r"\b(basic|bearer)\s+[A-Za-z0-9._~+/=-]{8,}", re.IGNORECASE)
# Before the `@`: to the last one in the authority; a password may contain `/` and `@`, a port ends the authority.
_USERINFO = re.compile(
    r"(?<=://)(?:[^\s/?#@\"']{0,512}@|[^\s/?#@:\[\"']{0,128}:(?!\d{1,5}[/?#])[^\s@\"']{0,512}@)(?:[^\s/?#@\"']{0,512}@)*"
)
# What the semantic conventions write instead (https://opentelemetry.io/docs/specs/semconv/registry/attributes/url/).
NOBODY = "REDACTED:REDACTED@"
# The name before `=`, `:` or `=>`, with its quotes; `--name value` too. The lookbehind makes each name start once.
_NAME = re.compile(
    r"(?<![\w.\-])(?:([\w.\-]+)(?:\[[\w\-]*\])*((?:\\{1,3})?[\"'])?(\s*(?:=>?|:)\s*)|(--[\w\-]+)[ \t]+(?=[^\s\-=]))"
)
_BRACKETED = re.compile(r"\[([\w\-]*)\]")
_VALUE = re.compile(
    r"(?:b(?=[\"']))?(?:(\\{1,3}[\"']).*?(?:\1|\Z)|\"[^\"]*(?:\"|\Z)|'[^']*(?:'|\Z)"
    r"|(?:(?:basic|bearer|digest|negotiate|token|apikey)\s+)?[^\s,;&\"'\)\]\}]+)",
    re.IGNORECASE | re.DOTALL,
)
_WHOLE_LINE = re.compile(r"[^\r\n\"']+")
# `?`, `%s`, `$1`, `:name`, `{name}`: the place of a value, not a value.
_PLACEHOLDER = re.compile(r"(?:\?|%(?:\(\w+\))?[sdr]|\$\d{1,3}|\$?\{\w*\}|:\w+)(?=[\s,;)\]}\"'&]|\Z)")
_LINES = frozenset({"cookie", "set-cookie"})


class Redactor:
    """Decides by key and replaces by value.

    Args:
        keys: Additional attribute keys (complete, any case) whose values are redacted.
        parameters: Additional query parameters whose values are redacted.
        enabled: If False, every method returns its input.
    """

    def __init__(self, keys: Iterable[str] = (), parameters: Iterable[str] = (), *, enabled: bool = True) -> None:
        self.enabled = enabled
        self._keys = frozenset(key.lower() for key in keys)
        own = frozenset(name.lower() for name in parameters)
        self._parameters = own
        self._is_parameter: Callable[[str], bool] = is_secret_parameter
        if own:
            self._is_parameter = lru_cache(4096)(lambda name: name.lower() in own or is_secret_parameter(name))

    def secret_key(self, key: str) -> bool:
        """Return whether the values of this attribute key are secrets."""
        return self.enabled and (key.lower() in self._keys or is_secret(key))

    def kind(self, key: str) -> str:
        """Return the redaction of a key's values: `secret`, `url`, `text` or `` for none."""
        if not self.enabled:
            return ""
        if self.secret_key(key):
            return "secret"
        if key in _URL_KEYS:
            return "url"
        return "text" if key in _TEXT_KEYS else ""

    def query(self, query: str) -> str:
        """Return a query string without its secrets."""
        if not self.enabled:
            return query
        if "=" in query and ("%" in query or ";" in query or "?" in query or "#" in query or self._has_secret(query)):
            query = _PIECE.sub(self._piece, query)
        return _without_known(query)

    def url(self, url: str) -> str:
        """Return a URL without user information and without secrets in its query and fragment."""
        if not self.enabled:
            return url
        if "@" in url:
            url = _USERINFO.sub(NOBODY, url)
        if "=" in url:
            before, mark, query = url.partition("?")
            if "=" in before:  # a parameter of the path, or of a fragment
                url = _PIECE.sub(self._piece, url)
            elif mark:
                return _without_known(before) + mark + self.query(query)
        return _without_known(url)

    def text(self, text: str) -> str:
        """Redact `name=value` secrets, credentials and user information in free text (a message, a stack trace)."""
        if not self.enabled:
            return text
        if "=" in text or ":" in text or "--" in text:
            if "://" in text and "@" in text:
                text = _USERINFO.sub(NOBODY, text)
            text = self._pairs(text)
            if "-----BEGIN" in text:
                text = _PRIVATE_KEY.sub(REDACTED, text)
        return _without_known(_BEARER.sub(rf"\1 {REDACTED}", text))

    def value(self, key: str, value: str) -> str:
        """Return an attribute's text without secrets."""
        kind = self.kind(key)
        if kind == "secret":
            return REDACTED
        if kind == "url":
            return self.url(value)
        return self.text(value) if kind == "text" else value

    def _has_secret(self, query: str) -> bool:
        """Return whether a plain query string has a secret, by the names alone: most have none."""
        is_parameter = self._is_parameter
        return any(is_parameter(pair.partition("=")[0]) for pair in query.split("&"))

    def _piece(self, match: re.Match[str]) -> str:
        """Redact one parameter; its value may be a URL with a query."""
        piece = match[0]
        start = 0
        while (equals := piece.find("=", start)) >= 0:
            begin = max(piece.rfind("?", start, equals), piece.rfind("/", start, equals)) + 1 or start
            name = piece[begin:equals]
            if self._is_parameter(unquote(name) if "%" in name else name):
                return piece[: equals + 1] + REDACTED
            start = piece.find("?", equals)
            if start < 0:
                break
            start += 1
        return _nested(self, piece) if "%3D" in piece or "%3d" in piece else piece

    def _pairs(self, text: str) -> str:
        """Redact the values of secret names, each name and each value read once."""
        kept: list[str] = []
        position = copied = 0
        while (found := _NAME.search(text, position)) is not None:
            position = found.end()
            if not self._telling(text, found):
                continue
            whole_line = (found[1] or "").lower() in _LINES
            value = (_WHOLE_LINE if whole_line else _VALUE).match(text, position)
            if value is None or _PLACEHOLDER.match(text, position) is not None:
                continue
            kept += (text[copied:position], REDACTED)
            position = copied = value.end()
        return "".join([*kept, text[copied:]]) if kept else text

    def _telling(self, text: str, found: re.Match[str]) -> bool:
        if found[4] is not None:
            return is_secret(found[4])
        name, separator = found[1], found[3]
        inner = _BRACKETED.findall(text, found.end(1), found.start(3))
        if inner and inner[-1]:
            name = inner[-1]
        before = text[found.start() - 1] if found.start() else ""
        if before in {"?", "&"}:
            return self._is_parameter(name)
        if ":" in separator and found[2] is None and is_prose(name):
            return False
        return name.lower() in self._parameters or is_secret(name) or _is_session(name)


def _without_known(text: str) -> str:
    if len(text) >= _SHORTEST_KNOWN:
        for part in _KNOWN_PARTS:
            if part in text:
                return _KNOWN_VALUE.sub(REDACTED, text)
    return text


def _is_session(name: str) -> bool:
    plain = name.lower()
    return plain in {"session_id", "sessionid"} or plain.endswith(("_session_id", "-session-id"))


def _nested(redactor: Redactor, piece: str) -> str:
    """Redact a percent-encoded URL that is a parameter's value, if it holds a secret; its encoding is lost then."""
    name, equals, value = piece.partition("=")
    if not equals:
        return piece
    plain = unquote(value)
    shown = redactor.url(plain) if "?" in plain or "&" in plain else plain
    return piece if shown == plain else f"{name}={shown.replace('&', '%26').replace('#', '%23')}"
