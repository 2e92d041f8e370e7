"""What a Dataset says of itself, from the state it just reached. Pure."""

from __future__ import annotations

from bucle.contracts.limits import READ_AGAIN_LAST, in_words
from bucle.contracts.reasons import known, needs_someone
from bucle.contracts.reasons_types import Retry
from bucle.engine.status import ConditionUpdate, ready, reconciling, stalled
from bucle.kinds.dataset.children import written_hash
from bucle.kinds.dataset.state import Build, BuildState, Rejected, State, Version
from bucle.kinds.dataset.world import World
from bucle.resources.dataset_status import SetAside
from bucle.workloads.attempt import looks_again

Conditions = tuple[ConditionUpdate, ...]
FAILED_TOLD = 5
"""Failed expectations that a message names; status.rejected has them all."""


def settled(state: State, wanted: str) -> Conditions:
    """No build is under way: the version stands, or the candidate was refused."""
    current, rejected = state.current, state.rejected
    if rejected is not None and rejected.spec_hash == wanted:
        return refused(current, rejected)
    assert current is not None, "a settled Dataset was either accepted or refused"
    return _version_ready(current)


def without_deployment(world: World, state: State) -> Conditions:
    """A ModelDeployment that a source names is not there. What was built of its rows while it was stays a version."""
    current, why = state.current, world.not_joined or ""
    if current is not None and current.written_hash == written_hash(world.dataset):
        return _version_ready(current, f"; it stays as it is: {why}")
    return reconciling("WaitingForModelDeployment", why, still_ready=current is not None)


def building(state: State, build: Build) -> Conditions:
    rejected, attempt = state.rejected, build.attempt
    if rejected is not None and rejected.spec_hash == build.spec_hash:
        # Its sources are looked at again: until that says something new, what was refused stands.
        return refused(state.current, rejected)
    reason = attempt.reason or "Building"
    message = attempt.message or f"Job {build.job} builds a version (attempt {attempt.number})"
    again = build.state is BuildState.RUNNING and looks_again(attempt)
    if again:
        message = f"{message}; attempt {attempt.number} looks again"
    waits_for_someone = (build.state is BuildState.WAITING or again) and (
        needs_someone(reason) or known(reason).retry is Retry.DATA
    )
    if build.state is BuildState.STOPPED or waits_for_someone:
        return stalled(reason, message)
    return reconciling(reason, message)


def refused(current: Version | None, rejected: Rejected) -> Conditions:
    errors = [item for item in rejected.failed if item.severity == "Error"]
    told = "; ".join(f"{e.name}: {e.observed}, limit {e.limit}, {e.rows} rows" for e in errors[:FAILED_TOLD])
    if current is not None and current.digest == rejected.digest:
        return stalled(
            "CurrentViolates",
            f"the current version fails expectations that were edited since: {told}. It stays until a better one "
            "exists: correct the data or the expectation",
        )
    stays = f"version {current.digest} stays current" if current else "there is no earlier version"
    message = (
        f"candidate {rejected.digest} fails {told}; {stays}{_left_out(rejected.set_aside, 'rejected')}. Correct the expectation, or the data: "
        f"the sources are read again by themselves within {in_words(READ_AGAIN_LAST)}, and at once when `run` is raised"
    )
    if current is not None and current.spec_hash == rejected.spec_hash:
        return ready("ExpectationFailed", message)
    return stalled("ExpectationFailed", message)


def _version_ready(current: Version, more: str = "") -> Conditions:
    return ready(
        "VersionReady",
        f"version {current.digest} has {current.rows} rows{_left_out(current.record.set_aside, 'current')}{more}",
    )


def _left_out(aside: tuple[SetAside, ...], version: str) -> str:
    """How many rows are not in it, and why: a table that loses rows in silence trains another model, and one that was
    refused may have failed for what is missing."""
    if not aside:
        return ""
    told = ", ".join(f"{item.count} {item.reason}" for item in aside[:FAILED_TOLD])
    more = ", …" if len(aside) > FAILED_TOLD else ""
    in_all = sum(item.count or 0 for item in aside)
    return (
        f"; {in_all} rows or files were left out: {told}{more} (see status.{version}.setAside). "
        "Correct the data, or what callers send, if they are wanted"
    )
