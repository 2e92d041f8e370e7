"""What becomes of a build, what is said of it, and how it is remembered: the tables of a Dataset."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from tests.support.worlds.training import DIGEST, HOURS_FAILED, OTHER_DIGEST, data_result

from bucle.contracts.result import DataResult
from bucle.engine.room import UnknownState
from bucle.kinds.dataset import build as builds
from bucle.kinds.dataset import conditions, versions
from bucle.kinds.dataset.state import Build, BuildState, FeedbackBounds, Rejected, State, Version, decoded, encoded
from bucle.resources.dataset_status import DatasetStatus, DatasetVersion, FailedExpectation
from bucle.resources.documents import to_dict
from bucle.workloads.attempt import Attempt
from bucle.workloads.jobs import Failed, Lost

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
AGO = NOW - timedelta(hours=2)
FIRST = Attempt(0)
WAITS = Attempt(2, 1, "StoreUnavailable", "the store does not answer", NOW)


def build(state: BuildState = BuildState.RUNNING, attempt: Attempt = FIRST, spec: str = "new") -> Build:
    return Build(spec, "flights-data-0", "worker:1", state, attempt, AGO, FeedbackBounds(AGO, AGO), "pods")


def version(digest: str = DIGEST, spec: str = "old") -> Version:
    record = DatasetVersion(digest=digest, spec_hash=spec, rows=100, created_at=AGO, location="s3://bucle/a")
    return Version(digest, spec, 100, AGO, record)


def rejected(digest: str = OTHER_DIGEST, spec: str = "new", looked_at: datetime = AGO) -> Rejected:
    failed = FailedExpectation(name="hours", severity="Error", observed="25", limit="23", rows=2)
    return Rejected(digest, spec, AGO, looked_at, (failed,))


def result(digest: str = DIGEST, *, accepted: bool = True) -> DataResult:
    found = data_result(digest, failed=() if accepted else (HOURS_FAILED,)).data
    assert found is not None
    return found


# --- remembered ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "state",
    [
        State(),
        State(current=version(), history=(version(OTHER_DIGEST).record,)),
        State(current=version(), rejected=rejected()),
        State(build=build(BuildState.WAITING, WAITS)),
        State(build=build(BuildState.STOPPED, replace(WAITS, not_before=None, given_up=True))),
        State(build=replace(build(), bounds=None, pod_hash=None)),
    ],
)
def test_what_is_written_is_read_back(state: State) -> None:
    assert decoded(DatasetStatus.model_validate(to_dict(encoded(state)))) == state


@pytest.mark.parametrize("word", ["Compacting", "", None])
def test_a_state_that_nobody_knows_is_held(word: str | None) -> None:
    status = to_dict(encoded(State(build=build())))
    status["build"]["state"] = word
    with pytest.raises(UnknownState, match=r"remove status\.build$"):
        decoded(DatasetStatus.model_validate(status))


# --- built -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ended", "state", "reason"),
    [
        (Failed("Retry", "StoreUnavailable", "down"), BuildState.WAITING, "StoreUnavailable"),
        (Failed("User", "OutOfMemory", "killed"), BuildState.WAITING, "OutOfMemory"),
        (Failed("Fatal", "WrongType", "text"), BuildState.WAITING, "WrongType"),
        (Failed("Fatal", "SpecInvalid", "no zone Mars"), BuildState.STOPPED, "SpecInvalid"),
        (Lost("gone"), BuildState.WAITING, "ResultLost"),
    ],
)
def test_what_the_end_of_an_attempt_makes_of_the_build(ended: Failed | Lost, state: BuildState, reason: str) -> None:
    found = builds.after(build(), ended, NOW)
    assert (found.state, found.attempt.reason) == (state, reason)
    assert builds.due(found, NOW + timedelta(days=1)) == (state is BuildState.WAITING)


@pytest.mark.parametrize(("refused_for", "wait"), [(0, 5), (10, 10), (600, 60)])
def test_refused_sources_are_read_again_ever_more_seldom(refused_for: int, wait: int) -> None:
    found = rejected(looked_at=AGO + timedelta(minutes=refused_for))
    assert builds.reads_again_at(found) - found.looked_at == timedelta(minutes=wait)


@pytest.mark.parametrize(
    ("before", "told", "current", "refused", "lines"),
    [
        (State(), result(), DIGEST, None, 0),
        (State(current=version(OTHER_DIGEST)), result(), DIGEST, None, 1),
        (State(current=version(DIGEST)), result(), DIGEST, None, 0),
        (State(current=version(DIGEST)), result(OTHER_DIGEST, accepted=False), DIGEST, OTHER_DIGEST, 0),
        (State(rejected=rejected()), result(), DIGEST, None, 0),
    ],
)
def test_what_a_result_makes_of_the_versions(
    before: State, told: DataResult, current: str, refused: str | None, lines: int
) -> None:
    found = versions.harvested(replace(before, build=build()), told, "new", "written", NOW)
    assert found.build is None and found.current is not None and found.current.digest == current
    assert (found.rejected.digest if found.rejected else None) == refused
    assert len(found.history) == lines


def test_the_same_content_is_the_same_version_since_the_first_time() -> None:
    found = versions.harvested(State(current=version(DIGEST)), result(), "new", "written", NOW).current
    assert found is not None and (found.created_at, found.spec_hash) == (AGO, "new")


@pytest.mark.parametrize(
    ("digest", "spec", "since"), [(OTHER_DIGEST, "new", AGO), (OTHER_DIGEST, "other", NOW), (DIGEST, "new", NOW)]
)
def test_a_candidate_is_refused_since_the_first_time_it_was(digest: str, spec: str, since: datetime) -> None:
    found = versions.harvested(
        State(rejected=rejected(digest, spec)), result(OTHER_DIGEST, accepted=False), "new", "w", NOW
    )
    assert found.rejected is not None and (found.rejected.at, found.rejected.looked_at) == (since, NOW)


@pytest.mark.parametrize(("spec", "kept"), [("old", False), ("new", True), ("third", True)])
def test_back_on_the_spec_of_the_version_a_refusal_says_nothing(spec: str, kept: bool) -> None:
    state = State(current=version(spec="old"), rejected=rejected(spec="new"))
    assert (versions.forget_old_refusal(state, spec).rejected is not None) == kept


# --- said ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("state", "ready", "stalled"),
    [
        (State(current=version(spec="new")), "True/VersionReady", "False"),
        (State(rejected=rejected()), "False/ExpectationFailed", "True"),
        (State(current=version(spec="old"), rejected=rejected()), "False/ExpectationFailed", "True"),
        (State(current=version(spec="new"), rejected=rejected()), "True/ExpectationFailed", "False"),
        (State(current=version(), rejected=rejected(DIGEST)), "False/CurrentViolates", "True"),
    ],
)
def test_what_is_said_of_versions(state: State, ready: str, stalled: str) -> None:
    told = {update.type: update for update in conditions.settled(state, "new")}
    assert f"{told['Ready'].status}/{told['Ready'].reason}" == ready
    assert told["Stalled"].status == stalled


@pytest.mark.parametrize(
    ("found", "before", "reason", "stalled"),
    [
        (build(), None, "Building", "False"),
        (build(BuildState.WAITING, WAITS), None, "StoreUnavailable", "False"),
        (build(BuildState.WAITING, replace(WAITS, reason="WrongType")), None, "WrongType", "True"),
        (build(BuildState.STOPPED, replace(WAITS, reason="SpecInvalid")), None, "SpecInvalid", "True"),
        (build(), rejected(), "ExpectationFailed", "True"),
        (build(), rejected(spec="old"), "Building", "False"),
    ],
)
def test_what_is_said_of_a_build(found: Build, before: Rejected | None, reason: str, stalled: str) -> None:
    told = {update.type: update for update in conditions.building(State(rejected=before, build=found), found)}
    assert (told["Ready"].reason, told["Stalled"].status) == (reason, stalled)
