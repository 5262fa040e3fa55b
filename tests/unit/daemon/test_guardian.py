"""The guardian: when the daemon's end of the pipe is gone, what it was told of is ended."""

from __future__ import annotations

import os
import signal
import subprocess

from devenv.daemon.guardian import end_groups, watch


def sleeper() -> subprocess.Popen[bytes]:
    return subprocess.Popen(["sleep", "60"], start_new_session=True)


def test_groups_that_were_added_end_with_the_pipe_and_others_do_not() -> None:
    doomed, finished, bystander = sleeper(), sleeper(), sleeper()
    pipe = watch()
    os.write(pipe, b"+%d\n+%d\n-%d\n" % (doomed.pid, finished.pid, finished.pid))
    os.close(pipe)
    assert doomed.wait(timeout=10) == -signal.SIGTERM
    assert finished.poll() is None
    assert bystander.poll() is None
    for process in (finished, bystander):
        process.kill()
        process.wait()


def test_groups_that_do_not_listen_are_killed() -> None:
    deaf = subprocess.Popen(
        ["sh", "-c", "trap '' TERM; echo set; sleep 60"], start_new_session=True, stdout=subprocess.PIPE
    )
    assert deaf.stdout is not None
    assert deaf.stdout.readline() == b"set\n"
    end_groups({deaf.pid}, grace=0.1)
    assert deaf.wait(timeout=10) == -signal.SIGKILL
