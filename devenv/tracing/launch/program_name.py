"""Derives a service name from the command of a program."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

# Names that describe a module's purpose, not its service: the package's or folder's name is better.
_GENERIC = frozenset({"__main__", "app", "application", "asgi", "main", "manage", "run", "server", "src", "wsgi"})
_INTERPRETER = re.compile(r"(?:python|pypy)[0-9.]*t?$")
_INTERPRETER_VALUES = frozenset({"-W", "-X", "--check-hash-based-pycs"})
_RUNNERS = frozenset({"hatch", "pdm", "pipenv", "poetry", "uv"})
_SERVERS = frozenset({"daphne", "granian", "gunicorn", "hypercorn", "uvicorn"})
_WITH_APP_OPTION = frozenset({"celery", "flask"})
_REFERENCE = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_][\w.]*(?:\(.*\))?")
_MODULE = re.compile(r"[A-Za-z_]\w*(?:\.\w+)*")


def service_name(command: Sequence[str], directory: Path, environ: Mapping[str, str]) -> str:
    """Derive a service name from the command that starts it.

    It is the module, script or program; if that is a generic name (`app`, `main`, `manage`, `wsgi`, …), the package or
    folder that contains it; and if nothing is left, the directory's name.

    ==========================================  =================================
    `python -m shop.web`                        `shop.web`
    `python worker.py`, `./worker.py`           `worker`
    `python shop/app.py`                        `shop`
    `uvicorn shop.app:app`, `gunicorn shop`     `shop`
    `flask --app shop run`                      `shop`
    `python manage.py runserver`, `python -c …` the directory's name
    ==========================================  =================================

    Args:
        command: The command and its arguments.
        directory: The working directory.
        environ: Its environment (`FLASK_APP`).
    """
    return _named(list(command), directory, environ) or directory.resolve().name or "unknown_service"


def _named(command: list[str], directory: Path, environ: Mapping[str, str]) -> str:
    program = Path(command[0]).name
    rest = command[1:]
    if program in _RUNNERS and rest[:1] == ["run"] and len(rest) > 1 and not rest[1].startswith("-"):
        return _named(rest[1:], directory, environ)
    if _INTERPRETER.match(program):
        return _of_interpreter(rest, directory, environ)
    if program in _SERVERS:
        return _of_server(rest)
    if program in _WITH_APP_OPTION:
        return _of_app_option(rest, directory) or _of_reference(environ.get("FLASK_APP", ""), directory)
    if program == "fastapi":
        return _of_reference(next((word for word in rest[1:] if not word.startswith("-")), ""), directory)
    return _of_script(directory / command[0]) if program.endswith(".py") else program


def _of_interpreter(arguments: list[str], directory: Path, environ: Mapping[str, str]) -> str:
    """Return the name of an interpreter's target, after its own options."""
    while arguments and arguments[0].startswith("-") and arguments[0] != "-":
        option = arguments.pop(0)
        if option in _INTERPRETER_VALUES:
            del arguments[:1]
        elif option == "-c":
            return ""
        elif option == "-m" and arguments:
            module = arguments[0]
            known = module in _SERVERS | _WITH_APP_OPTION | {"fastapi"}
            return _named(arguments, directory, environ) if known else _of_module(module)
        elif option.startswith("-m"):
            return _of_module(option[2:])
    return "" if arguments[:1] in ([], ["-"]) else _of_script(directory / arguments[0])


def _of_server(arguments: list[str]) -> str:
    """Return the first `module:attribute`, which is not an option's value of any server, else a module at the end."""
    for word in arguments:
        if _REFERENCE.fullmatch(word):
            return _of_module(word.partition(":")[0])
    last = arguments[-1] if arguments else ""
    return _of_module(last) if _MODULE.fullmatch(last) else ""


def _of_app_option(arguments: list[str], directory: Path) -> str:
    for position, word in enumerate(arguments):
        option, equals, value = word.partition("=")
        if option in {"--app", "-A"}:
            return _of_reference(value if equals else "".join(arguments[position + 1 : position + 2]), directory)
    return ""


def _of_reference(text: str, directory: Path) -> str:
    """Return the name of a module or file, with or without an attribute."""
    target = text.partition(":")[0]
    if not target:
        return ""
    return _of_script(directory / target) if target.endswith(".py") or "/" in target else _of_module(target)


def _of_module(module: str) -> str:
    parts = module.split(".")
    while parts and parts[-1] in _GENERIC:
        parts.pop()
    return ".".join(parts)


def _of_script(path: Path) -> str:
    parts = [*path.absolute().parent.parts[1:], path.name.removesuffix(".py")]
    while len(parts) > 1 and parts[-1] in {*_GENERIC, "", ".", ".."}:
        parts.pop()
    return parts[-1]
