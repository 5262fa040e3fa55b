"""The executor alone: steps run as soon as they are free, and nothing else decides when."""

from __future__ import annotations

import asyncio

import pytest

from devenv.errors import EngineRefused
from devenv.orchestrate.execution.executor import Execution, Results, StepResult
from devenv.orchestrate.planning.calls import RemoveNetwork
from devenv.orchestrate.planning.graph import Action, Gate, Plan, Step


def step(number: int, *after: int, follows: tuple[int, ...] = (), gates: tuple[Gate, ...] = ()) -> Step:
    action = Action(kind="remove-network", target=f"n{number}", service=f"s{number}")
    call = RemoveNetwork(str(number))
    return Step(id=number, call=call, action=action, after=after, follows=follows, gates=gates)


def gate(service: str, *steps: int, required: bool = True) -> Gate:
    return Gate(service=service, condition="started", steps=steps, required=required)


class Recorder:
    """Performs nothing, and notes what it is told; a step in `failing` fails, one in `held` waits for its event."""

    def __init__(self, *failing: int) -> None:
        self.failing = failing
        self.held: dict[int, asyncio.Event] = {}
        self.told: list[str] = []
        self.third = asyncio.Event()

    async def perform(self, step: Step, results: Results) -> StepResult:
        assert all(number in results for number in step.predecessors)
        if step.id in self.held:
            await self.held[step.id].wait()
        if step.id == 3:
            self.third.set()
        return StepResult(success=step.id not in self.failing)

    def waiting(self, step: Step, services: tuple[str, ...]) -> None:
        self.told.append(f"{step.id} waits for {', '.join(services)}")

    def passed(self, step: Step, gate: Gate) -> None:
        self.told.append(f"{step.id} passes {gate.service}")

    def begun(self, step: Step) -> None:
        self.told.append(f"{step.id} begins")

    def ended(self, step: Step, result: StepResult) -> None:
        self.told.append(f"{step.id} {'succeeds' if result.success else 'fails'}")


async def run(recorder: Recorder, *steps: Step) -> Results:
    results: Results = {}
    await Execution(Plan(steps=steps), recorder.perform, recorder, results=results).run()
    return results


async def test_a_step_runs_when_all_that_it_waits_for_has_succeeded() -> None:
    recorder = Recorder()
    results = await run(recorder, step(1), step(2), step(3, 1, 2), step(4, 3))
    assert all(result.success for result in results.values())
    assert recorder.told[-4:] == ["3 begins", "3 succeeds", "4 begins", "4 succeeds"]


async def test_what_is_free_runs_at_once() -> None:
    recorder = Recorder()
    recorder.held[1] = asyncio.Event()
    steps = (step(1), step(2), step(3, 2), step(4, 1))
    results: Results = {}
    task = asyncio.create_task(Execution(Plan(steps=steps), recorder.perform, recorder, results=results).run())
    await recorder.third.wait()
    assert 1 not in results
    recorder.held[1].set()
    await task
    assert set(results) == {1, 2, 3, 4}


async def test_a_failure_skips_what_comes_after_it_and_nothing_else() -> None:
    recorder = Recorder(1)
    results = await run(recorder, step(1), step(2, 1), step(3, 2), step(4))
    assert (results[2].skipped, results[3].skipped, results[4].success) == (True, True, True)
    assert "2 begins" not in recorder.told


async def test_a_step_that_only_follows_runs_after_a_failure() -> None:
    recorder = Recorder(1)
    results = await run(recorder, step(1), step(2, 1), step(3, follows=(1, 2)))
    assert results[2].skipped
    assert results[3].success
    assert recorder.told == ["1 begins", "1 fails", "3 begins", "3 succeeds"]


async def test_a_failed_condition_names_the_service() -> None:
    recorder = Recorder(1)
    results = await run(recorder, step(1), step(2, gates=(gate("db", 1), gate("gone"))))
    assert results[2].blocked_by == ("db",)
    assert recorder.told[0] == "2 waits for db"


async def test_a_condition_that_is_not_required_may_fail() -> None:
    recorder = Recorder(1)
    results = await run(recorder, step(1), step(2, gates=(gate("cache", 1, required=False),)))
    assert results[2].success
    assert "2 passes cache" in recorder.told


async def test_an_error_cancels_the_rest_and_keeps_the_results() -> None:
    class Refusing(Recorder):
        async def perform(self, step: Step, results: Results) -> StepResult:
            if step.id == 2:
                await asyncio.sleep(0)
                raise EngineRefused("no")
            return await super().perform(step, results)

    recorder = Refusing()
    recorder.held[3] = asyncio.Event()
    results: Results = {}
    with pytest.raises(EngineRefused):
        await Execution(Plan(steps=(step(1), step(2), step(3))), recorder.perform, recorder, results=results).run()
    assert set(results) == {1}


async def test_a_long_chain_of_skipped_steps_ends() -> None:
    chain = [step(1), *(step(number, number - 1) for number in range(2, 3000))]
    results = await run(Recorder(1), *chain)
    assert sum(result.skipped for result in results.values()) == 2998
