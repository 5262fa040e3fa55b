"""Figures of a control group, in both versions of the kernel's layout."""

from __future__ import annotations

from pathlib import Path

import pytest

from devenv.engine.cgroups import GroupFigures, group_figures

ID = "4f" * 32


def write(folder: Path, **files: str) -> None:
    folder.mkdir(parents=True)
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_text(text + "\n")


@pytest.fixture
def version_2(tmp_path: Path) -> Path:
    write(tmp_path / "proc" / "7", cgroup=f"0::/system.slice/docker-{ID}.scope")
    write(
        tmp_path / "system.slice" / f"docker-{ID}.scope",
        cpu__stat="usage_usec 2500000\nuser_usec 1",
        memory__current="1000",
        memory__stat="anon 1\ninactive_file 300",
        memory__max="max",
        pids__current="4",
    )
    return tmp_path


@pytest.fixture
def version_1(tmp_path: Path) -> Path:
    path = f"/docker/{ID}"
    write(
        tmp_path / "proc" / "7", cgroup=f"9:pids:{path}\n8:memory:{path}\n5:cpu,cpuacct:{path}\n1:name=systemd:{path}"
    )
    write(tmp_path / "cpuacct" / "docker" / ID, cpuacct__usage="2500000000")
    write(tmp_path / "pids" / "docker" / ID, pids__current="4")
    write(
        tmp_path / "memory" / "docker" / ID,
        memory__usage_in_bytes="1000",
        memory__limit_in_bytes="5000",
        memory__stat="cache 1\ntotal_inactive_file 300",
    )
    return tmp_path


def test_version_2(version_2: Path) -> None:
    found = group_figures(7, ID, proc=version_2 / "proc", root=version_2)
    assert found == GroupFigures(cpu_seconds=2.5, memory_bytes=700, memory_limit_bytes=0, pids=4)
    (version_2 / "system.slice" / f"docker-{ID}.scope" / "memory.max").write_text("9000\n")
    limited = group_figures(7, ID, proc=version_2 / "proc", root=version_2)
    assert limited is not None
    assert limited.memory_limit_bytes == 9000


def test_version_1(version_1: Path) -> None:
    found = group_figures(7, ID, proc=version_1 / "proc", root=version_1)
    assert found == GroupFigures(cpu_seconds=2.5, memory_bytes=700, memory_limit_bytes=5000, pids=4)


def test_a_recycled_pid_is_not_mistaken(version_2: Path) -> None:
    assert group_figures(7, "another", proc=version_2 / "proc", root=version_2) is None


def test_what_cannot_be_read_from_here_is_nothing(version_2: Path) -> None:
    assert group_figures(8, ID, proc=version_2 / "proc", root=version_2) is None
    assert group_figures(7, ID, proc=version_2 / "proc", root=version_2 / "elsewhere") is None
