"""`db.response.status_code`: what a database or its driver calls the failure of a statement."""

from __future__ import annotations

_NUMBERED = frozenset({"pymysql", "MySQLdb", "mysql", "aiomysql", "asyncmy", "mariadb"})


def response_code(exception: BaseException) -> str:
    """Return SQLSTATE (PostgreSQL), the error number (MySQL) or the name of the result code (SQLite); "" for none.

    An exception that a library has wrapped (`raise … from`, SQLAlchemy's `orig`) is found in at most 4 steps.
    """
    found: BaseException | None = exception
    for _ in range(4):
        if found is None:
            return ""
        code = _own(found)
        if code:
            return code
        found = getattr(found, "orig", None) or found.__cause__
    return ""


def _own(exception: BaseException) -> str:
    if type(exception).__module__.partition(".")[0] in _NUMBERED:
        number = getattr(exception, "errno", None) or (exception.args[0] if exception.args else None)
        return str(number) if isinstance(number, int) and number > 0 else ""
    for name in ("sqlstate", "pgcode", "sqlite_errorname"):
        code = getattr(exception, name, None)
        if code and isinstance(code, str):
            return code
    return ""
