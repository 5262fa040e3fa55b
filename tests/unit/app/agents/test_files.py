"""Agents from files that are at hand: what is taken of them, and what is refused."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path
from typing import Any

import pytest
from agents.packages import agent_jar, node_tree, package

from devenv.app.agents.fetch import take
from devenv.app.agents.node_modules import resolve
from devenv.app.agents.node_pack import PACK
from devenv.errors import UsageError
from devenv.orchestrate.agents.catalogue import JAVA, NODE


@pytest.fixture
def target(tmp_path: Path) -> Path:
    folder = tmp_path / "target"
    folder.mkdir()
    return folder


def taken(file: Path, tmp_path: Path, target: Path, kind: Any = NODE) -> str:
    work = tmp_path / "work"
    work.mkdir()
    return take(kind, file, work, target)


def index_of(target: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((target / PACK).read_bytes().partition(b"\n")[0])
    return found


def test_a_folder_of_packages_becomes_one_file_with_what_can_be_reached(tmp_path: Path, target: Path) -> None:
    assert taken(node_tree(tmp_path / "tree"), tmp_path, target) == NODE.version
    modules = index_of(target)["modules"]
    assert "node_modules/@opentelemetry/base/a.cjs" in modules
    assert "node_modules/@opentelemetry/sdk-node/build/data.json" in modules
    assert not [name for name in modules if "unused" in name]
    assert b"sourceMappingURL" not in (target / PACK).read_bytes()
    assert (target / NODE.entry).is_file()


def test_the_folder_node_modules_itself_is_taken_too(tmp_path: Path, target: Path) -> None:
    assert taken(node_tree(tmp_path / "tree") / "node_modules", tmp_path, target) == NODE.version


def test_a_tarball_is_taken_whatever_folder_it_is_packed_from(tmp_path: Path, target: Path) -> None:
    node_tree(tmp_path / "tree", "9.9.9")
    with tarfile.open(tmp_path / "a.tgz", "w:gz") as archive:
        archive.add(tmp_path / "tree", "some/where")
    assert taken(tmp_path / "a.tgz", tmp_path, target) == "9.9.9"


def test_no_name_of_a_tarball_leads_out_of_the_folder(tmp_path: Path, target: Path) -> None:
    node_tree(tmp_path / "tree")
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        archive.add(tmp_path / "tree" / "node_modules", "node_modules")
        for name in ("../escaped.js", "../tree/escaped.js", f"{tmp_path}/escaped.js"):
            file = tarfile.TarInfo(name)
            archive.addfile(file)
        link = tarfile.TarInfo("link")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    taken(tmp_path / "a.tar", tmp_path, target)
    assert not list(tmp_path.rglob("escaped.js"))
    assert not list(tmp_path.rglob("link"))


@pytest.mark.parametrize(
    ("content", "expected"),
    [(None, "no such file"), (b"", "cannot be unpacked"), (b"\x1f\x8bbroken", "cannot be unpacked")],
)
def test_what_is_no_tarball_is_refused(tmp_path: Path, target: Path, content: bytes | None, expected: str) -> None:
    if content is not None:
        (tmp_path / "a.tgz").write_bytes(content)
    with pytest.raises(UsageError, match=expected):
        taken(tmp_path / "a.tgz", tmp_path, target)


def test_packages_without_the_agent_are_refused(tmp_path: Path, target: Path) -> None:
    package(tmp_path / "tree", "express", {"index.js": ""})
    with pytest.raises(UsageError, match=f"does not contain {NODE.package}"):
        taken(tmp_path / "tree", tmp_path, target)


def test_an_agent_without_its_dependencies_is_refused(tmp_path: Path, target: Path) -> None:
    package(tmp_path / "tree", NODE.package, {"index.js": ""}, version="1.0.0")
    with pytest.raises(UsageError, match="without @opentelemetry/api, which it needs"):
        taken(tmp_path / "tree", tmp_path, target)


def test_the_jar_is_copied(tmp_path: Path, target: Path) -> None:
    jar = agent_jar(tmp_path / "a.jar", "2.3.4")
    assert taken(jar, tmp_path, target, JAVA) == "2.3.4"
    assert (target / JAVA.entry).read_bytes() == jar.read_bytes()


def test_another_jar_is_refused(tmp_path: Path, target: Path) -> None:
    jar = agent_jar(tmp_path / "a.jar", premain="org.example.Agent")
    with pytest.raises(UsageError, match="is not OpenTelemetry's Java agent"):
        taken(jar, tmp_path, target, JAVA)


def test_a_jar_with_a_damaged_entry_is_refused(tmp_path: Path, target: Path) -> None:
    jar = agent_jar(tmp_path / "a.jar")
    content = jar.read_bytes()
    jar.write_bytes(content.replace(b"x" * 1000, b"x" * 999 + b"y"))
    with pytest.raises(UsageError, match="content has a wrong checksum"):
        taken(jar, tmp_path, target, JAVA)


@pytest.mark.parametrize("size", [0, 30, 200])
def test_a_part_of_a_jar_is_refused(tmp_path: Path, target: Path, size: int) -> None:
    jar = agent_jar(tmp_path / "a.jar")
    jar.write_bytes(jar.read_bytes()[:size])
    with pytest.raises(UsageError, match="is not a jar"):
        taken(jar, tmp_path, target, JAVA)


# --- how Node.js finds a module ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("request_", "found"),
    [
        ("./a", "a.js"),
        ("./folder", "folder/index.js"),
        ("main", "node_modules/main/lib/start.js"),
        ("main/other", "node_modules/main/other.json"),
        ("exported", "node_modules/exported/node.js"),
        ("exported/sub", "node_modules/exported/required.js"),
        ("exported/all/x", "node_modules/exported/files/x.js"),
        ("exported/hidden", None),
        ("./missing", None),
        ("missing", None),
        ("fs", None),
        ("fs/promises", None),
        ("node:main", None),
    ],
)
def test_resolution(tmp_path: Path, request_: str, found: str | None) -> None:
    for name in ("a.js", "folder/index.js"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("")
    package(tmp_path, "main", {"lib/start.js": "", "other.json": "{}"}, main="./lib/start")
    package(tmp_path, "fs", {"index.js": ""})
    texts = {"node.js": "", "required.js": "", "files/x.js": "", "hidden.js": ""}
    exports = {
        ".": [{"import": "./no.mjs"}, {"node": "./node.js"}],
        "./sub": {"import": "./no.mjs", "require": {"default": "./required.js"}},
        "./all/*": "./files/*.js",
    }
    package(tmp_path, "exported", texts, exports=exports)
    assert resolve(request_, tmp_path) == (tmp_path.resolve() / found if found else None)
