"""Fetches an agent: by npm or Maven, or from a file that is at hand."""

from __future__ import annotations

import re
import shutil
import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from devenv.app.agents.node_pack import pack_agent
from devenv.app.agents.programs import run_program
from devenv.disk import not_written
from devenv.errors import EnvironmentFailure, UsageError
from devenv.orchestrate.agents.catalogue import JAVA, NODE

if TYPE_CHECKING:
    from devenv.orchestrate.agents.catalogue import AgentKind

MAXIMUM_BYTES = 512 * 1024 * 1024
"""Of what is unpacked from a tarball."""

_PREMAIN = re.compile(r"^Premain-Class: *io\.opentelemetry\.javaagent\.", re.MULTILINE)
_VERSION = re.compile(r"^Implementation-Version: *([\w.+-]{1,64})\s*$", re.MULTILINE)


async def fetch(kind: AgentKind, work: Path, target: Path, *, environ: Mapping[str, str]) -> str:
    """Fetch the tested version with the user's npm or Maven into ``target``, and return the version.

    Args:
        kind: the agent.
        work: an empty folder for the download.
        target: an empty folder for the agent's files.
        environ: of npm or Maven.

    Raises:
        EnvironmentFailure: If the program is missing or fails, or a file cannot be written.
    """
    if kind is NODE:
        wanted = [f"{kind.package}@{kind.version}", "@opentelemetry/api@1"]
        options = ["--prefix", str(work), "--no-save", "--no-package-lock", "--ignore-scripts", "--omit=dev"]
        options += ["--no-audit", "--no-fund", "--no-progress", "--install-strategy=hoisted", "--global=false"]
        await run_program(kind, ["install", *options, *wanted], directory=work, environ=environ)
        return pack_agent(work, target)
    options = ["-B", "-ntp", "-q", "-C", "dependency:copy", f"-Dartifact={kind.package}:{kind.version}"]
    options += [f"-DoutputDirectory={work}", "-Dmdep.overWriteReleases=true"]
    await run_program(kind, options, directory=work, environ=environ)
    return _take_jar(_only_jar(kind, work), target)


def take(kind: AgentKind, file: Path, work: Path, target: Path) -> str:
    """Take an agent from ``file`` into ``target``, and return its version; the arguments are those of :func:`fetch`.

    Raises:
        UsageError: If the file is not such an agent.
        EnvironmentFailure: If a file cannot be written.
    """
    if not file.exists():
        raise UsageError(f"--from {file}: no such file or folder", hint=f"for {kind.language}, pass {kind.files}")
    if kind is JAVA:
        return _take_jar(file, target)
    if file.is_dir():
        return pack_agent(file.resolve().parent if file.resolve().name == "node_modules" else file, target)
    _unpack(file, work)
    found = next((path.parent.parent.parent for path in sorted(work.glob(f"**/node_modules/{NODE.package}"))), None)
    if found is None:
        raise UsageError(
            f"--from {file}: does not contain node_modules/{NODE.package}",
            hint="pack the folder in which it was installed with its dependencies: "
            f"`npm install {NODE.package}@{NODE.version} && tar czf agent.tgz node_modules`",
        )
    return pack_agent(found, target)


def _only_jar(kind: AgentKind, folder: Path) -> Path:
    jars = sorted(folder.glob("*.jar"))
    if len(jars) != 1:
        raise EnvironmentFailure(f"{kind.program} copied {len(jars)} jars for {kind.package}, expected 1")
    return jars[0]


def _take_jar(file: Path, target: Path) -> str:
    try:
        with zipfile.ZipFile(file) as jar:
            manifest = jar.read("META-INF/MANIFEST.MF").decode(errors="replace").replace("\r\n", "\n")
            broken = jar.testzip()
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, NotImplementedError) as error:
        raise UsageError(
            f"{file} is not a jar with a manifest: {error}", hint=f"pass the jar of {JAVA.package} {JAVA.version}"
        ) from error
    if broken is not None:
        raise UsageError(f"{file} is damaged: {broken} has a wrong checksum", hint="download the jar again")
    version = _VERSION.search(manifest)
    if not _PREMAIN.search(manifest) or version is None:
        raise UsageError(
            f"{file} is not OpenTelemetry's Java agent: its manifest names no class of it as Premain-Class",
            hint=f"pass the jar of {JAVA.package} {JAVA.version}",
        )
    try:
        shutil.copyfile(file, target / JAVA.entry)
    except OSError as error:
        raise not_written(target, error) from error
    return version[1]


def _unpack(file: Path, folder: Path) -> None:
    """Unpack the regular files of a tarball; links, and names that lead out of the folder, are left out."""
    left = MAXIMUM_BYTES
    try:
        with tarfile.open(file) as archive:
            for entry in archive:
                name = PurePosixPath(entry.name)
                content = archive.extractfile(entry) if entry.isreg() else None
                if content is None or name.is_absolute() or ".." in name.parts:
                    continue
                left -= entry.size
                if left < 0:
                    raise UsageError(f"--from {file}: unpacks to more than {MAXIMUM_BYTES // 2**20} MiB")
                path = folder / name
                path.parent.mkdir(parents=True, exist_ok=True)
                with path.open("wb") as copy:
                    shutil.copyfileobj(content, copy)
    except (tarfile.TarError, EOFError, OSError, ValueError) as error:
        raise UsageError(f"--from {file}: cannot be unpacked: {error}", hint=f"pass {NODE.files}") from error
