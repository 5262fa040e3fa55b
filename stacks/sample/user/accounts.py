"""Accounts, and the checks of requests to create or change them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from chassis.json_requests import text_field
from chassis.problems import Problem

_USERNAME = re.compile(r"[a-z0-9][a-z0-9._-]{1,63}")
_LEAST_PASSWORD = 8
_CHANGEABLE = ("email", "display_name", "active")


@dataclass(frozen=True, slots=True)
class NewAccount:
    """A checked request for an account; the password is plain text until it is hashed, and is not part of ``repr``."""

    username: str
    email: str
    display_name: str
    password: str

    def __repr__(self) -> str:
        return f"NewAccount({self.username!r})"

    @classmethod
    def of(cls, body: dict[str, Any]) -> NewAccount:
        """Return the account that a body requests.

        Raises:
            Problem: 422 if a field is missing or invalid.
        """
        username = text_field(body, "username").lower()
        if not _USERNAME.fullmatch(username):
            raise Problem(422, "username has 2 to 64 of a-z 0-9 . _ - and starts with a letter or digit")
        password = text_field(body, "password")
        if len(password) < _LEAST_PASSWORD:
            raise Problem(422, f"password has at least {_LEAST_PASSWORD} characters")
        display_name = text_field(body, "display_name") if "display_name" in body else username
        return cls(username, _email(body), display_name, password)


def read_changes(body: dict[str, Any]) -> dict[str, Any]:
    """Return the columns that a body changes, with their values.

    Raises:
        Problem: 422 for a field that cannot be changed, an invalid value, or a body without changes.
    """
    if not body or not set(body) <= set(_CHANGEABLE):
        raise Problem(422, f"what can be changed: {', '.join(_CHANGEABLE)}")
    changes: dict[str, Any] = {}
    if "email" in body:
        changes["email"] = _email(body)
    if "display_name" in body:
        changes["display_name"] = text_field(body, "display_name")
    if "active" in body:
        if not isinstance(body["active"], bool):
            raise Problem(422, "active is true or false")
        changes["active"] = int(body["active"])
    return changes


def _email(body: dict[str, Any]) -> str:
    email = text_field(body, "email")
    name, at, domain = email.partition("@")
    if not (name and at and domain):
        raise Problem(422, "email is an address")
    return email
