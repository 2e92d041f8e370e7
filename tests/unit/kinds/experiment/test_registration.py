"""What MLflow is told of an Experiment and what is believed of its answers, as tables."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from tests.support.builders.experiment_states import FIT, INPUTS, JUDGED, NOW, trials, world

from bucle.contracts import registry_tags
from bucle.engine.objects import JsonObject
from bucle.engine.reads import Absent, Known, Unavailable
from bucle.externals.registry.values import (
    CloseOpenRuns,
    CloseRun,
    EnsureRun,
    ModelVersion,
    RegisterVersion,
    Run,
    RunStatus,
    SetAlias,
    pairs,
)
from bucle.kinds.experiment import registration
from bucle.kinds.experiment.identity import final_key, trial_key
from bucle.kinds.experiment.state import Final, FinalState, Fitting, Judged, State, Stopped

PASSED = replace(JUDGED, state=FinalState.PASSED, reason="GatesPassed", run_id=None)
REFUSED = replace(JUDGED, state=FinalState.REFUSED, reason="NotBetter", run_id=None)
VERSION = ModelVersion("ml.flights", 4, "s3://bucle/m4", tags=pairs({registry_tags.TAG_MODEL_DIGEST: "sha256:m4"}))


def run(index: int | None, status: RunStatus = "RUNNING", **tags: str) -> Run:
    """The run of a trial, or of the final fit."""
    key = final_key(INPUTS) if index is None else trial_key(INPUTS, index)
    return Run(f"run-{index}", "r", status, pairs({registry_tags.TAG_KEY: key, **tags}))


def known(*runs: Run) -> Known[tuple[Run, ...]]:
    return Known(runs, NOW)


def told(letters: str, final: Final | None, *runs: Run, **registry: Any) -> list[str]:
    state = State(INPUTS, trials(letters), None, final, 4)
    found = registration.effects(world(state, runs=known(*runs), **registry), state, INPUTS)
    return [type(effect).__name__ for effect in found]


TOLD = run(None, "FINISHED", **{registry_tags.TAG_OUTCOME: "NotBetter"})


@pytest.mark.parametrize(
    ("letters", "final", "runs", "registry", "expected"),
    [
        ("rr", None, (), {}, [EnsureRun, EnsureRun]),
        ("rr", None, (run(0), run(1)), {}, []),
        ("sr", None, (run(0), run(1)), {}, [CloseRun]),
        ("sf", None, (run(0, "FINISHED"), run(1, "FAILED")), {}, []),
        ("s", None, (run(0, "KILLED"),), {}, [CloseRun]),
        ("s", Fitting(FIT, waits=False), (run(0, "FINISHED"),), {}, [EnsureRun]),
        ("s", Fitting(FIT, waits=False), (run(0, "FINISHED"), run(None)), {}, []),
        ("s", Stopped(FIT, "ProgramFailed", "", NOW), (run(0, "FINISHED"), run(None)), {}, [CloseRun]),
        ("f", Stopped(None, "TooManyFailedTrials", "", NOW), (run(0, "FAILED"),), {}, []),
        ("", PASSED, (run(None),), {"versions": Known((), NOW)}, [RegisterVersion]),
        ("", PASSED, (run(None),), {"versions": Known((VERSION,), NOW), "alias": Absent(NOW)}, [SetAlias]),
        ("", PASSED, (run(None),), {"versions": Unavailable("down")}, []),
        ("", REFUSED, (run(None),), {}, [CloseRun]),
        ("", REFUSED, (TOLD,), {}, []),
    ],
)
def test_what_the_registry_is_told(
    letters: str, final: Final | None, runs: tuple[Run, ...], registry: dict[str, Any], expected: list[type]
) -> None:
    assert told(letters, final, *runs, **registry) == [effect.__name__ for effect in expected]


def test_nothing_is_told_while_it_cannot_be_asked_and_never_too_much_at_once() -> None:
    state = State(INPUTS, trials("r" * 50))
    assert registration.effects(world(state, runs=Unavailable("down")), state, INPUTS) == ()
    assert len(registration.effects(world(state, runs=known()), state, INPUTS)) == registration.EFFECTS_PER_RUN


@pytest.mark.parametrize(
    ("alias", "state"),
    [
        (Known(VERSION, NOW), FinalState.REGISTERED),
        (Known(replace(VERSION, version=9), NOW), FinalState.REGISTERED),
        (Known(replace(VERSION, version=3), NOW), FinalState.PASSED),
        (Unavailable("down"), FinalState.PASSED),
        (None, FinalState.PASSED),
    ],
)
def test_a_model_is_registered_once_its_alias_is_seen_there_or_further(alias: Any, state: FinalState) -> None:
    before = State(INPUTS, (), None, PASSED, 4)
    asked = world(before, runs=known(run(None)), versions=Known((VERSION,), NOW), alias=alias)
    found = registration.seen(asked, before, INPUTS).final
    assert isinstance(found, Judged) and found.state is state
    assert found.model is not None and found.model.version == 4


@pytest.mark.parametrize(
    ("letters", "runs", "whole"),
    [
        ("s", (run(0, "FINISHED"), TOLD), True),
        ("s", (run(0, "RUNNING"), TOLD), False),
        ("s", (TOLD,), False),
        ("s", (run(0, "FINISHED"), run(None, "FINISHED")), False),
        ("s", (run(0, "FINISHED"),), False),
    ],
)
def test_all_is_told_when_every_run_is_closed_and_the_outcome_stands_on_the_last(
    letters: str, runs: tuple[Run, ...], whole: bool
) -> None:
    before = State(INPUTS, trials(letters), None, REFUSED, 4)
    found = registration.seen(world(before, runs=known(*runs)), before, INPUTS).final
    assert isinstance(found, Judged) and (found.run_id is not None) == whole


REFERENCE = '{"metric":"log_loss","value":"0.6","standardError":"0.01","groups":4,"rows":9}'


@pytest.mark.parametrize(
    ("registry", "state", "estimate"),
    [
        ({"versions": Known((), NOW), "runs": known()}, None, None),
        ({"runs": Unavailable("down")}, None, None),
        ({"runs": known(run(None, "FINISHED", **{registry_tags.TAG_OUTCOME: "Registered"}))}, None, None),
        ({"runs": known(TOLD)}, FinalState.REFUSED, None),
        ({"runs": known(run(None, "FINISHED", **{registry_tags.TAG_OUTCOME: "NotRegistered"}))}, FinalState.KEPT, None),
        ({"versions": Known((VERSION,), NOW)}, FinalState.PASSED, None),
        (
            {"versions": Known((replace(VERSION, tags=pairs({registry_tags.TAG_REFERENCE: REFERENCE})),), NOW)},
            FinalState.PASSED,
            "0.6",
        ),
        (
            {"versions": Known((replace(VERSION, tags=pairs({registry_tags.TAG_REFERENCE: "by hand"})),), NOW)},
            FinalState.PASSED,
            None,
        ),
    ],
)
def test_what_the_registry_remembers_when_status_does_not(
    registry: dict[str, Any], state: FinalState | None, estimate: str | None
) -> None:
    found = registration.remembered(world(State(INPUTS), **registry), INPUTS)
    assert (found[0].state if found else None) == state
    assert (found[0].estimate.value if found and found[0].estimate else None) == estimate


@pytest.mark.parametrize(
    ("status", "owes"),
    [
        ({}, False),
        ({"inputs": {"registrationKey": "k"}}, True),
        ({"inputs": {"registrationKey": "k"}, "final": {"state": "Passed"}}, True),
        ({"inputs": {"registrationKey": "k"}, "final": {"state": "Registered", "runId": "r"}}, False),
    ],
)
def test_what_one_that_is_deleted_owes(status: JsonObject, owes: bool) -> None:
    obj = {"metadata": {"namespace": "ml", "name": "late"}, "status": status}
    assert registration.owed(obj) == ((CloseOpenRuns("ml/late", "k"),) if owes else ())
