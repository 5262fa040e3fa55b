"""How a derived command learns the port on which it has to listen: a port of this machine, not that of a container."""

from __future__ import annotations

import os
import re
import shlex
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from devenv.immutable import immutable

_SOURCES = frozenset(
    {".py", ".js", ".mjs", ".cjs", ".ts", ".java", ".kt", ".go", ".rb", ".php", ".sh", ".toml", ".yml", ".yaml"}
)
_PASSED_OVER = frozenset({"node_modules", "__pycache__", "venv", "env", "target", "build", "dist", "vendor"})
_FILES, _BYTES = 400, 256 * 1024
"""Most files that are read for a word about the port, and bytes of each."""
_READS = re.compile(r"\bPORT\b")
_HOSTS = ("HOST", "HOSTNAME", "SERVER", "ADDR", "ADDRESS")
_OWN_HOSTS = frozenset({"", "0.0.0.0", "127.0.0.1", "localhost", "::", "::1", "*"})  # noqa: S104 - compared, not bound
_OPTION = {"uvicorn": "--port", "hypercorn": "--bind", "streamlit": "--server.port"}


@immutable(kw_only=True)
class PortGiven:
    """How a program gets its port.

    Attributes:
        words: the command, which may use ``$PORT``.
        variable: for ``port_env``.
        certain: the program reads it; else it may listen on another one.
    """

    words: tuple[str, ...]
    variable: str = "PORT"
    certain: bool = True


def give_port(words: tuple[str, ...], port: int | None, environment: Mapping[str, str], folder: Path) -> PortGiven:
    """Return how a command gets its port, from its words, its environment and its files.

    Args:
        words: of this machine.
        port: the first one of the container; ``None``: it has none.
        environment: of the image and the service.
        folder: with the program's files.
    """
    if port is None:
        return PortGiven(words=words)
    same = [name for name in environment if _is_own_port(name, port, environment)]
    if same:
        return PortGiven(words=words, variable="PORT" if "PORT" in same else same[0])
    if (given := _with_variable(words, port)) is not None:
        return PortGiven(words=given)
    program = words[0].rpartition("/")[2] if words else ""
    if program == "flask":
        return PortGiven(words=words, variable="FLASK_RUN_PORT", certain="--port" not in words and "-p" not in words)
    if option := _OPTION.get(program):
        value = '"$PORT"' if option != "--bind" else '127.0.0.1:"$PORT"'
        return PortGiven(words=("sh", "-c", f"exec {shlex.join(words)} {option} {value}"))
    if words[-1:] == ("runserver",):
        return PortGiven(words=("sh", "-c", f'exec {shlex.join(words)} "$PORT"'))
    if program == "java" and any(_is_spring_boot(folder / word) for word in words if word.endswith(".jar")):
        return PortGiven(words=words, variable="SERVER_PORT")
    return PortGiven(words=words, certain=program == "gunicorn" or _reads_port(words, folder))


def _is_own_port(name: str, port: int, environment: Mapping[str, str]) -> bool:
    """Whether a variable has the port of the program itself, and not that of a service named beside it."""
    if not name.endswith("PORT") or environment[name] != str(port):
        return False
    hosts = [environment.get(f"{name.removesuffix('PORT')}{end}", "") for end in _HOSTS]
    return all(host in _OWN_HOSTS for host in hosts)


def _with_variable(words: tuple[str, ...], port: int) -> tuple[str, ...] | None:
    """The command with ``$PORT`` in place of the number; ``None`` if it does not have the number."""
    number = re.compile(rf"(?<![\w.$]){port}(?![\w.])")
    if words[:2] == ("sh", "-c") and len(words) == 3:
        return ("sh", "-c", number.sub("$PORT", words[2])) if number.search(words[2]) and "'" not in words[2] else None
    if not any(number.search(word) for word in words[1:]):
        return None
    quoted = (
        '"$PORT"'.join(shlex.quote(part) if part else "" for part in number.split(word)) or "''" for word in words
    )
    return ("sh", "-c", f"exec {' '.join(quoted)}")


def _is_spring_boot(jar: Path) -> bool:
    try:
        with zipfile.ZipFile(jar) as archive:
            return any(name.startswith("BOOT-INF/") for name in archive.namelist())
    except (OSError, zipfile.BadZipFile):
        return False


def _reads_port(words: tuple[str, ...], folder: Path) -> bool:
    """Whether the command or a source file has the word PORT."""
    return any(_READS.search(word) for word in words) or any(_has_word(path) for path in _sources(folder))


def _sources(folder: Path) -> Iterator[Path]:
    count = 0
    for directory, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".") and name not in _PASSED_OVER]
        for name in files:
            if Path(name).suffix in _SOURCES:
                count += 1
                if count > _FILES:
                    return
                yield Path(directory, name)


def _has_word(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return bool(_READS.search(file.read(_BYTES).decode(errors="replace")))
    except OSError:
        return False
