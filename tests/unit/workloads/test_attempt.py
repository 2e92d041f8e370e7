"""The one life of every Job: what follows which end, what is adopted, what is cleared away."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.support.builders.objects import a_job

from bucle.contracts.result import Failure
from bucle.engine.objects import JsonObject
from bucle.workloads import attempt as attempts
from bucle.workloads import job_cleanup
from bucle.workloads.attempt import Attempt, Live, pause
from bucle.workloads.jobs import Failed, Lost, Running

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
GIVEN_UP, AGAIN = True, False


@pytest.mark.parametrize(("number", "seconds"), [(0, 5), (1, 10), (2, 20), (3, 40), (6, 300), (50, 300), (5000, 300)])
def test_pauses_grow_to_five_minutes(number: int, seconds: int) -> None:
    assert pause(number).total_seconds() == seconds


@pytest.mark.parametrize(
    ("ended", "failures", "over", "told"),
    [
        # External: tried again without end, and charged to nobody.
        (Failed("Retry", "StoreUnavailable", "down"), 2, AGAIN, ("StoreUnavailable", 2)),
        (Failed("Retry", "Disrupted", "evicted"), 2, AGAIN, ("Disrupted", 2)),
        (Failed("Fatal", "BucketMissing", "no bucket"), 2, AGAIN, ("BucketMissing", 2)),
        (Failed("User", "ImagePullFailed", "at its deadline"), 2, AGAIN, ("ImagePullFailed", 2)),
        # Whoever asks for another attempt gets it, whatever the reason.
        (Failed("Retry", "ProgramFailed", "busy"), 2, AGAIN, ("ProgramFailed", 2)),
        # Nothing but an edit helps.
        (Failed("Fatal", "UnknownParameter", "no such"), 0, GIVEN_UP, ("UnknownParameter", 0)),
        (Failed("Fatal", "WrongType", "text"), 0, GIVEN_UP, ("WrongType", 0)),
        # It may have been bad luck, three times at most.
        (Failed("User", "ProgramFailed", "code 1"), 0, AGAIN, ("ProgramFailed", 1)),
        (Failed("User", "OutOfMemory", "killed"), 1, AGAIN, ("OutOfMemory", 2)),
        (Failed("User", "ProgramFailed", "code 1"), 2, GIVEN_UP, ("ProgramFailed", 3)),
        (Failed("Parameters", "BadParameters", "no fit"), 2, GIVEN_UP, ("BadParameters", 3)),
        (Lost("gone"), 0, AGAIN, ("ResultLost", 1)),
        (Lost("gone"), 2, GIVEN_UP, ("ResultLost", 3)),
        (Failed("User", "FromTomorrow", "?"), 2, GIVEN_UP, ("FromTomorrow", 3)),
    ],
)
def test_what_follows_the_end_of_an_attempt(
    ended: Failed | Lost, failures: int, over: bool, told: tuple[str, int]
) -> None:
    found = attempts.after(Attempt(3, failures), ended, NOW)
    assert (found.given_up, (found.reason, found.failures)) == (over, told)
    assert (found.number, found.not_before) == ((3, None) if over else (4, NOW + pause(3)))
    assert found.message == ended.message


@pytest.mark.parametrize(("number", "minutes"), [(0, 5), (1, 10), (3, 40), (4, 60), (9, 60)])
def test_data_that_may_change_are_read_again_ever_more_seldom(number: int, minutes: int) -> None:
    found = attempts.after(Attempt(number), Failed("Fatal", "WrongType", "text"), NOW, data_changes=True)
    assert (found.given_up, found.not_before) == (False, NOW + timedelta(minutes=minutes))


@pytest.mark.parametrize(
    ("seen", "told"),
    [
        ("SecretMissing", ("SecretMissing", "no secret", 0)),
        ("Queued", ("Queued", "no secret", 0)),
        ("OutOfMemory", ("DeadlineExceeded", "at its deadline", 1)),
        (None, ("DeadlineExceeded", "at its deadline", 1)),
    ],
)
def test_a_pod_that_waited_until_its_deadline_says_what_for(seen: str | None, told: tuple[str, str, int]) -> None:
    before = Attempt(0, reason=seen, message="no secret")
    found = attempts.after(before, Failed("User", "DeadlineExceeded", "at its deadline"), NOW)
    assert (found.reason, found.message, found.failures) == told


def test_what_keeps_a_pod_is_told_and_forgotten_once_it_runs() -> None:
    kept = attempts.watched(Attempt(1), Running(Failure(reason="Unschedulable", message="no node")))
    assert (kept.reason, kept.message) == ("Unschedulable", "no node")
    assert attempts.watched(kept, Running()) == Attempt(1)


@pytest.mark.parametrize(
    ("number", "reason", "stands"),
    [
        (1, "SourceMissing", True),
        (1, "StoreUnavailable", True),
        (1, "ProgramFailed", True),
        (0, "SourceMissing", False),
        (1, "ImagePullFailed", False),
        (1, "PodsRefused", False),
    ],
)
def test_what_a_program_failed_of_stands_while_it_is_tried_again(number: int, reason: str, stands: bool) -> None:
    before = Attempt(number, reason=reason, message="words")
    assert attempts.watched(before, Running(started=True)) == (before if stands else Attempt(number))


def test_a_deadline_is_not_taken_for_what_an_earlier_attempt_failed_of() -> None:
    late = Failed("User", "DeadlineExceeded", "stopped")
    assert attempts.unmask_deadline("StoreUnavailable", "down", late) == late
    assert attempts.unmask_deadline("ImagePullFailed", "denied", late) == Failed("Retry", "ImagePullFailed", "denied")


@pytest.mark.parametrize(
    ("jobs", "least", "found"),
    [
        ({}, 0, (0, False)),
        ({0: "other"}, 0, (1, False)),
        ({0: "mine"}, 0, (0, True)),
        ({0: "mine", 1: "mine"}, 0, (0, True)),
        ({0: "mine", 1: "mine"}, 1, (1, True)),
        ({0: "mine", 4: "other"}, 1, (5, False)),
        ({0: "mine"}, 3, (3, False)),
    ],
)
def test_a_lost_status_goes_on_with_the_job_of_the_same_work(
    jobs: dict[int, str], least: int, found: tuple[int, bool]
) -> None:
    live = {number: {"metadata": {"name": name}} for number, name in jobs.items()}
    assert attempts.adopt(live, least, lambda job: job["metadata"]["name"] == "mine") == found


def over(name: str, *, at: int = 0, type_: str = "Failed", ttl: int | None = None) -> JsonObject:
    job = a_job(name)
    job["metadata"] |= {"uid": f"uid-{name}", "creationTimestamp": f"2026-01-01T12:{at:02}:00Z"}
    job["status"] = {"conditions": [{"type": type_, "status": "True"}]}
    if ttl is not None:
        job["spec"]["ttlSecondsAfterFinished"] = ttl
    return job


def pod_of(job: str, code: int, reason: str = "") -> JsonObject:
    message = f'{{"program":"data","task_sha256":"x","version":"v1","failure":{{"reason":"{reason}","message":"m"}}}}'
    message = message.replace("task_sha256", "taskSha256")
    ended: dict[str, Any] = {"exitCode": code, "message": message if reason else ""}
    status = {"containerStatuses": [{"name": "data", "state": {"terminated": ended}}]}
    return {"metadata": {"name": f"{job}-x", "labels": {"job-name": job}}, "status": status}


def test_of_attempts_that_failed_for_something_external_one_is_kept() -> None:
    names = [f"try-{index}" for index in range(5)]
    jobs = {name: over(name, at=index) for index, name in enumerate(names)}
    live = Live(jobs, tuple(pod_of(name, 75, "StoreUnavailable") for name in names))
    kept, dropped = job_cleanup.expired(live, "ml", active=())
    assert [child.name for child in kept] == ["try-4"]
    assert [deletion.name for deletion in dropped] == names[:-1]
    assert {deletion.uid for deletion in dropped} == {f"uid-{name}" for name in names[:-1]}


def test_failures_of_the_program_itself_are_all_kept_for_a_day() -> None:
    live = Live({name: over(name) for name in ("a", "b")}, (pod_of("a", 1), pod_of("b", 78, "UnknownColumn")))
    kept, dropped = job_cleanup.expired(live, "ml", active=())
    assert [child.adjust for child in kept] == [{"spec": {"ttlSecondsAfterFinished": 86400}}] * 2
    assert dropped == ()


def test_what_is_waited_for_or_has_its_time_to_live_is_left_alone() -> None:
    live = Live({"active": over("active"), "done": over("done", ttl=60), "works": a_job("works")})
    assert job_cleanup.expired(live, "ml", active={"active"}) == ((), ())


def test_jobs_that_nobody_waits_for_are_stopped_but_not_one_whose_program_has_ended() -> None:
    jobs = {name: a_job(name) for name in ("active", "old", "ended", "later")}
    for name, job in jobs.items():
        job["metadata"]["uid"] = f"uid-{name}"
    live = Live(jobs, (pod_of("ended", 1),))
    found = job_cleanup.superseded(live, "ml", {"active"}, spared=lambda name: name == "later")
    assert [(deletion.name, deletion.uid) for deletion in found] == [("old", "uid-old")]


def test_an_attempt_that_is_written_down_but_not_made_has_become_nothing() -> None:
    assert attempts.harvest(Live({}, (pod_of("other", 0),)), "mine", NOW) is None
    assert isinstance(attempts.harvest(Live({}, (pod_of("mine", 1),)), "mine", NOW), Failed)
