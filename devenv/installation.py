"""Finds the running distribution: its version, its location, and other distributions named `devenv`.

`devenv --version` uses this module, so it imports nothing that costs milliseconds (importlib.metadata, json, re,
pathlib, typing, dataclasses). The names of `*.dist-info` folders contain a distribution's name and version:
https://packaging.python.org/en/latest/specifications/recording-installed-packages/
"""

from __future__ import annotations

import os
import sys

from devenv import __version__

TYPE_CHECKING = False  # importing typing takes as long as the rest of `--version`
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

DISTRIBUTION = "devenv-otel"
FILE_NAME = "devenv_otel"
"""The distribution's name in the names of wheels and `dist-info` folders."""
SHARED_NAME = "devenv"
"""The name of our package and command, and of a distribution on the public index that is not ours."""
ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


class Installation:
    """The distribution that the running code belongs to.

    Attributes:
        version: The version in the installed metadata; None for a checkout that is not installed.
        origin: `wheel`, `editable` or `checkout`.
        folder: The folder that contains the package: the environment's packages, or the checkout.
        others: Distributions named `devenv` in the same environment, as `version in folder`.
    """

    __slots__ = ("folder", "origin", "others", "version")

    def __init__(self, version: str | None, origin: str, folder: str, others: Sequence[str]) -> None:
        self.version = version
        self.origin = origin
        self.folder = folder
        self.others = tuple(others)

    def __str__(self) -> str:
        if self.version is None:
            return f"checkout {self.folder}, not installed"
        place = f"wheel in {self.folder}" if self.origin == "wheel" else f"editable checkout {self.folder}"
        return f"{DISTRIBUTION} {self.version}, {place}"

    @property
    def version_line(self) -> str:
        """What `devenv --version` prints."""
        return f"devenv {__version__} ({self})"

    @property
    def warning(self) -> str:
        """What is wrong if another distribution shares our names; empty if there is none."""
        if not self.others:
            return ""
        return f"another distribution named {SHARED_NAME} has the same package and command: {', '.join(self.others)}"

    @property
    def hint(self) -> str:
        """The remedy, in two steps because pip removes the files that both contain; empty without a warning."""
        return f"run `pip uninstall {SHARED_NAME}`, then install {DISTRIBUTION} again" if self.others else ""


def find_installation(path: Sequence[str] | None = None, root: str = ROOT) -> Installation:
    """Find the distribution that runs.

    Args:
        path: Folders to search. Default: `sys.path`.
        root: The folder that contains the running package.
    """
    others: list[str] = []
    version: str | None = None
    origin = "checkout"
    for folder, entry, name, found in _distributions(sys.path if path is None else path):
        if name == SHARED_NAME:
            others.append(f"{found or 'unknown version'} in {folder}")
        elif name == DISTRIBUTION and version is None:
            if _same(folder, root):
                version, origin = found, "wheel"
            elif _is_editable(os.path.join(folder, entry), root):
                version, origin = found, "editable"
    return Installation(version, origin, root, others)


def _distributions(path: Sequence[str]) -> Iterator[tuple[str, str, str, str]]:
    """Folder, entry, normalised name and version of each distribution whose name starts with ours."""
    for folder in dict.fromkeys(path):
        try:
            entries = sorted(os.listdir(folder or "."))
        except OSError:  # not a folder: an archive of modules, or an entry that does not exist
            continue
        for entry in entries:
            stem, suffix = os.path.splitext(entry)
            if suffix in {".dist-info", ".egg-info"} and entry[: len(SHARED_NAME)].lower() == SHARED_NAME:
                name, _, rest = stem.partition("-")
                yield folder, entry, name.lower().replace("_", "-").replace(".", "-"), rest.partition("-")[0]


def _is_editable(info: str, root: str) -> bool:
    """Tell whether `direct_url.json` (PEP 610) describes an editable installation of `root`."""
    try:
        with open(os.path.join(info, "direct_url.json"), encoding="utf-8") as file:
            text = file.read()
    except OSError:
        return False
    if '"editable":true' not in text.replace(" ", ""):
        return False
    _, url, *_ = [*text.partition('"url"')[2].split('"'), ""]
    url = url.removeprefix("file://")
    if "%" in url:
        from urllib.parse import unquote

        url = unquote(url)
    return _same(url, root)


def _same(folder: str, other: str) -> bool:
    return os.path.realpath(folder or ".") == os.path.realpath(other)
