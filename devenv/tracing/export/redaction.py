"""Redacts secrets in spans: values of secret keys, and secrets in query strings and in free text.

Attributes that devenv records are redacted when they are recorded; all others (third-party instrumentation,
exceptions, custom attributes) when a span is encoded, off the request's path.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

REDACTED = "[REDACTED]"

# Names of parameters and fields whose values are secrets, compared ignoring case, "-" and "_".
SECRET_NAMES = (
    "access[-_]?key",
    "access[-_]?token",
    "api[-_]?key",
    "auth",
    "authorization",
    "client[-_]?secret",
    "code[-_]?verifier",
    "cookie",
    "credentials?",
    "id[-_]?token",
    "jwt",
    "pass(?:word|wd|phrase)?",
    "private[-_]?key",
    "proxy[-_]?authorization",
    "pwd",
    "refresh[-_]?token",
    "secret",
    "set[-_]?cookie",
    "sig(?:nature)?",
    "token",
    "x[-_]?api[-_]?key",
    "x[-_]?auth[-_]?token",
)
# In free text these are ordinary words ("auth: connection refused").
_ORDINARY_WORDS = frozenset({"auth", "credentials?", "sig(?:nature)?"})
_TEXT_KEYS = frozenset({"exception.message", "exception.stacktrace", "db.query.text", "db.statement"})
_URL_KEYS = frozenset({"url.full", "url.query", "http.url", "http.target", "url.original"})


class Redactor:
    """Decides by key and replaces by value.

    Args:
        keys: Additional attribute keys (complete, any case) whose values are redacted.
        parameters: Additional query parameters whose values are redacted.
        enabled: If False, every method returns its input.
    """

    def __init__(self, keys: Iterable[str] = (), parameters: Iterable[str] = (), *, enabled: bool = True) -> None:
        self.enabled = enabled
        names = "|".join([*SECRET_NAMES, *(re.escape(name) for name in parameters)])
        self._keys = frozenset(key.lower() for key in keys)
        self._key = re.compile(rf"(?:^|[._])(?:{names})(?:\.\d+)?$", re.IGNORECASE)
        self._query = re.compile(rf"(^|[?&;])({names})=([^&;#]*)", re.IGNORECASE)
        telling = "|".join(name for name in names.split("|") if name not in _ORDINARY_WORDS)
        # name=value, name: value, "name": "value"; the value to its closing quote, else to a delimiter;
        # a placeholder (?, %s, $1, :name) is not a value.
        self._pair = re.compile(
            rf"((?<![\w-])[\"']?(?:{telling})[\"']?\s*[=:]\s*)(?![?%$:])(?:(?:basic|bearer|digest|negotiate)\s+)?"
            r"(?:\"[^\"]*\"|'[^']*'|[^\s,;&\"'\)\]\}]+)",
            re.IGNORECASE,
        )
        self._bearer = re.compile(r"\b(basic|bearer)\s+[A-Za-z0-9._~+/=-]{8,}", re.IGNORECASE)
        self._userinfo = re.compile(r"(?<=://)[^/\s@\"']+@")

    def secret_key(self, key: str) -> bool:
        """Return whether the values of this attribute key are secrets."""
        return self.enabled and (key.lower() in self._keys or self._key.search(key) is not None)

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
        if not self.enabled or "=" not in query:
            return query
        return self._query.sub(rf"\1\2={REDACTED}", query)

    def url(self, url: str) -> str:
        """Return a URL without user information and without secrets in its query."""
        if not self.enabled:
            return url
        if "@" in url:
            url = self._userinfo.sub("", url)
        return self._query.sub(rf"\1\2={REDACTED}", url) if "=" in url else url

    def text(self, text: str) -> str:
        """Redact `name=value` secrets, credentials and user information in free text (a message, a stack trace)."""
        if not self.enabled:
            return text
        if "=" in text or ":" in text:
            text = self._pair.sub(rf"\1{REDACTED}", text)
            text = self._userinfo.sub("", text)
        return self._bearer.sub(rf"\1 {REDACTED}", text)

    def value(self, key: str, value: str) -> str:
        """Return an attribute's text without secrets."""
        kind = self.kind(key)
        if kind == "secret":
            return REDACTED
        if kind == "url":
            return self.url(value)
        return self.text(value) if kind == "text" else value
