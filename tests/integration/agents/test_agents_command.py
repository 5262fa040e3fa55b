"""`devenv agents` with stand-ins for npm and Maven: what they are asked for, and what is left if they fail."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from agents.packages import agent_jar, node_tree

from devenv.orchestrate.agents.catalogue import JAVA, NODE

COPY = """#!{python}
import json, os, pathlib, shutil, sys
here = pathlib.Path({folder!r})
(here / "asked.json").write_text(json.dumps({{"arguments": sys.argv[1:], "directory": os.getcwd()}}))
{body}
"""


class Machine:
    """A machine with devenv, and with the programs that a test writes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.programs = folder / "bin"
        self.programs.mkdir()
        self.store = folder / "store"

    def program(self, name: str, body: str) -> None:
        path = self.programs / name
        path.write_text(COPY.format(python=sys.executable, folder=str(self.folder), body=body))
        path.chmod(0o755)

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "devenv", "-C", str(self.folder), "agents", *arguments]

    @property
    def environ(self) -> dict[str, str]:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("DEVENV_")}
        return {**inherited, "PATH": str(self.programs), "DEVENV_AGENTS_DIR": str(self.store)}

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(*arguments), env=self.environ, capture_output=True, text=True, timeout=60, check=False
        )

    def json(self, *arguments: str, code: int = 0) -> Any:
        done = self.run(*arguments, "--json")
        assert done.returncode == code, done.stdout + done.stderr
        return json.loads(done.stdout)

    def left(self) -> list[str]:
        return sorted(path.name for path in self.store.iterdir() if path.name != ".lock")


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_node_is_fetched_by_npm_in_the_tested_version(machine: Machine) -> None:
    node_tree(machine.folder / "tree")
    machine.program("npm", 'shutil.copytree(here / "tree" / "node_modules", "node_modules")')
    document = machine.json("add", "node")
    [agent] = document["agents"]
    assert (agent["language"], agent["version"], agent["source"], agent["change"]) == (
        "node", NODE.version, "npm", "added",
    )  # fmt: skip
    asked = json.loads((machine.folder / "asked.json").read_text())
    assert f"{NODE.package}@{NODE.version}" in asked["arguments"]
    assert "--ignore-scripts" in asked["arguments"]
    assert not any("registry" in word for word in asked["arguments"]), "npm's own settings decide"
    assert (Path(agent["directory"]) / NODE.entry).is_file()
    assert document["missing"] == ["java"]
    assert not Path(asked["directory"]).exists()


def test_java_is_fetched_by_maven_and_a_second_add_keeps_it(machine: Machine) -> None:
    agent_jar(machine.folder / "a.jar", JAVA.version)
    machine.program(
        "mvn",
        "out = next(word.partition('=')[2] for word in sys.argv if word.startswith('-DoutputDirectory='))\n"
        "shutil.copy(here / 'a.jar', out)",
    )
    [agent] = machine.json("add", "java")["agents"]
    assert agent["version"] == JAVA.version
    asked = json.loads((machine.folder / "asked.json").read_text())["arguments"]
    assert f"-Dartifact={JAVA.package}:{JAVA.version}" in asked
    (machine.folder / "asked.json").unlink()
    assert [each["change"] for each in machine.json("add", "java")["agents"]] == ["none"]
    assert not (machine.folder / "asked.json").exists(), "Maven was run again"


def test_an_agent_with_the_start_files_of_another_devenv_is_fetched_again(machine: Machine) -> None:
    node_tree(machine.folder / "tree")
    machine.program("npm", 'shutil.copytree(here / "tree" / "node_modules", "node_modules")')
    [agent] = machine.json("add", "node")["agents"]
    assert [each["change"] for each in machine.json("add", "node")["agents"]] == ["none"]
    (Path(agent["directory"]) / NODE.entry).write_text("// of another version")
    machine.json("add", "node")
    [agent] = machine.json("list")["agents"]
    assert "another version" not in (Path(agent["directory"]) / NODE.entry).read_text()


@pytest.mark.parametrize("language", ["node", "java"])
def test_a_missing_program_is_named(machine: Machine, language: str) -> None:
    error = machine.json("add", language, code=3)["error"]
    program = {"node": "npm", "java": "mvn"}[language]
    assert error["message"].startswith(f"{program} is not installed")
    assert f"devenv agents add {language} --from FILE" in error["hint"]
    assert machine.left() == []


def test_what_a_program_prints_as_it_fails_is_shown_and_nothing_is_left(machine: Machine) -> None:
    machine.program("npm", "os.makedirs('node_modules/half')\nprint('ENOTFOUND: no network')\nsys.exit(7)")
    done = machine.run("add", "node")
    assert done.returncode == 3
    assert "npm could not fetch" in done.stderr
    assert "(exit code 7)" in done.stderr
    assert "| ENOTFOUND: no network" in done.stderr
    assert machine.left() == []


def test_an_add_that_is_interrupted_ends_npm_and_leaves_nothing(machine: Machine) -> None:
    machine.program(
        "npm",
        "import signal, time\nos.makedirs('node_modules/half')\n(here / 'pid').write_text(str(os.getpid()))\n"
        "os.rename(here / 'pid', here / 'running')\nsignal.pause()",
    )
    with subprocess.Popen(machine.command("add", "node"), env=machine.environ, stderr=subprocess.PIPE) as adding:
        while not (machine.folder / "running").exists():
            assert adding.poll() is None
        other = machine.run("add", "node")
        adding.send_signal(signal.SIGINT)
        assert adding.wait(timeout=30) == 130
    assert other.returncode == 3
    assert "another devenv command is changing the agents" in other.stderr
    pid = int((machine.folder / "running").read_text())
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    assert machine.left() == []


def test_agents_are_listed_and_removed(machine: Machine) -> None:
    assert "devenv agents add node" in machine.run().stdout
    jar = agent_jar(machine.folder / "a.jar", "2.0.0")
    assert "added: java 2.0.0" in machine.run("add", "java", "--from", "a.jar").stdout
    assert machine.json("list")["agents"][0]["source"] == str(jar)
    assert "removed: java 2.0.0" in machine.run("remove", "java").stdout
    assert machine.json()["agents"] == []
    assert machine.run("remove", "java").returncode == 2
    assert machine.run("add", "cobol").returncode == 2


@pytest.mark.node
def test_the_packed_modules_run(machine: Machine) -> None:
    """The SDK of the stand-in prints what it has of another package and of a JSON file."""
    node_tree(machine.folder / "tree")
    [agent] = machine.json("add", "node", "--from", "tree")["agents"]
    node = [str(shutil.which("node")), "--require", f"{agent['directory']}/{NODE.entry}"]
    done = subprocess.run([*node, "-e", "console.log(1)"], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "1\n", "started well 7\n")
