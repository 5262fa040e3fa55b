"""The tracing library as a wheel inside a project, so that its images build without any published package.

Built from the running installation, a wheel or a checkout. The bytes depend only on the library: no times, a fixed
order, no compression (its result differs between versions of zlib). If the library is unchanged, so is the file, and
the image layer that installs it stays cached.
"""

from __future__ import annotations

import base64
import hashlib
import io
import re
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path

from devenv.app.distribution import PACKAGE, Distribution, read_distribution
from devenv.app.scaffold.changes import Changes
from devenv.installation import DISTRIBUTION, FILE_NAME

FOLDER = "vendor"
_OURS = re.compile(rf"{FILE_NAME}-[^-/]+-py3-none-any\.whl")
_TOOLS = frozenset({"cli", "dev"})
"""Extras of the command line, which the library does not contain."""
_TOP = ("__init__.py", "__main__.py", "installation.py", "py.typed")
_EPOCH = (1980, 1, 1, 0, 0, 0)
_REGULAR_FILE = 0o100644


def library_changes(project: Path) -> tuple[Path, Changes]:
    """The wheel's path in ``project/vendor/``, and the changes that write it and remove older ones.

    Raises:
        EnvironmentFailure: If the metadata of the running installation is missing.
    """
    name, content = build_library()
    wheel = project / FOLDER / name
    found = vendored(project)
    older = tuple(path for path in found if path != wheel)
    if wheel not in found:
        return wheel, Changes(created={wheel: content}, removed=older)
    if wheel.read_bytes() != content:
        return wheel, Changes(replaced={wheel: content}, removed=older)
    return wheel, Changes(removed=older)


def vendored(project: Path) -> tuple[Path, ...]:
    """The wheels of the library in ``project/vendor/``, by their names."""
    folder = project / FOLDER
    found = sorted(folder.iterdir()) if folder.is_dir() else []
    return tuple(path for path in found if _OURS.fullmatch(path.name) and path.is_file())


def build_library() -> tuple[str, bytes]:
    """Name and content of the wheel.

    Raises:
        EnvironmentFailure: If the metadata of the running installation is missing.
    """
    distribution = read_distribution()
    info = f"{FILE_NAME}-{distribution.version}.dist-info"
    members = {f"{PACKAGE.name}/{path.relative_to(PACKAGE).as_posix()}": path.read_bytes() for path in _sources()}
    members |= {
        f"{info}/METADATA": _metadata(distribution).encode(),
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nGenerator: devenv\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/entry_points.txt": _entry_points(distribution.entry_points).encode(),
        f"{info}/licenses/LICENSE": distribution.license_text,
    }
    members[f"{info}/RECORD"] = _record(members, f"{info}/RECORD").encode()
    return f"{FILE_NAME}-{distribution.version}-py3-none-any.whl", _archive(members)


def _sources() -> Iterable[Path]:
    tracing = PACKAGE / "tracing"
    found = [PACKAGE / name for name in _TOP]
    found += [path for path in tracing.rglob("*") if path.is_file() and not _is_leftover(path)]
    return sorted(found)


def _is_leftover(path: Path) -> bool:
    """Whether a file was left by a cache, a compiler, an editor or the operating system."""
    return "__pycache__" in path.parts or path.name.startswith(".") or path.name.endswith((".pyc", ".so", "~", ".orig"))


def _metadata(distribution: Distribution) -> str:
    lines = [
        "Metadata-Version: 2.4",
        f"Name: {DISTRIBUTION}",
        f"Version: {distribution.version}",
        f"Summary: {distribution.summary}",
        "License-File: LICENSE",
        f"Requires-Python: {distribution.requires_python}",
        *(f"Requires-Dist: {requirement}" for requirement in distribution.requires),
    ]
    for extra, requirements in sorted(distribution.extras.items()):
        if extra not in _TOOLS:
            lines.append(f"Provides-Extra: {extra}")
            lines += [f"Requires-Dist: {_in_extra(requirement, extra)}" for requirement in requirements]
    return "\n".join([*lines, ""])


def _in_extra(requirement: str, extra: str) -> str:
    spec, _, marker = requirement.partition(";")
    condition = f"extra == '{extra}'"
    return f"{spec.strip()}; {f'({marker.strip()}) and {condition}' if marker else condition}"


def _entry_points(groups: Mapping[str, Mapping[str, str]]) -> str:
    return "\n".join(
        "\n".join([f"[{group}]", *(f"{name} = {value}" for name, value in sorted(points.items())), ""])
        for group, points in sorted(groups.items())
    )


def _record(members: Mapping[str, bytes], own: str) -> str:
    lines = []
    for name, content in sorted(members.items()):
        digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
        lines.append(f"{name},sha256={digest},{len(content)}")
    return "\n".join([*lines, f"{own},,", ""])


def _archive(members: Mapping[str, bytes]) -> bytes:
    """The members as a zip file; those of dist-info last, as the wheel format recommends."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(members, key=lambda name: (".dist-info/" in name, name)):
            entry = zipfile.ZipInfo(name, _EPOCH)
            entry.create_system = 3  # Unix on every machine: only there the mode below has a meaning
            entry.external_attr = _REGULAR_FILE << 16
            archive.writestr(entry, members[name])
    return buffer.getvalue()
