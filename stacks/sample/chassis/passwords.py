"""Passwords as scrypt hashes (RFC 7914): ``scrypt$N$r$p$salt$hash``, the last two in base64."""

from __future__ import annotations

import hashlib
import hmac
import os
from base64 import b64decode, b64encode

_N, _R, _P = 2**14, 8, 1  # 16 MiB and some 50 ms per hash: never on the event loop
_SALT_BYTES, _HASH_BYTES = 16, 32


def hash_password(password: str) -> str:
    """Return a new hash of a password; costs some 50 ms of CPU."""
    salt = os.urandom(_SALT_BYTES)
    return f"scrypt${_N}${_R}${_P}${b64encode(salt).decode()}${b64encode(_derive(password, salt, _N, _R, _P)).decode()}"


def verify_password(password: str, stored: str) -> bool:
    """Return whether the password is the one that was hashed; costs as much as hashing.

    Raises:
        ValueError: If the stored text is not such a hash.
    """
    name, n, r, p, salt, expected = stored.split("$")
    if name != "scrypt":
        raise ValueError("a hash of another kind")
    found = _derive(password, b64decode(salt), int(n), int(r), int(p))
    return hmac.compare_digest(found, b64decode(expected))


def _derive(password: str, salt: bytes, n: int, r: int, p: int) -> bytes:
    return hashlib.scrypt(password.encode(), salt=salt, n=n, r=r, p=p, dklen=_HASH_BYTES)
