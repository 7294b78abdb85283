"""F38: rerunning a finished run overwrites its cost with zero. Here what was paid stays in the record."""

from __future__ import annotations

from tests.support.sessions import CALLS_PER_TRIAL, Lab

TRIALS = 4


def test_playing_a_paid_trial_again_does_not_make_it_free(lab: Lab) -> None:
    """The record of a finished trial is lost; it is played again from the journal, for nothing."""
    lab.run("--max-calls=16")
    before = lab.meta()["usage"]
    assert sum(before["calls"].values()) == TRIALS * CALLS_PER_TRIAL
    (path,) = lab.results.glob("*_Control_*.jsonl")
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:-1]))
    run_id = lab.lines("Treatment", "trial_result")[0]["run_id"]
    lab.watched.forget()
    lab.run("--resume", run_id)
    assert lab.watched.calls == []
    assert lab.meta()["usage"] == before
    (again,) = [line for line in lab.lines(kind="trial_result") if line["calls_replayed"]]
    assert again["calls_replayed"] == CALLS_PER_TRIAL
    assert sum(again["usage"]["calls"].values()) == sum(again["paid"]["calls"].values()) == CALLS_PER_TRIAL
    assert again["usage"]["tokens_in"] > 0


def test_a_later_try_costs_what_it_sent_and_knows_what_the_earlier_ones_had_cost(lab: Lab) -> None:
    """Two tries of one trial: the first dies at its last call, the second sends that call alone."""
    tries: list[int] = []

    async def stumble(trial: str, number: int) -> None:
        if trial.startswith("small/Treatment/rep1/panel0/proposal0"):
            tries.append(number)
            if len(tries) == CALLS_PER_TRIAL:
                raise ValueError("broken")

    lab.watched.before = stumble
    lab.run("--reruns=1", "--concurrency=1")
    failed, finished = [
        line for line in lab.lines("Treatment") if line.get("trial", "").endswith("panel0/proposal0")
    ]
    assert (failed["status"], finished["status"]) == ("failed", "finished")
    assert sum(failed["usage"]["calls"].values()) == CALLS_PER_TRIAL
    assert sum(finished["usage"]["calls"].values()) == 1
    assert finished["calls_replayed"] == CALLS_PER_TRIAL - 1
    assert sum(finished["paid"]["calls"].values()) == CALLS_PER_TRIAL
    assert finished["paid"]["tokens_in"] == failed["usage"]["tokens_in"] + finished["usage"]["tokens_in"]
    assert sum(lab.meta()["usage"]["calls"].values()) == TRIALS * CALLS_PER_TRIAL + 1


def test_a_finished_run_that_is_resumed_keeps_its_cost(lab: Lab) -> None:
    lab.run()
    before, run_id = lab.meta()["usage"], lab.lines(kind="trial_result")[0]["run_id"]
    lab.watched.forget()
    lab.run("--resume", run_id)
    assert (lab.watched.calls, lab.meta()["usage"]) == ([], before)
