"""`db.response.status_code`: what a database or its driver calls the failure of a statement."""

from __future__ import annotations

_NUMBERED = frozenset({"pymysql", "MySQLdb", "mysql", "aiomysql", "asyncmy", "mariadb"})


def response_code(exception: BaseException) -> str:
    """Return the code of a failure, "" for none.

    It is SQLSTATE (PostgreSQL), the error number (MySQL), the name of the result code (SQLite) or the word with which
    an error of Redis begins.

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
    if type(exception).__module__.partition(".")[0] == "redis":
        return _of_redis(exception)
    for name in ("sqlstate", "pgcode", "sqlite_errorname"):
        code = getattr(exception, name, None)
        if code and isinstance(code, str):
            return code
    return ""


def _of_redis(exception: BaseException) -> str:
    code = getattr(exception, "status_code", None)
    if code:
        return str(code)
    if not any(base.__name__ == "ResponseError" for base in type(exception).__mro__):
        return ""
    word = str(exception).partition(" ")[0]  # older versions of the library keep it, but for the most general one
    return word if word.isupper() else "ERR"
