"""What became of an attempt, told from its Job and pods; and the one pod template."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.support.builders.objects import a_job

from bucle.contracts import exits
from bucle.contracts.names import ENV_TASK_SHA256
from bucle.contracts.result import Failure, Result
from bucle.engine.objects import JsonObject
from bucle.workloads.jobs import Failed, Finished, Lost, Outcome, Running, outcome
from bucle.workloads.trouble import PODLESS, deployment_trouble, pod_trouble

TASK = "a" * 64


def a_result(failure: Failure | None = None) -> str:
    return Result(program="data", task_sha256=TASK, failure=failure).message()


def became(job: JsonObject | None, pods: list[JsonObject], now: datetime | None = None) -> Outcome:
    return outcome("try", job, pods, now)


def a_running_job() -> JsonObject:
    """Told of TASK, as its pods are."""
    job = a_job("try")
    job["spec"]["template"]["spec"]["containers"][0]["env"] = [{"name": ENV_TASK_SHA256, "value": TASK}]
    del job["spec"]["suspend"]
    return job


def a_job_with(condition: str | None = None, reason: str = "") -> JsonObject:
    job = a_running_job()
    job["status"] = {"conditions": [{"type": condition, "status": "True", "reason": reason}] if condition else []}
    return job


def a_pod(**status: Any) -> JsonObject:
    return {"metadata": {"name": "try-x", "labels": {"job-name": "try"}}, "status": status}


def ended(code: int, message: str = "", **fields: Any) -> JsonObject:
    terminated = {"exitCode": code, "message": message, **fields}
    return a_pod(containerStatuses=[{"name": "data", "state": {"terminated": terminated}}])


def waiting(reason: str, message: str = "", **container: Any) -> JsonObject:
    state = {"waiting": {"reason": reason, "message": message}}
    return a_pod(containerStatuses=[{"name": "data", "image": "worker:1", "state": state, **container}])


DISRUPTED = {"conditions": [{"type": "DisruptionTarget", "status": "True"}]}
REFUSAL = a_result(Failure(reason="BucketMissing", message="no bucket"))


@pytest.mark.parametrize(
    ("code", "kind"),
    [(exits.BAD_PARAMETERS, "Parameters"), (exits.TRY_AGAIN, "Retry"), (exits.BAD_CONFIGURATION, "Fatal"), (1, "User")],
)
def test_the_exit_code_says_who_must_act_and_the_message_says_why(code: int, kind: str) -> None:
    assert became(a_job_with("Failed"), [ended(code, REFUSAL)]) == Failed(kind, "BucketMissing", "no bucket")  # type: ignore[arg-type]


def test_a_reported_result_ends_the_attempt_even_before_the_job_says_so() -> None:
    found = became(a_job_with(), [ended(0, a_result())])
    assert isinstance(found, Finished)
    assert found.result.task_sha256 == TASK


@pytest.mark.parametrize(
    ("job", "pods", "words"),
    [
        (a_job_with("Complete"), [], "gone"),
        (a_job_with("Complete"), [ended(0, "no json")], "gone"),
        (a_job_with("Complete"), [ended(0, a_result().replace(TASK, "b" * 64))], "gone"),
        (a_job_with("Failed", "BackoffLimitExceeded"), [], "its pod is gone"),
        (None, [], "no longer exists"),
    ],
    ids=["pod gone", "no result", "result of another task", "failed, pod gone", "job gone"],
)
def test_what_nobody_can_tell_is_lost_and_never_a_success(job: Any, pods: list[Any], words: str) -> None:
    found = became(job, pods)
    assert isinstance(found, Lost)
    assert words in found.message


def test_a_disruption_is_not_the_users_fault() -> None:
    pod = ended(137)
    pod["status"] |= DISRUPTED
    found = became(a_job_with("Failed"), [pod])
    assert isinstance(found, Failed)
    assert (found.kind, found.reason) == ("Retry", "Disrupted")


def test_a_result_counts_even_when_its_pod_was_about_to_be_evicted() -> None:
    pod = ended(0, a_result())
    pod["status"] |= DISRUPTED
    assert isinstance(became(a_job_with("Complete"), [pod]), Finished)


def test_out_of_memory_names_the_field_to_raise() -> None:
    found = became(a_job_with("Failed"), [ended(137, reason="OOMKilled")])
    assert isinstance(found, Failed)
    assert (found.kind, found.reason) == ("User", "OutOfMemory")
    assert "resources.limits.memory" in found.message


def test_a_deadline_tells_the_pods_real_trouble_if_it_has_one() -> None:
    job = a_job_with("Failed", "DeadlineExceeded")
    assert became(job, []) == Failed(
        "User", "DeadlineExceeded", "the pod was still running at its deadline and was stopped"
    )
    stuck = became(job, [waiting("ImagePullBackOff")])
    assert isinstance(stuck, Failed)
    assert stuck.reason == "ImagePullFailed"


@pytest.mark.parametrize("condition", ["Complete", "SuccessCriteriaMet", "Failed", "FailureTarget"])
def test_a_pod_seen_before_it_ended_is_looked_at_again_not_lost(condition: str) -> None:
    # Jobs and pods are two lists: the pod's may be the older one, and its last words come with the next look.
    seen = became(a_job_with(condition, "BackoffLimitExceeded"), [a_pod(phase="Running")])
    assert isinstance(seen, Running)
    over = became(a_job_with(condition, "BackoffLimitExceeded"), [a_pod(phase="Failed")])
    assert isinstance(over, Lost)


def test_a_pod_of_another_job_says_nothing() -> None:
    other = ended(0, a_result())
    other["metadata"]["labels"]["job-name"] = "another"
    assert became(a_job_with(), [other]) == Running()
    assert isinstance(became(None, [other]), Lost), "nor does it when the Job is gone"


def test_a_pod_that_outlived_its_job_is_believed_of_its_own_task_only() -> None:
    told = {"containers": [{"name": "data", "env": [{"name": ENV_TASK_SHA256, "value": "b" * 64}]}]}
    assert isinstance(became(None, [ended(0, a_result())]), Finished)
    assert isinstance(became(None, [{**ended(0, a_result()), "spec": told}]), Lost)


def test_a_running_pod_is_running() -> None:
    assert became(a_job_with(), [a_pod(phase="Running")]) == Running(None, started=True)


@pytest.mark.parametrize(
    ("pod", "reason", "words"),
    [
        (waiting("ErrImagePull", "not found"), "ImagePullFailed", "worker:1"),
        (waiting("CreateContainerConfigError", 'secret "bucle-storage" not found'), "SecretMissing", "kubectl create"),
        (waiting("CreateContainerError", "bad mount"), "ContainerRefused", "bad mount"),
        (
            waiting("CrashLoopBackOff", lastState={"terminated": {"exitCode": 78, "message": REFUSAL}}),
            "BucketMissing",
            "no bucket",
        ),
        (waiting("CrashLoopBackOff", lastState={"terminated": {"exitCode": 9}}), "CrashLooping", "9"),
        (
            a_pod(
                conditions=[{"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "cpu"}]
            ),
            "Unschedulable",
            "cpu",
        ),
        (a_pod(reason="Evicted", message="disk"), "Disrupted", "disk"),
    ],
)
def test_a_pods_real_reason_is_lifted(pod: JsonObject, reason: str, words: str) -> None:
    found = pod_trouble(pod)
    assert found is not None
    assert found.reason == reason
    assert words in found.message


def test_a_pod_that_just_starts_has_no_trouble() -> None:
    assert pod_trouble(waiting("ContainerCreating")) is None
    assert pod_trouble(a_pod(phase="Pending")) is None


BEGAN = datetime(2026, 1, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("status", "pods", "waited", "reason"),
    [
        ({"startTime": "2026-01-01T12:00:00Z"}, [], PODLESS, "PodsRefused"),
        ({"startTime": "2026-01-01T12:00:00Z"}, [], PODLESS - timedelta(seconds=1), None),
        ({"startTime": "2026-01-01T12:00:00Z", "active": 1}, [], PODLESS, None),
        ({"startTime": "2026-01-01T12:00:00Z"}, [a_pod(phase="Pending")], PODLESS, None),
        ({}, [], PODLESS, None),
    ],
)
def test_a_job_that_gets_no_pod_says_where_to_look(
    status: JsonObject, pods: list[JsonObject], waited: timedelta, reason: str | None
) -> None:
    found = became({**a_running_job(), "status": status}, pods, now=BEGAN + waited)
    assert isinstance(found, Running)
    assert (found.trouble.reason if found.trouble else None) == reason
    assert found.trouble is None or "`kubectl describe job try` tells why" in found.trouble.message


def test_a_deployment_whose_pods_a_quota_refuses_says_so() -> None:
    words = 'pods "x" is forbidden: exceeded quota: small, requested: pods=1'
    refused = {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": words}
    found = deployment_trouble({"metadata": {"name": "server"}, "status": {"conditions": [refused]}})
    assert found is not None
    assert found.reason == "PodsRefused"
    assert f"no pod is created for Deployment server: {words}" in found.message
    assert deployment_trouble({"metadata": {"name": "server"}, "status": {}}) is None


@pytest.mark.parametrize(
    ("labels", "spec", "by"),
    [
        ({"kueue.x-k8s.io/queue-name": "gpus"}, {"suspend": True}, "queue gpus"),
        ({}, {"suspend": True, "managedBy": "kueue.x-k8s.io/multikueue"}, "kueue.x-k8s.io/multikueue"),
        ({}, {"suspend": True}, "somebody, by `spec.suspend`"),
    ],
)
def test_a_suspended_job_is_queued_and_says_by_whom(labels: JsonObject, spec: JsonObject, by: str) -> None:
    job = a_job("try")
    job["metadata"]["labels"] = labels
    job["spec"] |= spec
    found = became(job, [], now=BEGAN)
    assert isinstance(found, Running)
    assert found.trouble is not None
    assert found.trouble.reason == "Queued"
    assert f"held back by {by}" in found.trouble.message
