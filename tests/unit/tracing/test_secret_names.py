"""Which names hold secrets: a list from what public secret scanners look for, and a corpus of ordinary URLs."""

from __future__ import annotations

import re
from pathlib import Path
from time import thread_time

import pytest
from opentelemetry import semconv

from devenv.tracing.export.redaction import REDACTED, Redactor

redactor = Redactor()


def listed(text):
    return text.split()


PARAMETERS = listed("""
    X-Amz-Signature X-Amz-Credential X-Amz-Security-Token X-Goog-Signature X-Goog-Credential AWSAccessKeyId Signature
    key code session_id new_password user[password] user%5Bpassword%5D passwd pwd pass password2
    password_confirmation token
    access_token accessToken refresh_token id_token id_token_hint auth authToken auth_token api_key apiKey apikey
    api-key app_secret client_secret clientSecret client_assertion code_verifier oauth_token oauth_verifier
    oauth_signature
    sig signature hmac jwt SAMLResponse SAMLRequest sessionid JSESSIONID PHPSESSID sid csrf_token csrftoken
    csrfmiddlewaretoken secret secret_key private_key privateKey subscription-key Ocp-Apim-Subscription-Key otp totp
    passphrase credentials storage_key account_key AccountKey SharedAccessKey encryption_key license_key signing_key
    x-api-key reset_password_token confirmation_token invitation_token authenticity_token webhook_secret
    verification_code device_code authorization device_session_id p%61ssword bot_token mysql_pwd
""")

HEADERS = listed("""
    authorization proxy-authorization cookie set-cookie x-api-key x-auth-token x-amz-security-token x-vault-token
    x-csrf-token x-xsrf-token x-goog-api-key x-goog-iam-authorization-token x-access-token x-amzn-oidc-accesstoken
    x-github-token private-token x-gitlab-token x-shopify-access-token x-hub-signature x-hub-signature-256
    x-functions-key x-session-token x-refresh-token x-ms-token-aad-access-token x-forwarded-access-token api-key
    apikey x-plex-token
    x-consul-token x-twilio-signature x-slack-signature x-line-signature ocp-apim-subscription-key
""")

TEXTS = [
    ("DB_PASSWORD=hunter2 rest", f"DB_PASSWORD={REDACTED} rest"),
    ("AWS_SECRET_ACCESS_KEY=abc/def+x, more", f"AWS_SECRET_ACCESS_KEY={REDACTED}, more"),
    ("secret_key=abc", f"secret_key={REDACTED}"),
    ("authToken=abc", f"authToken={REDACTED}"),
    ("authToken: 'a b' end", f"authToken: {REDACTED} end"),
    ("GITHUB_TOKEN=abc", f"GITHUB_TOKEN={REDACTED}"),
    ("PGPASSWORD=abc psql", f"PGPASSWORD={REDACTED} psql"),
    ("mysql --password hunter2 -h db", f"mysql --password {REDACTED} -h db"),
    ("mysql --password=hunter2 -h db", f"mysql --password={REDACTED} -h db"),
    ("user[password]=hunter2", f"user[password]={REDACTED}"),
    ('{"user": {"new_password": "a\\nb"}}', f'{{"user": {{"new_password": {REDACTED}}}}}'),
    (r"body: {\"password\": \"a b\", \"x\": 1}", rf"body: {{\"password\": {REDACTED}, \"x\": 1}}"),
    ("password='cut off in the mid", f"password={REDACTED}"),
    ('msg="login with password=hunter2 failed"', f'msg="login with password={REDACTED} failed"'),
    ("x-vault-token: s.abcdef", f"x-vault-token: {REDACTED}"),
    ("{b'authorization': b'Basic abc'}", f"{{b'authorization': {REDACTED}}}"),
    ("Cookie: a=b; c=d\nHost: h", f"Cookie: {REDACTED}\nHost: h"),
    ("Server=db;User Id=sa;Password=x;Encrypt=no", f"Server=db;User Id=sa;Password={REDACTED};Encrypt=no"),
    ("AccountName=n;AccountKey=abc==;Suffix=core", f"AccountName=n;AccountKey={REDACTED};Suffix=core"),
    ("GET https://h/cb?code=abc&state=x failed", f"GET https://h/cb?code={REDACTED}&state=x failed"),
    ("bad token eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.abc-_d given", f"bad token {REDACTED} given"),
    ("key AKIAIOSFODNN7EXAMPLE is unknown", f"key {REDACTED} is unknown"),
    ("ghp_" + "a1" * 18 + " revoked", f"{REDACTED} revoked"),
    ("-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----.", f"{REDACTED}."),
    ("postgres://u:p@ss@db/x", "postgres://REDACTED:REDACTED@db/x"),
    ("amqp://u:p/ss@mq:5672/v", "amqp://REDACTED:REDACTED@mq:5672/v"),
]

ORDINARY_TEXTS = [
    "auth: connection refused", "exit code=1", "status code: 404", "KeyError: 'key'", "key=12 not found",
    "SELECT * FROM t WHERE password = $1 AND token = %(token)s", "unexpected keyword author=bob", "max_tokens=100",
    "tokenizer: bert", "routing_key=orders", "primary_key=id", "token_type: bearer", "compass=north", "page_token=abc",
    "signature: (x) -> y", "see https://h:8080/a@b", 'File "/app/x.py", line 3, in token', "the keys: a, b",
    "cache key: user:42", "session: closed", "password=:p", "secretary=ann", "bypass=true", "require_auth=true",
]  # fmt: skip

ORDINARY_URLS = listed("""
    https://shop.example/search?q=token&page=2&sort=price https://h/?author=a&authors=b&authority=c
    https://h/items?keyword=x&keywords=y&primary_key=1&sort_key=id&partition_key=p&foreign_key=3&public_key=x
    https://h/v1/list?pageToken=abc&page_token=def&nextToken=g&next_page_token=h&continuation_token=i&sync_token=j
    https://h/checkout?country_code=DE&zip_code=1&currency_code=EUR&promo_code=X&error_code=5&barcode=9
    https://h/llm?max_tokens=5&tokens=3&token_type=bearer&token_count=4&stop_token=x&tokenizer=bert
    https://h/docs/password-reset?step=2 https://h/tokens/list https://h/secrets?limit=5
    https://h/a?passenger=2&compass=n
    https://h/map?zoom=3&lat=1.5&lon=2.5&bbox=1,2,3,4 https://h/a?utm_source=x&utm_medium=y&gclid=abc&fbclid=def
    https://h/oauth/authorize?response_type=code&client_id=a&redirect_uri=https%3A%2F%2Fx%2Fcb&scope=openid&state=s
    https://h/oauth/authorize?code_challenge=abc&code_challenge_method=S256&grant_type=authorization_code&nonce=n
    https://s3.example/b/o?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Date=1&X-Amz-Expires=9&X-Amz-SignedHeaders=host
    https://h/a?signature_version=4&sigma=2&sign=plus&design=x&assigned=me&passive=1&bypass=1&password_policy=strong
    https://h/a?sessions=4&session_type=web https://h/a?credential_type=x&cookie_policy=a&accept_cookie=1
    https://h/@user/post https://h/a;v=1;w=2?x=1#section-2 https://h/p?email=a@b.example https://h:8443/x/y@z
    https://h/a?key_name=x&keys=a,b&hotkey=c&monkey=d&turkey=e&keyboard=f&codec=g&decode=h&encoded=i&qrcode=j
    https://h/a?sidebar=1&inside=2&residence=3&osid=x&secretary=ann&jwts=1&certificate=x&scopes=a
    https://h/?a&b&c=&=d&&
    https://h/a?test_pass=1&first_pass=2&accession=4&access=public&private=1&api=2&client=3&require_auth=1&no_auth=1
""")


@pytest.mark.parametrize("name", PARAMETERS)
def test_parameters_that_are_secrets(name):
    assert redactor.query(f"a=1&{name}=hunter2&z=2") == f"a=1&{name}={REDACTED}&z=2"
    assert redactor.url(f"https://h/p?{name}=hunter2#top") == f"https://h/p?{name}={REDACTED}#top"


@pytest.mark.parametrize("name", HEADERS)
def test_headers_that_are_secrets(name):
    assert redactor.value(f"http.request.header.{name}", "hunter2") == REDACTED
    assert redactor.value(f"http.response.header.{name}.0", "hunter2") == REDACTED
    assert redactor.value(f"http.request.header.{name.replace('-', '_')}", "hunter2") == REDACTED
    assert "hunter2" not in redactor.text(f"sent {name}: hunter2 to it")


@pytest.mark.parametrize(("text", "shown"), TEXTS)
def test_secrets_in_text(text, shown):
    assert redactor.text(text) == shown


@pytest.mark.parametrize("text", ORDINARY_TEXTS)
def test_ordinary_text_stays(text):
    assert redactor.text(text) == text


@pytest.mark.parametrize("url", ORDINARY_URLS)
def test_ordinary_urls_stay(url):
    assert redactor.url(url) == url


def test_the_attribute_names_of_the_semantic_conventions_are_ordinary():
    names = {
        value
        for path in Path(next(iter(semconv.__path__))).rglob("*_attributes.py")
        for value in re.findall(r'"([a-z][a-z0-9_]*(?:\.[a-z0-9_]+)+)"', path.read_text())
    }
    assert len(names) > 300
    for name in names | {"session.id", "code.function.name", "feature_flag.key", "messaging.kafka.message.key",
                         "gen_ai.token.type", "gen_ai.usage.input_tokens", "error.type", "aws.s3.key", "user.hash",
                         "messaging.rabbitmq.destination.routing_key", "http.response.status_code"}:  # fmt: skip
        assert not redactor.secret_key(name), name


def test_a_url_within_a_parameter_loses_its_secrets():
    url = redactor.url("https://h/login?next=https%3A%2F%2Fx%2Fcb%3Faccess_token%3Dhunter2%26a%3D1&b=2")
    assert "hunter2" not in url
    assert url.endswith("&b=2")
    assert "hunter2" not in redactor.url("https://h/login?next=/cb?token=hunter2")
    assert "hunter2" not in redactor.url("https://h/cb#access_token=hunter2&state=x")


@pytest.mark.parametrize(
    "unit",
    [
        "a", "=", "a=", "&", "?a=", "a:", "'", '"', "password=", "password='", 'password="x" ', "://", "a://b:c", "@",
        "eyJ", "eyJhbGciOi.", "-", "--a ", '\\"', 'x\\"=', "[", "a[b]=", " ", "Cookie: ",
        "-----BEGIN PRIVATE KEY-----",         "bearer ", "token%3D", "%", "/a?b=c", "AKIA", ".",
    ],
)  # fmt: skip
def test_time_grows_with_the_length_only(unit):
    def cost(length):
        text = unit * (length // len(unit))
        best = 9.0
        for _ in range(2):
            begun = thread_time()
            redactor.text(text)
            redactor.url(text)
            best = min(best, thread_time() - begun)
        return best

    # Sixteen times the length: 16 if linear, 256 if quadratic.
    assert cost(16_000) < 80 * max(cost(1_000), 2e-5)
