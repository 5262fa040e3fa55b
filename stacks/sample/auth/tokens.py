"""Access tokens: JSON Web Tokens, HS256."""

from __future__ import annotations

import time
from dataclasses import dataclass

import jwt

from chassis.config import Config, ConfigMistake

_ALGORITHM = "HS256"
_LEAST_SECRET_BYTES = 32  # RFC 7518, section 3.2


class TokenRefused(Exception):
    """A token is not valid; the message contains the reason, but not the token."""


@dataclass(frozen=True, slots=True)
class Tokens:
    """Issues and verifies tokens.

    Attributes:
        secret: shared by all services that verify tokens.
        issuer: claim ``iss``.
        lifetime_s: seconds until ``exp``.
    """

    secret: str
    issuer: str
    lifetime_s: int

    @classmethod
    def of(cls, config: Config) -> Tokens:
        """Return the tokens of a config.yaml (its ``tokens``).

        Raises:
            ConfigMistake: If the secret is shorter than RFC 7518 requires.
        """
        secret = config.text("tokens.secret", "AUTH_SECRET")
        if len(secret.encode()) < _LEAST_SECRET_BYTES:
            raise ConfigMistake(f"{config.path}: tokens.secret (AUTH_SECRET): expected at least 32 bytes")
        return cls(secret, config.text("tokens.issuer"), int(config.number("tokens.lifetime_s")))

    def issue(self, account_id: int) -> str:
        """Return a token for an account, valid from now on."""
        now = int(time.time())
        claims = {"sub": str(account_id), "iss": self.issuer, "iat": now, "exp": now + self.lifetime_s}
        return jwt.encode(claims, self.secret, algorithm=_ALGORITHM)

    def verify(self, token: str) -> int:
        """Return the account's id.

        Raises:
            TokenRefused: If the token is malformed, expired, or signed with another secret.
        """
        try:
            claims = jwt.decode(
                token,
                self.secret,
                algorithms=[_ALGORITHM],
                issuer=self.issuer,
                options={"require": ["sub", "iss", "exp"]},
            )
            return int(claims["sub"])
        except (jwt.InvalidTokenError, ValueError) as error:
            # Not chained: the decoder's message may quote parts of the token.
            raise TokenRefused(f"the token is not valid: {type(error).__name__}") from None
