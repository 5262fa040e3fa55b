"""Waiting for readiness, on the fake engine and a virtual clock."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Sequence
from typing import Any

import pytest

from devenv.contract.answers import ExecResult
from devenv.contract.specification import InstanceSpec
from devenv.errors import EngineLost
from devenv.events import Event, ProbeFailed
from devenv.health.waiter import WaitOutcome, check_once, wait_completed, wait_ready
from devenv.model.stack import Healthcheck, Restart, Service
from devenv.model.state import Health
from devenv.testing import FakeClock, FakeEngine, FakeImage, Script, make_project, make_service
from devenv.testing.builders import make_labels


class Bench:
    """A fake engine with one service on it."""

    def __init__(self, script: Script | None = None, **fields: Any) -> None:
        self.clock = FakeClock()
        self.engine = FakeEngine(self.clock)
        self.engine.images["image"] = FakeImage("sha256:1")
        self.service: Service = make_service("web", image="image", **fields)
        if script is not None:
            self.engine.scripts["web"] = script
        self.events: list[Event] = []
        self.instance_id = ""

    async def start(self) -> None:
        project = make_project()
        spec = InstanceSpec(
            name="web-1",
            project=project,
            service=self.service,
            index=1,
            labels=make_labels(project, "web", 1),
            image="image",
        )
        self.instance_id = await self.engine.create(spec)
        await self.engine.start(self.instance_id)

    async def ready(self, *, timeout: float = 30.0, image_healthcheck: tuple[str, ...] = ()) -> WaitOutcome:
        started_at = self.clock.monotonic()
        await self.start()
        return await wait_ready(
            self.engine,
            self.instance_id,
            self.service,
            1,
            image_healthcheck=image_healthcheck,
            timeout=timeout,
            clock=self.clock,
            sink=self.events.append,
            started_at=started_at,
        )

    async def completed(self, *, timeout: float = 30.0) -> WaitOutcome:
        await self.start()
        return await wait_completed(
            self.engine,
            self.instance_id,
            self.service,
            1,
            timeout=timeout,
            clock=self.clock,
        )


EXEC = {"ready": {"exec": ["healthy"]}}


async def test_ready_is_seen_within_a_tenth_of_a_second() -> None:
    outcome = await Bench(Script(ready_after=2.03), x=EXEC).ready()
    assert outcome.ready
    assert outcome.failure is None
    assert 2030 <= outcome.ready_ms <= 2130


async def test_the_engines_interval_is_not_waited_for() -> None:
    check = Healthcheck(test=("CMD", "healthy"), interval=30.0)
    outcome = await Bench(Script(ready_after=1.0), healthcheck=check).ready()
    assert outcome.ready
    assert outcome.ready_ms <= 1100


async def test_a_costly_probe_rests_five_times_its_duration_and_never_overlaps() -> None:
    bench = Bench(x=EXEC)
    running: list[float] = []
    spans: list[tuple[float, float]] = []

    async def answer(command: Sequence[str]) -> ExecResult:
        assert not running, "two at once"
        running.append(bench.clock.monotonic())
        await bench.clock.sleep(0.2)
        spans.append((running.pop(), bench.clock.monotonic()))
        return ExecResult(exit_code=0 if bench.clock.monotonic() > 4 else 1, output=b"")

    bench.engine.scripts["web"] = Script(exec=answer)
    assert (await bench.ready()).ready
    rests = [later[0] - earlier[1] for earlier, later in itertools.pairwise(spans)]
    assert rests
    assert all(rest >= 1.0 - 1e-9 for rest in rests)


@pytest.mark.parametrize(
    ("timing", "longest"),
    [({"interval": 0.5}, 0.5), ({"interval": 30.0, "start_period": 60.0, "start_interval": 0.3}, 0.3)],
)
async def test_a_healthcheck_is_asked_as_often_as_its_file_says_however_slow_it_is(
    timing: dict[str, float], longest: float
) -> None:
    bench = Bench(healthcheck=Healthcheck(test=("CMD", "healthy"), retries=99, **timing))
    spans: list[tuple[float, float]] = []

    async def answer(command: Sequence[str]) -> ExecResult:
        begun = bench.clock.monotonic()
        await bench.clock.sleep(0.4)
        spans.append((begun, bench.clock.monotonic()))
        return ExecResult(exit_code=0 if bench.clock.monotonic() > 4 else 1, output=b"")

    bench.engine.scripts["web"] = Script(exec=answer)
    assert (await bench.ready()).ready
    rests = [later[0] - earlier[1] for earlier, later in itertools.pairwise(spans)]
    assert rests == pytest.approx([longest] * len(rests))


async def test_who_dies_is_not_waited_for() -> None:
    logs = [(0.1, "starting"), (0.4, "no database")]
    bench = Bench(Script(ready_after=None, exit_after=0.5, exit_code=3, logs=logs), x=EXEC)
    outcome = await bench.ready()
    assert not outcome.ready
    failure = outcome.failure
    assert failure is not None
    assert bench.clock.monotonic() == pytest.approx(0.5, abs=0.2)
    assert failure.exit_code == 3
    assert "exited with code 3" in failure.reason
    assert failure.last_answer == "exit code 1: not yet"
    assert failure.probe == "exec healthy"
    assert failure.log_tail == ("starting", "no database")
    assert not failure.timed_out


async def test_the_kernels_kill_is_told_as_such() -> None:
    outcome = await Bench(Script(ready_after=None, exit_after=0.5, exit_code=137, oom=True), x=EXEC).ready()
    assert outcome.failure is not None
    assert outcome.failure.oom_killed
    assert "memory" in outcome.failure.reason


async def test_time_runs_out() -> None:
    outcome = await Bench(Script(ready_after=None), x=EXEC).ready(timeout=7)
    assert outcome.failure is not None
    assert outcome.failure.timed_out
    assert "7 s" in outcome.failure.reason
    assert outcome.failure.exit_code is None
    assert outcome.ready_ms == pytest.approx(7000, abs=200)


async def test_the_services_own_timeout_counts_before_the_commands() -> None:
    bench = Bench(Script(ready_after=None), x={"ready": {"exec": ["healthy"], "timeout": "2s"}})
    outcome = await bench.ready(timeout=60)
    assert outcome.ready_ms == pytest.approx(2000, abs=200)


async def test_a_timeout_alone_is_no_probe() -> None:
    outcome = await Bench(Script(), x={"ready": {"timeout": "5s"}}).ready()
    assert outcome.ready
    assert outcome.attempts == 0


async def test_retries_and_start_period_are_a_budget_before_unhealthy() -> None:
    check = Healthcheck(test=("CMD", "healthy"), interval=2.0, retries=3, start_period=4.0)
    outcome = await Bench(Script(ready_after=None), healthcheck=check).ready(timeout=60)
    assert outcome.failure is not None
    assert "unhealthy" in outcome.failure.reason
    assert not outcome.failure.timed_out
    assert outcome.ready_ms == pytest.approx(10_000, abs=200)


async def test_within_the_budget_a_late_service_becomes_ready() -> None:
    check = Healthcheck(test=("CMD", "healthy"), interval=2.0, retries=3, start_period=4.0)
    assert (await Bench(Script(ready_after=9.5), healthcheck=check).ready(timeout=60)).ready


@pytest.mark.parametrize(
    ("fields", "image", "probe"),
    [
        ({"x": EXEC, "healthcheck": Healthcheck(test=("CMD", "other"))}, ("CMD", "image"), "exec healthy"),
        ({"healthcheck": Healthcheck(test=("CMD", "other"))}, ("CMD", "image"), "exec other"),
        ({"healthcheck": Healthcheck(test=("CMD-SHELL", "a | b"))}, (), "exec a | b"),
        ({"healthcheck": Healthcheck(interval=1.0)}, ("CMD", "image"), "exec image"),
        ({}, ("CMD-SHELL", "image x"), "exec image x"),
        ({"x": {"ready": {"timeout": 5}}}, ("CMD", "image"), "exec image"),
    ],
)
async def test_which_probe_is_asked(fields: dict[str, Any], image: tuple[str, ...], probe: str) -> None:
    outcome = await Bench(Script(ready_after=None), **fields).ready(timeout=1, image_healthcheck=image)
    assert outcome.failure is not None
    assert outcome.failure.probe == probe


@pytest.mark.parametrize(
    ("fields", "image"),
    [
        ({}, ()),
        ({}, ("NONE",)),
        ({"healthcheck": Healthcheck(disable=True)}, ("CMD", "image")),
        ({"healthcheck": Healthcheck(test=("NONE",))}, ("CMD", "image")),
    ],
)
async def test_without_a_probe_started_is_ready(fields: dict[str, Any], image: tuple[str, ...]) -> None:
    outcome = await Bench(Script(ready_after=None), **fields).ready(image_healthcheck=image)
    assert outcome.ready
    assert outcome.ready_ms <= 300


async def test_without_a_probe_who_exits_at_once_has_failed() -> None:
    outcome = await Bench(Script(exit_after=0.1, exit_code=1)).ready()
    assert outcome.failure is not None
    assert outcome.failure.exit_code == 1


async def test_without_a_probe_exit_code_0_is_a_one_shot_that_completed() -> None:
    outcome = await Bench(Script(exit_after=0.1)).ready()
    assert outcome.ready
    assert outcome.completed


async def test_with_a_probe_exit_code_0_before_ready_is_a_failure() -> None:
    outcome = await Bench(Script(exit_after=0.1, ready_after=None), x=EXEC).ready()
    assert outcome.failure is not None
    assert outcome.failure.exit_code == 0


async def test_who_is_restarted_is_waited_for() -> None:
    bench = Bench(x=EXEC, restart=Restart(policy="always"))
    script = Script(ready_after=None, exit_after=0.3, exit_code=1)
    bench.engine.scripts["web"] = script

    async def mend() -> None:
        await bench.clock.sleep(2.0)
        script.ready_after, script.exit_after = 0.0, None

    mending = asyncio.create_task(mend())
    outcome = await bench.ready(timeout=20)
    await mending
    assert outcome.ready
    assert 2000 <= outcome.ready_ms <= 2600


async def test_who_keeps_being_restarted_says_so_when_time_runs_out() -> None:
    script = Script(ready_after=None, exit_after=0.3, exit_code=9)
    outcome = await Bench(script, x=EXEC, restart=Restart(policy="always")).ready(timeout=3)
    assert outcome.failure is not None
    assert outcome.failure.timed_out
    assert outcome.failure.exit_code == 9
    assert "times (the last time it exited with code 9)" in outcome.failure.reason


async def test_restarts_that_are_used_up_end_the_wait() -> None:
    script = Script(ready_after=None, exit_after=0.3, exit_code=9)
    bench = Bench(script, x=EXEC, restart=Restart(policy="on-failure", maximum=2))
    outcome = await bench.ready(timeout=60)
    assert outcome.failure is not None
    assert not outcome.failure.timed_out
    assert bench.clock.monotonic() < 3


async def test_failed_probes_are_told_when_the_answer_changes_and_once_a_second() -> None:
    bench = Bench(x=EXEC)

    def answer(command: Sequence[str]) -> ExecResult:
        now = bench.clock.monotonic()
        return ExecResult(exit_code=0 if now > 3.5 else 1, output=b"early" if now < 1.5 else b"later")

    bench.engine.scripts["web"] = Script(exec=answer)
    await bench.ready()
    told = [event for event in bench.events if isinstance(event, ProbeFailed)]
    assert [event.answer for event in told] == [f"exit code 1: {w}" for w in ("early", "early", "later", "later")]
    assert {(event.service, event.instance, event.probe) for event in told} == {("web", 1, "exec healthy")}
    assert told[-1].attempt > told[0].attempt


async def test_a_line_of_output_makes_it_ready() -> None:
    logs = [(0.5, "listening soon"), (1.5, "server ready on 8080")]
    outcome = await Bench(Script(logs=logs), x={"ready": {"log": r"ready on \d+"}}).ready()
    assert outcome.ready
    assert 1500 <= outcome.ready_ms <= 1600


async def test_a_line_that_never_comes_shows_the_last_one() -> None:
    outcome = await Bench(Script(logs=[(0.5, "connecting")]), x={"ready": {"log": "ready"}}).ready(timeout=3)
    assert outcome.failure is not None
    assert "connecting" in outcome.failure.last_answer


async def test_lines_of_an_earlier_start_do_not_count() -> None:
    script = Script(logs=[(0.1, "ready")])
    bench = Bench(script, x={"ready": {"log": "ready"}})
    assert (await bench.ready()).ready
    await bench.engine.stop(bench.instance_id)
    await bench.clock.sleep(5)
    script.logs = [(1.0, "ready")]
    started_at = bench.clock.monotonic()
    await bench.engine.start(bench.instance_id)
    outcome = await wait_ready(
        bench.engine,
        bench.instance_id,
        bench.service,
        1,
        image_healthcheck=(),
        timeout=10,
        clock=bench.clock,
        sink=bench.events.append,
        started_at=started_at,
    )
    assert outcome.ready_ms >= 1000


async def test_an_engine_that_is_lost_meanwhile_is_an_error() -> None:
    bench = Bench(Script(ready_after=None), x=EXEC)
    bench.engine.faults.fail("exec", EngineLost("gone"))
    with pytest.raises(EngineLost):
        await bench.ready()


async def test_nothing_is_left_running_after_the_wait() -> None:
    bench = Bench(Script(ready_after=None, logs=[(0.1, "x")]), x={"ready": {"log": "never"}})
    before = asyncio.all_tasks()
    await bench.ready(timeout=1)
    names = {task.get_name() for task in asyncio.all_tasks() - before}
    assert {name for name in names if not name.startswith("fake ")} == set()


async def test_a_one_shot_that_exits_with_0_has_completed() -> None:
    outcome = await Bench(Script(exit_after=1.0)).completed()
    assert (outcome.ready, outcome.completed) == (True, True)
    assert outcome.ready_ms == pytest.approx(1000)


async def test_a_one_shot_that_fails_says_how() -> None:
    outcome = await Bench(Script(exit_after=1.0, exit_code=2, logs=[(0.5, "bad migration")])).completed()
    assert outcome.failure is not None
    assert (outcome.failure.exit_code, outcome.failure.log_tail) == (2, ("bad migration",))


async def test_a_one_shot_that_never_ends_times_out() -> None:
    outcome = await Bench(Script()).completed(timeout=5)
    assert outcome.failure is not None
    assert outcome.failure.timed_out


@pytest.mark.parametrize(("ready_after", "health"), [(0.0, Health.HEALTHY), (None, Health.UNHEALTHY)])
async def test_one_question_for_status(ready_after: float | None, health: Health) -> None:
    bench = Bench(Script(ready_after=ready_after), x=EXEC)
    await bench.start()
    assert await check_once(bench.engine, bench.instance_id, bench.service, image_healthcheck=()) is health


async def test_one_question_for_status_without_a_probe() -> None:
    bench = Bench(Script())
    await bench.start()
    assert await check_once(bench.engine, bench.instance_id, bench.service, image_healthcheck=()) is Health.NONE


async def test_one_question_for_status_takes_no_longer_than_its_bound() -> None:
    async def hang(command: Sequence[str]) -> ExecResult:
        await asyncio.Event().wait()
        raise AssertionError

    bench = Bench(Script(exec=hang), x=EXEC)
    await bench.start()
    async with asyncio.timeout(2):
        assert await check_once(bench.engine, bench.instance_id, bench.service, image_healthcheck=()) is Health.STARTING


async def test_the_end_of_a_long_answer_is_kept() -> None:
    output = ("Traceback (most recent call last):\n" + "  File x\n" * 100 + "ModuleNotFoundError: no flask").encode()
    bench = Bench(Script(exec=lambda _: ExecResult(exit_code=1, output=output)), x=EXEC)
    outcome = await bench.ready(timeout=1)
    assert outcome.failure is not None
    assert outcome.failure.last_answer.startswith("exit code 1: Traceback")
    assert outcome.failure.last_answer.endswith("ModuleNotFoundError: no flask")
