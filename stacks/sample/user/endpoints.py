"""The user service's endpoints."""

from __future__ import annotations

from typing import NoReturn

from starlette.requests import Request
from starlette.responses import Response

from chassis.bodies import json_response
from chassis.json_requests import read_object
from chassis.passwords import hash_password
from chassis.problems import Problem
from devenv import tracing
from user.accounts import NewAccount, read_changes
from user.audit import AuditLog
from user.store import NameTaken, Store

_MOST = 100
_LARGEST_ID = 2**63 - 1  # SQLite's


async def list_accounts(request: Request) -> Response:
    """``GET /users``: accounts by id, ``after`` one, ``limit`` of them; ``order=newest`` reverses the order."""
    limit, after = _query_number(request, "limit", 20, most=_MOST), _query_number(request, "after", 0)
    store = _store(request)
    newest = request.query_params.get("order") == "newest"
    users = store.newest(limit) if newest else store.accounts(after, limit)
    return json_response({"users": users})


async def create_account(request: Request) -> Response:
    """``POST /users``: create an account; 409 if the name is in use."""
    wanted = NewAccount.of(await read_object(request))
    with tracing.span("create account"):
        password_hash = await tracing.run_in_thread(hash_password, wanted.password)
        try:
            account_id = await _store(request).create(wanted.username, wanted.email, wanted.display_name, password_hash)
        except NameTaken as error:
            tracing.record_exception(error)
            raise Problem(409, "the username is taken") from None
        tracing.set_attributes({"account.id": account_id})
        tracing.add_event("account.created")
        await _audit(request).put(account_id, "account.created")
    headers = {"location": f"/users/{account_id}"}
    return json_response(_store(request).account(account_id), 201, headers)


async def read_account(request: Request) -> Response:
    """``GET /users/{id}``."""
    account_id = _account_id(request)
    account = _store(request).account(account_id)
    if account is None:
        _missing(account_id)
    return json_response(account)


async def change_account(request: Request) -> Response:
    """``PATCH /users/{id}``: change email, display_name or active."""
    account_id = _account_id(request)
    changes = read_changes(await read_object(request))
    with tracing.span("change account", attributes={"account.id": account_id}):
        if not await _store(request).change(account_id, changes):
            _missing(account_id)
        tracing.add_event("account.changed", {"fields": sorted(changes)})
        await _audit(request).put(account_id, "account.changed", ", ".join(sorted(changes)))
    return json_response(_store(request).account(account_id))


async def remove_account(request: Request) -> Response:
    """``DELETE /users/{id}``; its audit events are kept."""
    account_id = _account_id(request)
    with tracing.span("remove account", attributes={"account.id": account_id}):
        if not await _store(request).remove(account_id):
            _missing(account_id)
        await _audit(request).put(account_id, "account.removed")
    return Response(status_code=204)


async def list_events(request: Request) -> Response:
    """``GET /users/{id}/events``: the latest audit events of an account, ``limit`` of them."""
    limit = _query_number(request, "limit", 20, most=_MOST)
    return json_response({"events": _store(request).events(_account_id(request), limit)})


async def read_login(request: Request) -> Response:
    """``GET /internal/accounts/{username}``: account and password hash, for auth; not reachable from outside."""
    account = _store(request).login(request.path_params["username"].lower())
    if account is None:
        raise Problem(404, "there is no such account")
    return json_response(account, headers={"cache-control": "no-store"})


def _store(request: Request) -> Store:
    store: Store = request.app.state.store
    return store


def _audit(request: Request) -> AuditLog:
    audit: AuditLog = request.app.state.audit
    return audit


def _missing(account_id: int) -> NoReturn:
    raise Problem(404, f"there is no account {account_id}")


def _account_id(request: Request) -> int:
    text: str = request.path_params["id"]
    if not _is_number(text, _LARGEST_ID):
        raise Problem(404, "there is no such account")
    return int(text)


def _is_number(text: str, most: int) -> bool:
    return text.isdecimal() and len(text) <= len(str(most)) and int(text) <= most


def _query_number(request: Request, name: str, default: int, most: int = _LARGEST_ID) -> int:
    text = request.query_params.get(name, str(default))
    if not _is_number(text, most):
        raise Problem(422, f"{name} is a number from 0 to {most}")
    return int(text)
