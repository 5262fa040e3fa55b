"""The database: SQLite in write-ahead mode.

Reads by key take microseconds and do not wait for a writer, so they run on the event loop: a thread would cost more
than the query. Writes may wait for the disk, so they run in a thread, one after the other.
"""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from devenv import tracing

Row = dict[str, Any]

_SCHEMA = """
PRAGMA journal_mode = WAL;
PRAGMA synchronous = NORMAL;
CREATE TABLE IF NOT EXISTS account (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    username TEXT NOT NULL UNIQUE,
    email TEXT NOT NULL,
    display_name TEXT NOT NULL,
    password_hash TEXT NOT NULL,
    active INTEGER NOT NULL DEFAULT 1,
    created_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
);
CREATE TABLE IF NOT EXISTS audit (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    account_id INTEGER NOT NULL,
    action TEXT NOT NULL,
    detail TEXT NOT NULL,
    request_id TEXT NOT NULL,
    at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
);
CREATE INDEX IF NOT EXISTS audit_by_account ON audit (account_id, id);
"""
_PUBLIC = ("id", "username", "email", "display_name", "active", "created_at")
_COLUMNS = ", ".join(_PUBLIC)
_BY_ID = f"SELECT {_COLUMNS} FROM account WHERE id = ?"  # noqa: S608 - the columns are the constant above
_BY_NAME = "SELECT id, username, active, password_hash FROM account WHERE username = ?"
_OLDEST = f"SELECT {_COLUMNS} FROM account WHERE id > ? ORDER BY id LIMIT ?"  # noqa: S608 - likewise
_NEWEST = f"SELECT {_COLUMNS} FROM account ORDER BY id DESC LIMIT ?"  # noqa: S608 - likewise
_EVENTS = "SELECT id, action, detail, request_id, at FROM audit WHERE account_id = ? ORDER BY id DESC LIMIT ?"
_EVENT_COLUMNS = ("id", "action", "detail", "request_id", "at")
_INSERT = "INSERT INTO account (username, email, display_name, password_hash) VALUES (?, ?, ?, ?)"
_SEED = "INSERT OR IGNORE INTO account (id, username, email, display_name, password_hash) VALUES (?, ?, ?, ?, ?)"
_RECORD = "INSERT INTO audit (account_id, action, detail, request_id) VALUES (?, ?, ?, ?)"


class NameTaken(Exception):
    """An account with that name already exists."""


class Store:
    """Accounts and their audit events.

    Args:
        path: file of the database; empty: one in a temporary directory that is deleted with the store.
        seed: account that is created if it does not exist, with its id and its password's hash.
    """

    def __init__(self, path: str, seed: Mapping[str, Any]) -> None:
        self._temporary = tempfile.mkdtemp(prefix="devenv-sample-user-") if not path else ""
        file = path or str(Path(self._temporary) / "user.db")
        _prepare(file, seed)
        self._reader = tracing.sqlite_connection(file)
        self._writer = tracing.sqlite_connection(file, check_same_thread=False, isolation_level=None)
        self._writing = asyncio.Lock()

    def close(self) -> None:
        """Close the database, and delete it if it is temporary."""
        self._reader.close()
        self._writer.close()
        if self._temporary:
            shutil.rmtree(self._temporary, ignore_errors=True)

    def account(self, account_id: int) -> Row | None:
        """Return the public columns of an account."""
        row = self._reader.execute(_BY_ID, (account_id,)).fetchone()
        return _account(row) if row else None

    def login(self, username: str) -> Row | None:
        """Return the columns of an account that auth needs: id, username, active, password_hash."""
        row = self._reader.execute(_BY_NAME, (username,)).fetchone()
        if row is None:
            return None
        return {"id": row[0], "username": row[1], "active": bool(row[2]), "password_hash": row[3]}

    def accounts(self, after: int, limit: int) -> list[Row]:
        """Return accounts by ascending id, beginning with the one after ``after``."""
        return [_account(row) for row in self._reader.execute(_OLDEST, (after, limit)).fetchall()]

    def newest(self, limit: int) -> list[Row]:
        """Return accounts by descending id."""
        return [_account(row) for row in self._reader.execute(_NEWEST, (limit,)).fetchall()]

    def events(self, account_id: int, limit: int) -> list[Row]:
        """Return the audit events of an account, the latest first."""
        rows = self._reader.execute(_EVENTS, (account_id, limit)).fetchall()
        return [dict(zip(_EVENT_COLUMNS, row, strict=True)) for row in rows]

    async def create(self, username: str, email: str, display_name: str, password_hash: str) -> int:
        """Create an account and return its id.

        Raises:
            NameTaken: If an account with that name already exists.
        """
        try:
            return (await self._write(_INSERT, (username, email, display_name, password_hash)))[1]
        except sqlite3.IntegrityError as error:
            raise NameTaken(username) from error

    async def change(self, account_id: int, changes: Mapping[str, Any]) -> bool:
        """Set columns of an account; return whether the account exists."""
        assignments = ", ".join(f"{column} = ?" for column in changes)
        statement = f"UPDATE account SET {assignments} WHERE id = ?"  # noqa: S608 - columns were checked by name
        return (await self._write(statement, (*changes.values(), account_id)))[0] > 0

    async def remove(self, account_id: int) -> bool:
        """Delete an account; return whether it existed. Its audit events are kept."""
        return (await self._write("DELETE FROM account WHERE id = ?", (account_id,)))[0] > 0

    async def record(self, account_id: int, action: str, detail: str, request_id: str) -> None:
        """Write an audit event."""
        await self._write(_RECORD, (account_id, action, detail, request_id))

    async def _write(self, statement: str, parameters: Sequence[Any]) -> tuple[int, int]:
        async with self._writing:
            changed: tuple[int, int] = await tracing.run_in_thread(self._execute, statement, parameters)
            return changed

    def _execute(self, statement: str, parameters: Sequence[Any]) -> tuple[int, int]:
        cursor = self._writer.execute(statement, parameters)
        return cursor.rowcount, cursor.lastrowid or 0


def _prepare(file: str, seed: Mapping[str, Any]) -> None:
    connection = sqlite3.connect(file)
    try:
        connection.executescript(_SCHEMA)
        values = [seed[name] for name in ("id", "username", "email", "display_name", "password_hash")]
        with connection:
            connection.execute(_SEED, values)
    finally:
        connection.close()


def _account(row: Sequence[Any]) -> Row:
    account = dict(zip(_PUBLIC, row, strict=True))
    account["active"] = bool(account["active"])
    return account
