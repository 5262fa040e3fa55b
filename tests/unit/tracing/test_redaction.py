from __future__ import annotations

import pytest

from devenv.tracing.export.redaction import REDACTED, Redactor

redactor = Redactor()


@pytest.mark.parametrize(
    "key",
    [
        "http.request.header.authorization",
        "http.request.header.cookie",
        "http.request.header.x-api-key.0",
        "http.response.header.set-cookie",
        "user.password",
        "Authorization",
        "api_key",
        "db.connection.client_secret",
    ],
)
def test_secret_keys(key):
    assert redactor.value(key, "hunter2") == REDACTED


@pytest.mark.parametrize(
    "key", ["http.request.method", "tokens.used", "author", "password.algorithm", "url.path", "session.id"]
)
def test_ordinary_keys(key):
    assert redactor.value(key, "hunter2") == "hunter2"


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        ("a=1&token=abc&b=2", f"a=1&token={REDACTED}&b=2"),
        ("TOKEN=abc", f"TOKEN={REDACTED}"),
        ("access-token=abc;x=1", f"access-token={REDACTED};x=1"),
        ("api_key=a%20b&password=&q=token", f"api_key={REDACTED}&password={REDACTED}&q=token"),
        ("mytoken=1", "mytoken=1"),
        ("q=plain", "q=plain"),
        ("", ""),
    ],
)
def test_query(query, shown):
    assert redactor.query(query) == shown
    assert redactor.value("url.query", query) == shown


def test_url_loses_user_information_and_secrets():
    assert redactor.url("https://bob:pw@h:1/p?sig=1&x=2#f") == f"https://REDACTED:REDACTED@h:1/p?sig={REDACTED}&x=2#f"
    assert redactor.url("https://h/mail@example.org") == "https://h/mail@example.org"


@pytest.mark.parametrize(
    "user", ["u", "u:p", ":p", "u:", "u:p@ss", "u:p/ss", "u:/p/s@s@", "u:p%40", "a@b.c:p", "u:1234"]
)
@pytest.mark.parametrize("rest", ["h", "h:8080", "h/x@y", "h:8080/@scope/a", "[::1]:80/", "h?to=a@b.c", "h/#a@b"])
def test_no_part_of_user_information_is_left(user, rest):
    shown = f"https://REDACTED:REDACTED@{rest}"
    assert redactor.url(f"https://{user}@{rest}") == shown
    assert redactor.text(f"GET https://{user}@{rest} failed") == f"GET {shown} failed"


@pytest.mark.parametrize("url", ["https://h:8080/x@y", "https://h/u:p@x", "https://h:80?a=b@c", "https://[::1]:80/a@b"])
def test_an_at_sign_elsewhere_is_no_user_information(url):
    assert redactor.url(url) == url


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("login failed: password=hunter2, user=bob", f"login failed: password={REDACTED}, user=bob"),
        ("{'password': 'a b', 'user': 'bob'}", f"{{'password': {REDACTED}, 'user': 'bob'}}"),
        ('{"api_key": "abc"}', f'{{"api_key": {REDACTED}}}'),
        ("Authorization: Bearer abc.def.ghi rejected", f"Authorization: {REDACTED} rejected"),
        ("sent Bearer abcdefgh12345 to it", f"sent Bearer {REDACTED} to it"),
        ("cannot reach postgres://u:p@db/x", "cannot reach postgres://REDACTED:REDACTED@db/x"),
        ("auth: connection refused", "auth: connection refused"),
        ("SELECT * FROM t WHERE token = ? AND password = :p", "SELECT * FROM t WHERE token = ? AND password = :p"),
        ("the tokenizer failed", "the tokenizer failed"),
    ],
)
def test_text(text, shown):
    assert redactor.text(text) == shown


def test_further_names_and_switched_off():
    own = Redactor(["Card.Number"], ["pin"])
    assert own.value("card.number", "4711") == REDACTED
    assert own.query("pin=1&a=2") == f"pin={REDACTED}&a=2"
    off = Redactor(enabled=False)
    assert off.value("password", "x") == "x"
    assert off.url("http://u:p@h/?token=1") == "http://u:p@h/?token=1"
    assert off.text("password=1") == "password=1"
    assert off.query("token=1") == "token=1"
