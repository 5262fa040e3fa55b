"""Who holds a port of this machine."""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path

import pytest

from devenv.engine.host_ports import PortHolder, port_holder

HEAD = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"


def entry(address: str, state: str, inode: int) -> str:
    return f"   0: {address} 00000000:0000 {state} 00000000:00000000 00:00000000 00000000  0  0 {inode} 1\n"


@pytest.fixture
def proc(tmp_path: Path) -> Path:
    (tmp_path / "net").mkdir()
    (tmp_path / "net" / "tcp").write_text(HEAD + entry("0100007F:1F90", "0A", 11) + entry("0100007F:1F91", "01", 12))
    (tmp_path / "net" / "tcp6").write_text(HEAD + entry("0" * 32 + ":1F92", "0A", 13))
    for pid, name, inode in ((7, "python3", 11), (8, "java", 12), (9, "node", 13)):
        folder = tmp_path / str(pid)
        (folder / "fd").mkdir(parents=True)
        (folder / "comm").write_text(name + "\n")
        (folder / "fd" / "3").symlink_to(f"socket:[{inode}]")
    return tmp_path


@pytest.mark.parametrize(
    ("port", "holder"),
    [(8080, PortHolder(7, "python3")), (8081, None), (8082, PortHolder(9, "node")), (8083, None)],
)
def test_who_listens_is_found(proc: Path, port: int, holder: PortHolder | None) -> None:
    assert port_holder(port, proc=proc) == holder


def test_a_process_that_may_not_be_looked_into_is_nobody(proc: Path) -> None:
    (proc / "7" / "fd" / "3").unlink()
    (proc / "7" / "fd").rmdir()
    assert port_holder(8080, proc=proc) is None


def test_where_there_is_no_proc_nobody_is_found(tmp_path: Path) -> None:
    assert port_holder(8080, proc=tmp_path / "none") is None


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_this_process_is_found() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        holder = port_holder(server.getsockname()[1])
    assert holder is not None
    assert holder.pid == os.getpid()
    assert str(os.getpid()) in str(holder)
