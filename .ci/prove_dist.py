"""Proves a wheel and an sdist: contents, metadata, and that both work in new environments outside of the tree.

usage: python .ci/prove_dist.py DIRECTORY

Needs git, a package registry, and the ports of the sample stack (8080, 4318, 16686). Ends with 1 at the first fault.
"""

from __future__ import annotations

import email
import hashlib
import json
import os
import re
import signal
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path
from urllib.request import Request, urlopen

ROOT = Path(__file__).resolve().parents[1]
NAME, FILE_NAME = "devenv-otel", "devenv_otel"
EXTRAS = {"cli", "dev", "sample", "templates"}
LIMIT = 600
"""Seconds that one command may take; pip installs within it."""
CLEAN = {
    key: value
    for key, value in os.environ.items()
    if not key.startswith(("DEVENV_", "OTEL_", "PYTHON", "VIRTUAL_ENV", "COMPOSE_"))
}


def demand(good: bool, fault: object) -> None:
    """End with the fault unless it is good."""
    if not good:
        sys.exit(f"dist: {fault}")


def run(*command: object, cwd: Path, code: int = 0, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run a command that has to end with this exit code."""
    words = [str(word) for word in command]
    environment = CLEAN | environ
    done = subprocess.run(words, cwd=cwd, env=environment, capture_output=True, text=True, check=False, timeout=LIMIT)
    demand(done.returncode == code, f"{' '.join(words)}: exit code {done.returncode}\n{done.stdout}{done.stderr}")
    return done


@dataclass(frozen=True)
class Environment:
    """A new virtual environment with one requirement installed by pip."""

    folder: Path

    @classmethod
    def with_requirement(cls, folder: Path, requirement: str) -> Environment:
        """Make the environment and install into it."""
        print(f"dist: installing {Path(requirement).name}", flush=True)
        run(sys.executable, "-m", "venv", folder, cwd=folder.parent)
        made = cls(folder)
        made.call("python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check", requirement)
        made.call("python", "-m", "pip", "check")
        return made

    def call(self, program: str, *arguments: str, cwd: Path | None = None, code: int = 0, **environ: str) -> str:
        """Run one of its programs; return stdout, or stderr if the program is expected to fail."""
        done = run(self.folder / "bin" / program, *arguments, cwd=cwd or self.folder.parent, code=code, **environ)
        return done.stdout if code == 0 else done.stderr


def tracked(*folders: str) -> set[str]:
    """Return the files that git tracks."""
    return set(run("git", "ls-files", "--", *folders, cwd=ROOT).stdout.splitlines())


def check_contents(wheel: Path, sdist: Path) -> None:
    """Both contain what is in git, and nothing else."""
    info = wheel.name.removesuffix("-py3-none-any.whl") + ".dist-info"
    own = {f"{info}/{name}" for name in ("METADATA", "RECORD", "WHEEL", "entry_points.txt", "licenses/LICENSE")}
    found = {re.sub("^devenv/_stacks/", "stacks/", name) for name in zipfile.ZipFile(wheel).namelist()}
    wanted = tracked("devenv", "stacks") | own
    demand(found == wanted, f"{wheel.name} and git differ: {sorted(found ^ wanted)}")
    with tarfile.open(sdist) as archive:
        found = {name.partition("/")[2] for name in archive.getnames()}
    wanted = tracked() | {"PKG-INFO"}
    demand(found == wanted, f"{sdist.name} and git differ: {sorted(found ^ wanted)}")


def check_metadata(wheel: Path, version: str) -> None:
    """Name, version, license, README, extras and entry point are the project's."""
    with zipfile.ZipFile(wheel) as archive:
        info = wheel.name.removesuffix("-py3-none-any.whl") + ".dist-info"
        metadata = email.message_from_string(archive.read(f"{info}/METADATA").decode())
        points = archive.read(f"{info}/entry_points.txt").decode().split("\n")
    wanted = {
        "Name": NAME,
        "Version": version,
        "License-Expression": "Apache-2.0",
        "License-File": "LICENSE",
        "Requires-Python": ">=3.9",
        "Description-Content-Type": "text/markdown",
    }
    demand({key: metadata[key] for key in wanted} == wanted, f"metadata: {metadata.items()}")
    demand(set(metadata.get_all("Provides-Extra", [])) == EXTRAS, f"extras: {metadata.get_all('Provides-Extra')}")
    required = metadata.get_all("Requires-Dist", [])
    demand(not [each for each in required if each.startswith("devenv")], f"an extra is not resolved: {required}")
    demand(metadata.get_payload() == (ROOT / "README.md").read_text(), "the description is not README.md")
    demand("devenv = devenv.__main__:main" in points, f"entry points: {points}")


def digests(wheel: Path) -> dict[str, str]:
    """Return the digest of each file in a wheel."""
    archive = zipfile.ZipFile(wheel)
    return {name: hashlib.sha256(archive.read(name)).hexdigest() for name in archive.namelist()}


def check_library(environment: Environment, version: str) -> None:
    """The installation without extras: it traces, `devenv` prints its version, and other commands print one line."""
    said = environment.call("devenv", "--version")
    demand(said.startswith(f"devenv {version} ({NAME} {version}, wheel in {environment.folder}"), said)
    (line,) = environment.call("devenv", "up", code=3).splitlines()
    demand(f"pip install '{NAME}[cli]'" in line, line)
    code = "from devenv import tracing; tracing.setup(service_name='x').shutdown(); print(tracing.__file__)"
    place = environment.call("python", "-c", code, OTEL_TRACES_EXPORTER="none")
    demand(place.startswith(str(environment.folder)), place)


def check_tool(environment: Environment, folder: Path) -> None:
    """`devenv init shop && cd shop && devenv up` on the process engine, to a complete canary."""
    project = folder / "shop"
    environment.call("devenv", "init", "shop", cwd=folder)
    try:
        up = json.loads(environment.call("devenv", "up", "--json", cwd=project, DEVENV_ENGINE="process"))
        demand(up["canary"]["verdict"] == "complete", up["canary"])
    finally:
        down = json.loads(environment.call("devenv", "down", "--json", cwd=project))
    demand(down["left"] == [], down)
    checks = json.loads(environment.call("devenv", "doctor", "--json", cwd=project, DEVENV_ENGINE="process"))["checks"]
    (distribution,) = [check for check in checks if check["name"] == "distribution"]
    demand(distribution["verdict"] == "ok" and f"wheel in {environment.folder}" in distribution["found"], distribution)


def check_view(environment: Environment, folder: Path) -> None:
    """`devenv view` in an empty directory: its page shows what is sent to its receiver, and Ctrl-C ends it."""
    (folder / "empty").mkdir()
    command = [str(environment.folder / "bin" / "devenv"), "--json", "view", "--ports", "auto"]
    with subprocess.Popen(command, cwd=folder / "empty", env=CLEAN, stdout=subprocess.PIPE, text=True) as view:
        try:
            document = json.loads(view.stdout.readline() if view.stdout else "")
            span = {"traceId": "1" * 32, "spanId": "2" * 16, "name": "from the wheel"}
            body = json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]}).encode()
            request = Request(f"{document['otlp_http_url']}/v1/traces", body, {"Content-Type": "application/json"})
            urlopen(request, timeout=10).close()
            page = urlopen(f"{document['ui_url']}/trace/{'1' * 32}", timeout=10).read()
            demand(b"from the wheel" in page, "the page of `devenv view` does not show the span")
        finally:
            view.send_signal(signal.SIGINT)
    demand(view.returncode == 0, f"devenv view: exit code {view.returncode}")


def main(directory: Path) -> None:
    """Prove what is in the directory."""
    version = run(sys.executable, "-c", "import devenv; print(devenv.__version__)", cwd=ROOT).stdout.strip()
    wheel, sdist = directory / f"{FILE_NAME}-{version}-py3-none-any.whl", directory / f"{FILE_NAME}-{version}.tar.gz"
    built = sorted(path.name for path in directory.iterdir())
    demand(built == sorted([wheel.name, sdist.name]), f"{directory} contains {built}")
    check_contents(wheel, sdist)
    check_metadata(wheel, version)
    with tempfile.TemporaryDirectory(prefix="devenv-dist-") as name:
        folder = Path(name).resolve()
        check_library(Environment.with_requirement(folder / "library", str(wheel)), version)
        from_sdist = Environment.with_requirement(folder / "sdist", str(sdist))
        check_library(from_sdist, version)
        from_sdist.call("python", "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", "again", str(sdist))
        demand(digests(folder / "again" / wheel.name) == digests(wheel), "the sdist builds another wheel")
        twine = Environment.with_requirement(folder / "twine", "twine")
        twine.call("twine", "check", "--strict", str(wheel), str(sdist))
        tool = Environment.with_requirement(folder / "tool", f"{wheel}[cli]")
        check_tool(tool, folder)
        check_view(tool, folder)
    print(f"dist: {wheel.name} and {sdist.name} are good")


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve())
