"""Renders the service templates: files with placeholders, shipped with devenv in ``stacks/templates``.

A template is the content of its folder, on top of what the templates of its language share. The placeholders in texts
and file names are ``__service__`` (the service's name), ``__module__`` (its Python package) and ``__port__``. The first
two are identifiers, so that a template is valid Python before it is rendered.
"""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from devenv.errors import UnknownName
from devenv.immutable import immutable
from devenv.stack.discovery import shipped_templates
from devenv.suggestions import suggest

if TYPE_CHECKING:
    from collections.abc import Mapping

DEFAULT = "python/starlette"
_SHARED = "shared"
_BLOCK = "service.yaml"
_PLACEHOLDER = re.compile("__(service|module|port)__")


@immutable(kw_only=True)
class Rendered:
    """A template with its placeholders replaced.

    Attributes:
        files: text by path inside the service's folder.
        block: the service in the stack file, as YAML.
    """

    files: Mapping[PurePosixPath, str]
    block: str


def template_names() -> tuple[str, ...]:
    """``language/framework`` of each template."""
    return tuple(
        f"{language.name}/{framework.name}"
        for language in _folders(_root())
        for framework in _folders(language)
        if framework.name != _SHARED
    )


def render(template: str, *, service: str, module: str, port: int) -> Rendered:
    """The files of a new service.

    Raises:
        UnknownName: If the template does not exist.
    """
    known = template_names()
    if template not in known:
        raise UnknownName(
            f"no template {template!r}; available: {', '.join(known)}",
            hint=suggest(template, known),
            details={"name": template, "known": list(known)},
        )
    values = {"service": service, "module": module, "port": str(port)}

    def fill(text: str) -> str:
        return _PLACEHOLDER.sub(lambda found: values[found[1]], text)

    language = _root() / template.partition("/")[0]
    files = {**_files(language / _SHARED), **_files(_root() / template)}
    return Rendered(
        files={PurePosixPath(fill(str(path))): fill(text) for path, text in sorted(files.items())},
        block=fill((language / _BLOCK).read_text(encoding="utf-8")),
    )


def _root() -> Path:
    return shipped_templates() / "service"


def _folders(folder: Path) -> list[Path]:
    return sorted(child for child in folder.iterdir() if child.is_dir() and child.name[0] not in "._")


def _files(folder: Path) -> dict[PurePosixPath, str]:
    """Text by path, without the leftovers of Python and editors."""
    found = (path for path in folder.rglob("*") if path.is_file())
    return {
        PurePosixPath(path.relative_to(folder)): path.read_text(encoding="utf-8")
        for path in found
        if path.suffix != ".pyc" and not path.name.startswith(".") and not path.name.endswith("~")
    }
