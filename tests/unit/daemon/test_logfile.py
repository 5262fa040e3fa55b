"""Output on disk: rotated by size, read back in order, whatever bytes came."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from devenv.daemon.logfile import LogFile, remove, rotated
from devenv.engine.process.log_reader import REMOVED, follow, read_lines


def test_lines_are_read_as_they_were_written(tmp_path: Path) -> None:
    log = LogFile(tmp_path / "logs" / "web-1.log")
    log.write(1.5, 1, "grüße".encode())
    log.write(2.25, 2, b"\xff broken")
    log.write(3.0, 1, b"")
    log.close()
    lines = read_lines(tmp_path / "logs" / "web-1.log", None, None)
    assert [(line.time, line.stream, line.text) for line in lines] == [
        (1.5, "stdout", "grüße"),
        (2.25, "stderr", "\ufffd broken"),
        (3.0, "stdout", ""),
    ]


def test_rotation_bounds_what_is_kept_and_loses_only_the_oldest(tmp_path: Path) -> None:
    path = tmp_path / "web-1.log"
    log = LogFile(path, max_bytes=1000, kept=2)
    for number in range(300):
        log.write(float(number), 1, b"line %d" % number)
    log.close()
    assert path.stat().st_size <= 1000
    assert not rotated(path, 3).exists()
    numbers = [int(line.time) for line in read_lines(path, None, None)]
    assert numbers == list(range(numbers[0], 300))
    assert len(numbers) > 50
    remove(path)
    assert list(tmp_path.iterdir()) == []


def test_since_and_tail(tmp_path: Path) -> None:
    path = tmp_path / "web-1.log"
    log = LogFile(path)
    for number in range(10):
        log.write(float(number), 1, b"x")
    log.close()
    assert [line.time for line in read_lines(path, 7.0, None)] == [7.0, 8.0, 9.0]
    assert [line.time for line in read_lines(path, None, 2)] == [8.0, 9.0]
    assert read_lines(path, None, 0) == []
    assert len(read_lines(path, None, 99)) == 10
    assert read_lines(tmp_path / "nothing.log", None, None) == []


async def test_following_goes_on_through_a_rotation(tmp_path: Path) -> None:
    path = tmp_path / "web-1.log"
    log = LogFile(path, max_bytes=200)
    log.write(0.0, 1, b"before")
    steps = iter(range(1, 30))

    async def ended() -> bool:
        number = next(steps, None)
        if number is None:
            return True
        log.write(float(number), 1, b"line")
        return False

    seen = [line.time async for line in follow(path, None, None, ended)]
    assert seen == [float(number) for number in range(30)]


def test_a_line_ends_at_a_line_feed_alone_and_cannot_forge_another(tmp_path: Path) -> None:
    path = tmp_path / "web-1.log"
    path.write_bytes(b"1.0 1 x\r9.9 2 forged\n1.5 2 \x0b\x0c\x1c\x85\n")
    assert [(line.time, line.stream, line.text) for line in read_lines(path, None, None)] == [
        (1.0, "stdout", "x\r9.9 2 forged"),
        (1.5, "stderr", "\x0b\x0c\x1c\ufffd"),
    ]


def test_lines_that_do_not_parse_are_shown_as_they_are(tmp_path: Path) -> None:
    path = tmp_path / "web-1.log"
    path.write_bytes(b"\0\0\0\n2.5 1 good\nnan 1 x\n1_0.0 2 y\n3.0 3 z\n\n4.5\n")
    lines = read_lines(path, None, None)
    assert [line.text for line in lines] == ["\0\0\0", "good", "nan 1 x", "1_0.0 2 y", "3.0 3 z", "", "4.5"]
    assert {line.time for line in lines} == {2.5}


def test_a_half_written_line_does_not_join_the_next(tmp_path: Path) -> None:
    path = tmp_path / "web-1.log"
    path.write_bytes(b"1.0 1 half")
    log = LogFile(path)
    log.write(2.0, 1, b"whole")
    assert [line.text for line in read_lines(path, None, None)] == ["half", "whole"]


def test_a_log_whose_directory_was_removed_goes_on_in_a_new_one(tmp_path: Path) -> None:
    path = tmp_path / "logs" / "web-1.log"
    log = LogFile(path)
    log.write(1.0, 1, b"gone")
    shutil.rmtree(tmp_path / "logs")
    log.write(2.0, 1, b"here")
    log.write(3.0, 2, b"and here")
    lines = read_lines(path, None, None)
    assert [(line.time, line.text) for line in lines] == [(2.0, REMOVED), (2.0, "here"), (3.0, "and here")]


@pytest.mark.parametrize("tail", [0, 1, 5, 20_000, 99_999])
def test_a_tail_is_read_from_the_end_over_all_files(tmp_path: Path, tail: int) -> None:
    path = tmp_path / "web-1.log"
    log = LogFile(path, max_bytes=800_000)
    for number in range(30_000):
        log.write(float(number), 1, b"x" * (number % 60))
    lines = [line.time for line in read_lines(path, None, tail)]
    every = [line.time for line in read_lines(path, None, None)]
    assert lines == (every[-tail:] if tail else [])
