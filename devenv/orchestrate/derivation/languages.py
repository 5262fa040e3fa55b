"""Programs that need an environment of packages: Python, Node.js and Java."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from devenv.orchestrate.derivation.outcome import LocalProgram, Missing

if TYPE_CHECKING:
    from devenv.orchestrate.derivation.setting import Setting

    Language = Callable[[tuple[str, ...], Setting], LocalProgram | Missing]

_VENVS = (".venv", "venv", "env")
_PYTHON = re.compile(
    r"^(python[\d.]*|pypy[\d.]*|pip|gunicorn|uvicorn|hypercorn|daphne|waitress-serve|uwsgi|flask|fastapi|"
    r"django-admin|celery|dramatiq|rq|huey_consumer|alembic|streamlit|pytest|ddtrace-run|opentelemetry-instrument)$"
)
_NODE = frozenset({"node", "nodejs", "npm", "npx", "yarn", "pnpm", "nodemon", "ts-node", "tsx", "next", "vite", "nest"})
_RUNNERS = ("uv", "poetry", "pipenv", "pdm", "hatch")
_REQUIREMENTS = ("requirements.txt", "requirements/base.txt", "Pipfile", "pyproject.toml", "setup.py")
_NAME = re.compile(r"^\s*([A-Za-z0-9][A-Za-z0-9._-]*)")


def language_of(words: tuple[str, ...], setting: Setting) -> Language | None:
    """Return what finds the command of this machine for a container's; ``None`` if any program may be it."""
    name = words[0].rpartition("/")[2]
    if _PYTHON.match(name) or (name in _RUNNERS and words[1:2] == ("run",)):
        return _python
    if name == "java":
        return _java
    if name in _NODE or any((folder / name).is_file() for folder in _module_folders(setting)):
        return _node
    if "/" not in words[0] and any((venv / "bin" / name).is_file() for venv in _venvs(setting)):
        return _python
    return None


def program_folders(setting: Setting) -> tuple[Path, ...]:
    """Return the directories with programs that belong to the service: of its virtual environment and node_modules."""
    venv = next(_venvs(setting), None)
    return (*((venv / "bin",) if venv else ()), *_module_folders(setting))


def _upwards(setting: Setting) -> Iterator[Path]:
    """The working directory and those above it, up to the build context or the stack file."""
    last = setting.root if setting.cwd.is_relative_to(setting.root) else setting.places.context
    for folder in (setting.cwd, *setting.cwd.parents):
        yield folder
        if folder in {last, setting.root} or not folder.is_relative_to(last):
            return


def _venvs(setting: Setting) -> Iterator[Path]:
    for folder in _upwards(setting):
        for name in _VENVS:
            if (folder / name / "bin" / "python").exists():
                yield folder / name


def _python(words: tuple[str, ...], setting: Setting) -> LocalProgram | Missing:
    if words[0] in _RUNNERS:
        rest = [word for word in words[2:] if not word.startswith("-")] if words[2:] else []
        words = words[words.index(rest[0]) :] if rest else words
    name = words[0].rpartition("/")[2]
    file = next(
        (
            folder / name
            for folder in (setting.cwd, setting.places.context)
            for name in _REQUIREMENTS
            if (folder / name).is_file()
        ),
        None,
    )
    venv = next(_venvs(setting), None)
    if venv is not None:
        program = (
            venv / "bin" / ("python" if name.startswith("python") and not (venv / "bin" / name).exists() else name)
        )
        if program.exists():
            return LocalProgram(words=(setting.relative(program), *words[1:]))
        return Missing(reason=f"{name} is not in {setting.shown(venv)}", remedy=_install(venv, file, name, setting))
    complete = file is None or _is_complete(file, setting)
    if complete and setting.machine.which(name):
        return LocalProgram(
            words=(name, *words[1:]), note="no virtual environment: with the packages of this machine's Python"
        )
    venv = (file.parent if file else setting.cwd) / ".venv"
    why = f"no virtual environment in {setting.shown(venv.parent)}" + (
        f" with the packages of {file.name}" if file else ""
    )
    shown = setting.shown(venv)
    return Missing(reason=why, remedy=f"python3 -m venv {shown} && {_install(venv, file, name, setting)}")


def _install(venv: Path, file: Path | None, name: str, setting: Setting) -> str:
    pip = f"{setting.shown(venv)}/bin/pip install"
    if file is None:
        return f"{pip} {name}"
    return f"{pip} -r {setting.shown(file)}" if file.suffix == ".txt" else f"{pip} {setting.shown(file.parent)}"


def _is_complete(file: Path, setting: Setting) -> bool:
    """Whether the interpreter has all that a requirements file names; of other files nothing is known."""
    if file.suffix != ".txt":
        return False
    try:
        lines = file.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return False
    names = [found[1] for line in lines if (found := _NAME.match(line))]
    return all(setting.machine.has_package(name) for name in names)


def _module_folders(setting: Setting) -> tuple[Path, ...]:
    folders = (folder / "node_modules" / ".bin" for folder in _upwards(setting))
    return tuple(folder for folder in folders if folder.is_dir())


def _node(words: tuple[str, ...], setting: Setting) -> LocalProgram | Missing:
    name = words[0].rpartition("/")[2]
    package = next((folder for folder in _upwards(setting) if (folder / "package.json").is_file()), None)
    installed = any((folder / "node_modules").is_dir() for folder in _upwards(setting))
    if package is not None and not installed and _has_dependencies(package / "package.json"):
        verb = "ci" if (package / "package-lock.json").is_file() else "install"
        return Missing(
            reason=f"the packages of {setting.shown(package / 'package.json')} are not installed",
            remedy=f"npm --prefix {setting.shown(package)} {verb}",
        )
    for folder in _module_folders(setting):
        if (folder / name).is_file():
            return LocalProgram(words=(setting.relative(folder / name), *words[1:]))
    if setting.machine.which(name):
        return LocalProgram(words=(name, *words[1:]))
    return Missing(
        reason=f"the program {name} is not installed on this machine",
        remedy=f"install {name}, or {Missing(reason='').remedy}",
    )


def _has_dependencies(file: Path) -> bool:
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return bool(isinstance(content, dict) and content.get("dependencies"))


def _java(words: tuple[str, ...], setting: Setting) -> LocalProgram | Missing:
    if not setting.machine.which("java"):
        return Missing(
            reason="the program java is not installed on this machine",
            remedy=f"install a JDK, or {Missing(reason='').remedy}",
        )
    position, target = _target(words)
    if not target:
        return LocalProgram(words=("java", *words[1:]))
    before, after = words[1:position], words[position + 1 :]
    found = setting.file(target)
    if target.endswith((".jar", ".java")):
        if found is not None:
            return LocalProgram(words=("java", *before, setting.relative(found), *after))
        return Missing(reason=f"{target} is made while the image is built", remedy=_build(target, setting))
    source = setting.cwd / f"{target.replace('.', '/')}.java"
    if not source.with_suffix(".class").is_file() and source.is_file():
        return LocalProgram(words=("java", *before, setting.relative(source), *after), note=f"{target} from its source")
    return LocalProgram(words=("java", *words[1:]))


def _target(words: tuple[str, ...]) -> tuple[int, str]:
    """Position and text of the jar, source file or class that ``java`` runs."""
    skip = False
    for position, word in enumerate(words[1:], 1):
        if skip:
            skip = False
        elif word in {"-cp", "-classpath", "--class-path", "-p", "--module-path", "--add-opens", "--add-modules"}:
            skip = True
        elif not word.startswith("-"):
            return position, word
    return 0, ""


def _build(target: str, setting: Setting) -> str:
    context = setting.places.context
    shown = setting.shown(context)
    if (context / "pom.xml").is_file():
        return f"mvn -f {shown} package"
    if any((context / name).is_file() for name in ("build.gradle", "build.gradle.kts")):
        return f"gradle -p {shown} build, and x-devenv: {{process: {{command: java -jar build/libs/CMD...}}}}"
    return f"put {target.rpartition('/')[2]} into {shown}, or {Missing(reason='').remedy}"
