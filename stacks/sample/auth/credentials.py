"""A caller's credentials: a bearer token or an API key."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from starlette.datastructures import Headers

from auth.tokens import TokenRefused, Tokens
from chassis.config import Config
from chassis.problems import Problem
from devenv import tracing

_CHALLENGE = {"www-authenticate": "Bearer"}


@dataclass(frozen=True, slots=True)
class Credentials:
    """Finds the account of a request's credentials.

    Attributes:
        tokens: verifies bearer tokens.
        api_keys: account id by the key's SHA-256 in hex. Keys are random, so a plain digest is enough protection, and
            the time of a lookup by digest reveals nothing about the key.
    """

    tokens: Tokens
    api_keys: Mapping[str, int]

    @classmethod
    def of(cls, config: Config) -> Credentials:
        """Return the credentials of a config.yaml (``tokens`` and ``api_keys``)."""
        keys = {str(entry["sha256"]): int(entry["account"]) for entry in config.entries("api_keys")}
        return cls(Tokens.of(config), keys)

    def account_id(self, headers: Headers) -> int:
        """Return the id of the caller's account.

        Raises:
            Problem: 401 if no valid credentials are sent.
        """
        if key := headers.get("x-api-key"):
            return self._by_key(key)
        scheme, _, token = headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise Problem(401, "a bearer token or an API key is needed", _CHALLENGE)
        try:
            found = self.tokens.verify(token.strip())
        except TokenRefused as error:
            tracing.record_exception(error)
            raise Problem(401, str(error), _CHALLENGE) from None
        tracing.add_event("credentials.accepted", {"credentials.kind": "token"})
        return found

    def _by_key(self, key: str) -> int:
        account = self.api_keys.get(hashlib.sha256(key.encode()).hexdigest())
        if account is None:
            raise Problem(401, "the API key is not known", _CHALLENGE)
        tracing.add_event("credentials.accepted", {"credentials.kind": "api key"})
        return account
