"""The database that a connection's statements go to."""

from __future__ import annotations

from typing import NamedTuple

DEFAULT_PORTS = {
    "mariadb": 3306,
    "microsoft.sql_server": 1433,
    "mongodb": 27017,
    "mysql": 3306,
    "oracle.db": 1521,
    "postgresql": 5432,
    "redis": 6379,
}


class Database(NamedTuple):
    """What a connection's statements have in common.

    Attributes:
        system: `db.system.name`: `sqlite`, `postgresql`, `mysql`, …
        namespace: The database's name, as it was given when the connection was opened.
        address: The server's name or the path of its socket, empty if there is none.
        port: The server's port, 0 if it is not known.
    """

    system: str
    namespace: str = ""
    address: str = ""
    port: int = 0
