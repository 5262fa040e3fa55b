"""Decides by a name's parts whether values of that name are secrets.

`X-Amz-Signature`, `AWSAccessKeyId`, `user[new_password]` and `db.passwd` are split into words. The last words decide,
so that `token_type` and `password.algorithm` are ordinary. The words are those that public secret scanners look for
(gitleaks, detect-secrets, trufflehog, the sensitive names of Sentry and Rails).
"""

from __future__ import annotations

import re
from functools import lru_cache

# A name that ends with one of these words holds a secret, whatever precedes it.
_LAST = frozenset(
    {
        "accesskey", "accesstoken", "apikey", "apitoken", "assertion", "auth", "authkey", "authorization", "authtoken",
        "bearer", "clientsecret", "cookie", "credential", "credentials", "csrf",
        "csrfmiddlewaretoken", "csrftoken", "cvc", "cvv", "hmac",
        "idtoken", "jsessionid", "jwt", "mnemonic", "otp", "pass", "passcode", "passphrase", "passwd", "password",
        "phpsessid", "privatekey", "pswd", "pwd", "refreshtoken", "secret", "secretkey", "sessid", "sessiontoken",
        "sharedkey", "sig", "signature", "token", "totp", "verifier", "xsrf", "xsrftoken",
    }
)  # fmt: skip
# A word that ends so is a compound without a separator: `pgpassword`, `mysqlpasswd`, `appsecret`.
_ENDINGS = ("password", "passwd", "passphrase", "secret", "apikey", "accesskey", "secretkey", "privatekey")
# `api_key` is a secret, `routing_key` is not.
_BEFORE_KEY = frozenset(
    {
        "access", "account", "api", "app", "application", "auth", "client", "consumer", "crypt", "crypto", "decryption",
        "deploy", "encrypt", "encryption", "function", "functions", "hmac", "host", "jwt", "license", "live",
        "master", "private", "secret", "security", "service", "session", "shared", "signature", "signing", "ssh",
        "storage", "subscription", "webhook",
    }
)  # fmt: skip
_PAIRS = frozenset(
    {
        ("auth", "code"), ("authorization", "code"), ("backup", "code"), ("mfa", "code"), ("recovery", "code"),
        ("verification", "code"), ("connect", "sid"), ("device", "code"), ("key", "id"), ("recovery", "phrase"),
        ("saml", "art"), ("saml", "request"), ("saml", "response"), ("secret", "id"),
        ("seed", "phrase"),
    }
)  # fmt: skip
# Words after the telling ones that do not change what the value is: `password_confirmation`, `id_token_hint`.
_QUALIFIERS = frozenset(
    {
        "again", "b64", "base", "base64", "bytes", "confirm", "confirmation", "confirmed", "encoded", "encrypted",
        "hash",         "hashed", "hex", "hint", "plain", "plaintext", "raw", "repeat", "repeated", "string", "text",
        "value",
    }
)  # fmt: skip
# Cursors and counts (`nextPageToken`, `max_token`), and switches (`require_auth`), are not secrets.
_HARMLESS_BEFORE = {
    "token": frozenset(
        {
            "cancel", "cancellation", "continuation", "count", "eos", "last", "max", "min", "next", "num", "page",
            "pad", "pagination", "per", "prev", "previous", "scroll", "stop", "sync",
        }
    ),
    "auth": frozenset({"disable", "enable", "needs", "no", "require", "required", "requires", "skip", "use", "with"}),
    "pass": frozenset({"boarding", "bus", "by", "day", "first", "high", "low", "second", "ski", "test", "two"}),
    "cookie": frozenset({"accept", "allow", "disable", "enable", "no", "show"}),
    "signature": frozenset({"digital", "email", "function", "key", "method", "show", "time", "type"}),
}  # fmt: skip
# Secrets as names of parameters, ordinary as the last word of an attribute key (`session.id`, `feature_flag.key`).
_PARAMETERS = frozenset({"key", "code", "session", "sessionid", "session_id", "sid", "hdnts", "hdnea"})
# As `name: value` in prose these are ordinary words ("auth: connection refused").
_PROSE = frozenset(
    {"auth", "credential", "credentials", "pass", "sig", "signature", "key", "code", "session", "assertion"}
)

_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+\d{0,2}|\d+")


def words(name: str) -> list[str]:
    """Return the words of a name in lower case: `AWSAccessKeyId` is aws, access, key, id."""
    return [word.lower() for word in _WORDS.findall(name)]


@lru_cache(maxsize=4096)
def is_secret(name: str) -> bool:
    """Return whether values of this name are secrets, in every place where the name may stand."""
    found = words(name)
    while len(found) > 1 and (found[-1] in _QUALIFIERS or found[-1].isdigit()):
        found.pop()
    if not found:
        return False
    last, before = found[-1].rstrip("0123456789"), found[-2] if len(found) > 1 else ""
    if last == "key":
        return before in _BEFORE_KEY
    if (before, last) in _PAIRS:
        return last != "id" or before == "secret" or (len(found) > 2 and found[-3] == "access")
    if last in _LAST:
        return before not in _HARMLESS_BEFORE.get(last, ())
    return last.endswith(_ENDINGS)


@lru_cache(maxsize=4096)
def is_secret_parameter(name: str) -> bool:
    """Return whether values of a query parameter are secrets; `key`, `code` and session IDs are, beside the others."""
    plain = name.lower().replace("-", "_")
    return plain in _PARAMETERS or plain.endswith(("session_id", "sessionid")) or is_secret(name)


@lru_cache(maxsize=4096)
def is_prose(name: str) -> bool:
    """Return whether a name before a colon is probably an ordinary word of a sentence."""
    return name.lower() in _PROSE
