"""When a DriftPolicy looks, what a look makes of its windows, and whether a new model could arrive at all. Tables."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from tests.support.builders import drift_states as states
from tests.support.builders.drift_states import EVALUATION, LABELS, THEN
from tests.support.builders.objects import a_job
from tests.support.worlds import drift

from bucle.contracts.capture import SETTLED
from bucle.contracts.result import EvaluateResult, Failure, LabelledResult, Result, SignalResult, WindowResult
from bucle.engine.objects import JsonObject
from bucle.engine.reads import Known, Unavailable
from bucle.kinds.driftpolicy.evaluation_job import evaluated, made_at
from bucle.kinds.driftpolicy.loop_closed import loop_open
from bucle.kinds.driftpolicy.state import Cursor, Evaluation, EvaluationState, Mark, SignalState, State, Verdict
from bucle.kinds.driftpolicy.window_verdicts import began_drift, drifting_signals, failed, newest_breach, restarted
from bucle.kinds.driftpolicy.world import World
from bucle.workloads.attempt import Attempt, Live

NOW = THEN + timedelta(hours=2)
CURSOR = Cursor("rev1", THEN, "rule")
DONE = replace(EVALUATION, state=EvaluationState.SUCCEEDED, attempt=Attempt(0))
RUNNING = replace(EVALUATION, state=EvaluationState.RUNNING, attempt=Attempt(0))


def rows(count: int) -> dict[str, Any]:
    return {"watermark": Known(replace(LABELS, feedback_rows=count), NOW)}


@pytest.mark.parametrize(
    ("world", "state", "looks"),
    [
        (rows(5000), State(cursor=CURSOR), True),
        (rows(1), State(cursor=CURSOR), True),
        (rows(0), State(cursor=CURSOR), False),
        ({"watermark": Unavailable("no answer")}, State(cursor=CURSOR), False),
        (rows(9999), State(cursor=replace(CURSOR, labelled=Mark(0, 5000))), False),
        (rows(10000), State(cursor=replace(CURSOR, labelled=Mark(0, 5000))), True),
        (rows(4000), State(cursor=replace(CURSOR, labelled=Mark(0, 5000))), True),
        (rows(9000), State(cursor=CURSOR, evaluation=replace(DONE, started_at=NOW - timedelta(minutes=59))), False),
        (rows(9000), State(cursor=CURSOR, evaluation=replace(DONE, started_at=NOW - timedelta(minutes=60))), True),
    ],
)
def test_when_it_is_time_to_look(world: dict[str, Any], state: State, looks: bool) -> None:
    found = evaluated(states.world(**world), states.SERVED, state, NOW).evaluation
    assert (found is not None and found.state is EvaluationState.PLANNED) == looks


def test_without_a_reference_nobody_looks() -> None:
    served = replace(states.SERVED, tags={})
    assert evaluated(states.world(**rows(9000)), served, State(cursor=CURSOR), NOW).evaluation is None


@pytest.mark.parametrize(
    ("evaluation", "at"),
    [
        (replace(EVALUATION, attempt=Attempt(0)), THEN + SETTLED),
        (replace(EVALUATION, attempt=Attempt(1, not_before=THEN)), THEN + SETTLED),
        (replace(EVALUATION, attempt=Attempt(1, not_before=THEN + timedelta(minutes=5))), THEN + timedelta(minutes=5)),
    ],
)
def test_a_job_is_made_once_all_that_it_reads_is_stored(evaluation: Evaluation, at: Any) -> None:
    assert made_at(evaluation) == at


def ended(code: int, result: Result) -> Live:
    job = a_job(RUNNING.job)
    job["status"] = {"conditions": [{"type": "Complete" if code == 0 else "Failed", "status": "True"}]}
    told = {"exitCode": code, "message": result.canonical()}
    pod: JsonObject = {
        "metadata": {"name": "p", "labels": {"job-name": RUNNING.job}},
        "status": {"containerStatuses": [{"name": "evaluate", "state": {"terminated": told}}]},
    }
    return Live({RUNNING.job: job}, (pod,))


def failure(reason: str) -> Result:
    return Result(program="evaluate", task_sha256="0" * 64, failure=Failure(reason=reason, message="told"))


def windows(*values: str) -> Result:
    found = tuple(
        WindowResult(
            index=index,
            first="2026-03-01T12:00:00Z",
            last="2026-03-01T12:59:00Z",
            rows=5000,
            signals=(SignalResult(name="performance", value=value, standard_error="0.001", groups=40),),
        )
        for index, value in enumerate(values)
    )
    done = EvaluateResult(labelled=LabelledResult(windows=found, rows=5000 * len(found)))
    return Result(program="evaluate", task_sha256="0" * 64, evaluate=done)


@pytest.mark.parametrize(
    ("live", "attempt", "state", "verdict"),
    [
        (Live({}), Attempt(0), EvaluationState.PLANNED, None),
        (ended(0, windows()), Attempt(0), EvaluationState.SUCCEEDED, None),
        (ended(0, windows("0.5")), Attempt(0), EvaluationState.SUCCEEDED, Verdict.HEALTHY),
        (ended(0, windows("0.5", "0.9")), Attempt(0), EvaluationState.SUCCEEDED, Verdict.HEALTHY),
        (ended(0, windows("0.5", "0.9", "0.9")), Attempt(0), EvaluationState.SUCCEEDED, Verdict.BREACHED),
        (ended(75, failure("StoreUnavailable")), Attempt(0), EvaluationState.PLANNED, None),
        (ended(1, failure("ProgramFailed")), Attempt(0), EvaluationState.PLANNED, None),
        (ended(1, failure("ProgramFailed")), Attempt(2, 2), EvaluationState.FAILED, Verdict.ERROR),
    ],
)
def test_what_the_end_of_a_look_makes_of_it(
    live: Live, attempt: Attempt, state: EvaluationState, verdict: Verdict | None
) -> None:
    signals = (SignalState("performance", "rule"),)
    before = State(cursor=CURSOR, signals=signals, evaluation=replace(RUNNING, attempt=attempt, labelled=Mark(0, 5000)))
    found = evaluated(states.world(live=live), states.SERVED, before, NOW)
    assert found.evaluation is not None and found.evaluation.state is state
    assert (found.last.verdict if found.last else None) == verdict
    assert len(found.signals[0].verdicts) == len(found.history)


# --- windows -----------------------------------------------------------------------------------------------------


B, H = Verdict.BREACHED, Verdict.HEALTHY


@pytest.mark.parametrize(
    ("verdicts", "drifting", "first", "newest"),
    [
        ((), False, None, None),
        ((H, H), False, None, None),
        ((B,), True, 0, 0),
        ((H, B, B), True, 1, 2),
        ((B, B, B), True, 0, 2),
        ((B, B, H), True, 0, 1),
        ((B, B, H, H, H), False, None, 1),
    ],
)
def test_which_windows_are_drift(
    verdicts: tuple[Verdict, ...], drifting: bool, first: int | None, newest: int | None
) -> None:
    state = states.drifted(*verdicts)
    assert drifting_signals(state) == (("performance",) if drifting else ())
    began = began_drift(states.policy(), state, states.SERVED, ("performance",))
    assert (began.window if began else None) == first
    assert state.signals[0].since == (began.to if began else None)
    breach = newest_breach(states.policy(), state, states.SERVED, ("performance",))
    assert (breach.window if breach else None) == newest


def test_windows_of_another_version_answer_nothing() -> None:
    other = replace(states.SERVED, revision="rev2")
    assert newest_breach(states.policy(), states.drifted(B, B), other, ("performance",)) is None


def test_a_look_that_failed_says_so_until_the_next_one() -> None:
    found = failed(
        replace(states.drifted(B), cursor=replace(CURSOR, labelled=Mark(0, 7))), "job", "ProgramFailed", "exit 1", NOW
    )
    assert found.last is not None and found.last.verdict is Verdict.ERROR
    assert found.cursor is not None and found.cursor.labelled.rows is None, "the same rows are looked at again"
    assert found.signals == states.drifted(B).signals, "and no window is judged by that"


@pytest.mark.parametrize("changed", ["nothing", "version", "rule"])
def test_windows_begin_anew_with_another_version_or_another_rule(changed: str) -> None:
    world = states.world()
    begun = restarted(
        world,
        states.SERVED,
        State(),
    )
    assert begun.cursor is not None and begun.cursor.labelled.window == 0
    seen = tuple(replace(signal, verdicts=states.drifted(B).signals[0].verdicts) for signal in begun.signals)
    before = replace(begun, signals=seen, cursor=replace(begun.cursor, labelled=Mark(1)))
    served = replace(states.SERVED, revision="rev2") if changed == "version" else states.SERVED
    if changed == "rule":
        world = states.world(policy=states.policy(windows={"rows": 100}))
    found = restarted(world, served, before)
    assert found.cursor is not None
    assert (found.cursor.labelled.window == 1, bool(found.signals[0].verdicts)) == (
        (True, True) if changed == "nothing" else (False, False)
    )


def test_an_edit_of_what_is_set_aside_begins_no_window_anew() -> None:
    begun = restarted(states.world(), states.SERVED, State())
    limits = {"feedback": {"quarantine": {"sameLabels": 500}}}
    edited = states.of(type(states.deployment()), "flights", {**drift.deployment_spec(), **limits})
    assert restarted(states.world(deployment=edited), states.SERVED, begun).cursor == begun.cursor


# --- the loop ----------------------------------------------------------------------------------------------------


def pinned() -> Any:
    spec = {"model": {"registered": {"name": "flights", "version": 3}}}
    return states.of(type(states.deployment()), "flights", spec)


def dropping(column: str) -> Any:
    return states.of(type(states.deployment()), "flights", {**drift.deployment_spec(), "capture": {"drop": [column]}})


def other_data() -> Any:
    schema = drift.dataset_spec()["schema"]
    return states.base(schema={**schema, "columns": [{"name": "day", "type": "Integer"}, *schema["columns"][1:]]})


@pytest.mark.parametrize(
    ("world", "why"),
    [
        ({}, None),
        ({"policy": states.policy(retrain=None, actions=[])}, None),
        ({"deployment": None}, None),
        ({"deployment": pinned()}, "is pinned: let it follow an alias"),
        ({"template": None}, "Experiment flights does not exist: create it"),
        ({"template": None, "misfits": {"Experiment flights": "it cannot be read"}}, "it cannot be read"),
        (
            {"template": states.of(type(states.template()), "flights", {**drift.experiment_spec(), "register": None})},
            "registers no model",
        ),
        ({"template": states.template(register={"model": "other", "alias": "challenger"})}, "make them equal"),
        ({"base": None}, "Dataset flights-base does not exist"),
        ({"deployment": dropping("hour")}, "leaves out the column hour"),
        ({"data": other_data()}, "whose target and features differ"),
    ],
)
def test_why_a_new_model_could_never_arrive(world: dict[str, Any], why: str | None) -> None:
    made: World = states.world(**world)
    found = loop_open(made)
    assert found is None if why is None else found is not None and why in found
