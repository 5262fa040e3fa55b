"""Reads the metadata of the running devenv: version, dependencies, extras, license.

A checkout is read from ``pyproject.toml``, because the metadata of an editable installation is as old as that
installation; anything else is read from the installed metadata. Both give the same values.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import field
from pathlib import Path

from devenv import __version__
from devenv.errors import EnvironmentFailure
from devenv.immutable import immutable
from devenv.installation import DISTRIBUTION

PACKAGE = Path(__file__).resolve().parents[1]
_OWN = re.compile(rf"{DISTRIBUTION}\[([\w, .-]+)\]$")
_EXTRA = re.compile(
    r"""^(?P<spec>[^;]+);\s*(?:\(?(?P<marker>.*?)\)?\s+and\s+)?extra\s*==\s*['"](?P<extra>[^'"]+)['"]$"""
)


@immutable(kw_only=True)
class Distribution:
    """The metadata that a wheel of the library needs.

    Attributes:
        requires: requirements, sorted, markers included.
        extras: the same by extra, references to other extras of devenv's resolved.
        entry_points: by group and name.
        license_text: of the file LICENSE.
    """

    version: str
    summary: str
    requires_python: str
    requires: tuple[str, ...]
    extras: Mapping[str, tuple[str, ...]]
    license_text: bytes
    entry_points: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


def read_distribution() -> Distribution:
    """Read the metadata of the running installation.

    Raises:
        EnvironmentFailure: If the installed metadata is missing, or its version is not the code's.
    """
    pyproject = PACKAGE.parent / "pyproject.toml"
    found = _from_checkout(pyproject) if pyproject.is_file() else None
    return found or _from_metadata()


def _from_checkout(pyproject: Path) -> Distribution | None:
    import tomllib

    project = tomllib.loads(pyproject.read_text(encoding="utf-8")).get("project", {})
    if project.get("name") != DISTRIBUTION:
        return None  # another project's file: the package was copied into its folder
    optional: dict[str, list[str]] = project.get("optional-dependencies", {})
    return Distribution(
        version=__version__,
        summary=project["description"],
        requires_python=project["requires-python"],
        requires=_normal(project["dependencies"]),
        extras={name: _normal(_resolved(optional, name)) for name in sorted(optional)},
        license_text=(PACKAGE.parent / "LICENSE").read_bytes(),
        entry_points=_points_of(project),
    )


def _points_of(project: Mapping[str, Mapping[str, str]]) -> dict[str, dict[str, str]]:
    named = {"console_scripts": project.get("scripts", {}), "gui_scripts": project.get("gui-scripts", {})}
    groups: Mapping[str, object] = {**named, **project.get("entry-points", {})}
    return {group: dict(points) for group, points in sorted(groups.items()) if points and isinstance(points, Mapping)}


def _resolved(optional: Mapping[str, Iterable[str]], name: str, above: tuple[str, ...] = ()) -> list[str]:
    """Requirements of an extra, with those of the extras that it refers to as ``devenv-otel[...]``."""
    found: list[str] = []
    for requirement in optional[name]:
        own = _OWN.match(requirement)
        if own is None:
            found.append(requirement)
            continue
        for other in (each.strip() for each in own[1].split(",")):
            if other not in above:
                found += _resolved(optional, other, (*above, name))
    return found


def _from_metadata() -> Distribution:
    from importlib import metadata

    try:
        installed = metadata.distribution(DISTRIBUTION)
    except metadata.PackageNotFoundError as error:
        raise _unusable(f"the metadata of {DISTRIBUTION} is missing") from error
    if installed.version != __version__:
        raise _unusable(f"the installed metadata is of {DISTRIBUTION} {installed.version}, the code is {__version__}")
    requires: list[str] = []
    # Extras without requirements are listed as well.
    extras: dict[str, list[str]] = {name: [] for name in sorted(installed.metadata.get_all("Provides-Extra") or [])}
    for line in installed.requires or ():
        if found := _EXTRA.match(line):
            spec = found["spec"].strip()
            extras.setdefault(found["extra"], []).append(f"{spec}; {found['marker']}" if found["marker"] else spec)
        else:
            requires.append(line)
    points: dict[str, dict[str, str]] = {}
    for point in installed.entry_points:
        points.setdefault(point.group, {})[point.name] = point.value
    return Distribution(
        version=__version__,
        summary=str(installed.metadata["Summary"]),
        requires_python=str(installed.metadata["Requires-Python"]),
        requires=_normal(requires),
        extras={name: _normal(specs) for name, specs in extras.items()},
        license_text=_license(installed.files or ()),
        entry_points=dict(sorted(points.items())),
    )


def _license(files: Iterable[object]) -> bytes:
    from importlib.metadata import PackagePath

    for file in files:
        if isinstance(file, PackagePath) and file.name == "LICENSE" and ".dist-info" in str(file):
            return file.read_binary()
    raise _unusable(f"the license of {DISTRIBUTION} is missing")


def _normal(requirements: Iterable[str]) -> tuple[str, ...]:
    """Requirements in one spelling, sorted, without repeats."""
    found = set()
    for requirement in requirements:
        spec, semicolon, marker = requirement.partition(";")
        found.add(f"{spec.strip()}; {marker.strip()}" if semicolon else spec.strip())
    return tuple(sorted(found))


def _unusable(message: str) -> EnvironmentFailure:
    return EnvironmentFailure(message, hint=f"run `pip install --force-reinstall '{DISTRIBUTION}[cli]'`")
