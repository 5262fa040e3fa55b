"""Access tokens of the sample's auth service."""

from __future__ import annotations

import time
from pathlib import Path

import jwt
import pytest

from auth.tokens import TokenRefused, Tokens
from chassis.config import Config, ConfigMistake

SECRET = "a secret of the tests, long enough for every algorithm that is tried here"
TOKENS = Tokens(SECRET, "tests", 60)


def signed(secret: str = SECRET, algorithm: str = "HS256", **claims: object) -> str:
    now = int(time.time())
    return jwt.encode({"sub": "7", "iss": "tests", "exp": now + 60, **claims}, secret, algorithm=algorithm)


def test_a_token_names_the_account_that_it_was_issued_for() -> None:
    assert TOKENS.verify(TOKENS.issue(7)) == 7


@pytest.mark.parametrize(
    "token",
    [
        "",
        "no token",
        signed(secret="another secret that is longer than 32 bytes"),
        signed(exp=1),
        signed(iss="somebody else"),
        signed(sub="seven"),
        signed(algorithm="HS512"),
        jwt.encode({"sub": "7", "iss": "tests", "exp": 2**40}, None, algorithm="none"),
        jwt.encode({"sub": "7", "iss": "tests"}, SECRET, algorithm="HS256"),
    ],
    ids=["empty", "garbage", "forged", "expired", "issuer", "subject", "algorithm", "unsigned", "no expiry"],
)
def test_a_token_that_says_nothing_is_refused_without_being_quoted(token: str) -> None:
    with pytest.raises(TokenRefused) as caught:
        TOKENS.verify(token)
    assert not token or token not in str(caught.value)
    assert caught.value.__cause__ is None


def test_a_short_secret_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text("tokens: {secret: short, issuer: x, lifetime_s: 60}")
    with pytest.raises(ConfigMistake, match="AUTH_SECRET"):
        Tokens.of(Config.read(path, {}))
    long = Config.read(path, {"AUTH_SECRET": SECRET})
    assert Tokens.of(long) == Tokens(SECRET, "x", 60)
