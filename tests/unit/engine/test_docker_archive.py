"""Files for a container: one archive, as each costs its creation about 70 ms."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

from devenv.contract.specification import FileContent, FileTree, InstanceSpec
from devenv.engine.docker.archive import archives
from devenv.testing import make_project, make_service

SECRET = FileContent(target="/run/secrets/key", content=b"secret", mode=0o400, uid=7, gid=8)


def spec(folder: Path, *, read_only: bool = False) -> InstanceSpec:
    (folder / "module.py").write_bytes(b"x = 1")
    tree = FileTree(
        target="/.devenv/python", files=(("a/module.py", folder / "module.py"), ("library.zip", b"zip")), digest="d"
    )
    service = make_service("web", image="web", read_only=read_only)
    project = make_project()
    return InstanceSpec(
        name="web", project=project, service=service, index=1, labels={}, files=(SECRET,), trees=(tree,)
    )


def members(archive: bytes) -> dict[str, tarfile.TarInfo]:
    with tarfile.open(fileobj=io.BytesIO(archive)) as found:
        return {member.name: member for member in found.getmembers()}


def test_everything_is_in_one_archive(tmp_path: Path) -> None:
    ((folder, archive),) = archives(spec(tmp_path))
    assert folder == "/"
    found = members(archive)
    assert list(found) == [
        ".devenv", ".devenv/python", ".devenv/python/a", ".devenv/python/a/module.py", ".devenv/python/library.zip",
        "run/secrets/key",
    ]  # fmt: skip
    secret, module = found["run/secrets/key"], found[".devenv/python/a/module.py"]
    assert (secret.mode, secret.uid, secret.gid, secret.size) == (0o400, 7, 8, 6)
    assert (module.mode, module.uid, module.size) == (0o644, 0, 5)
    with tarfile.open(fileobj=io.BytesIO(archive)) as reading:
        content = reading.extractfile("run/secrets/key")
        assert content is not None
        assert content.read() == b"secret"


def test_a_read_only_container_gets_one_for_each_of_its_volumes(tmp_path: Path) -> None:
    found = [(folder, list(members(archive))) for folder, archive in archives(spec(tmp_path, read_only=True))]
    tree = ("/.devenv/python", ["a", "a/module.py", "library.zip"])
    assert found == [("/run/secrets", ["key"]), tree]


def test_without_files_nothing_is_put(tmp_path: Path) -> None:
    service = make_service("web", image="web")
    assert archives(InstanceSpec(name="web", project=make_project(), service=service, index=1, labels={})) == []
