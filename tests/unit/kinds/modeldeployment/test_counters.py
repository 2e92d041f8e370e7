"""What was answered since a rollout or a step began, and what the judge is asked meanwhile."""

from __future__ import annotations

from datetime import UTC, datetime

from bucle.contracts.evidence import Query
from bucle.externals.answers import AnswerCounts
from bucle.kinds.modeldeployment.evidence.judge_query import query_of
from bucle.kinds.modeldeployment.identity import ModelFacts, Revision
from bucle.kinds.modeldeployment.state import Run, Stepping, Target, Wait, WaitFor
from bucle.kinds.modeldeployment.traffic.counters import counted, with_bases, with_step_base
from bucle.kinds.modeldeployment.traffic.routing import RouterPod, RouterView
from bucle.resources.modeldeployment import ModelDeploymentSpec

START = datetime(2026, 1, 1, tzinfo=UTC)
OLD, NEW = "old", "new"
RUN = Run("ro", "plan", 0, START, OLD, Revision(NEW, ModelFacts("s3://b/m", "sha256:1"), "image"), (), None, None)


def spec(*steps: dict[str, object], sample: int = 100) -> ModelDeploymentSpec:
    return ModelDeploymentSpec.model_validate(
        {
            "model": {"registered": {"name": "flights", "alias": "challenger"}},
            "capture": {"samplePercent": sample},
            "rollout": {"steps": list(steps)},
            "gates": [{"name": "errors", "errorRate": {"maxIncrease": "0.005"}}],
        }
    )


def pod(uid: str, stable: int, shadow: int, canary: int = 0) -> RouterPod:
    answered = {
        Target(OLD): AnswerCounts(stable, 0),
        Target(NEW, shadow=True): AnswerCounts(shadow, 0),
        Target(NEW): AnswerCounts(canary, 0),
    }
    return RouterPod(uid, "v1", frozenset(), answered)


def silent(uid: str) -> RouterPod:
    return RouterPod(uid, None, frozenset(), {})


def counting(run: Run, *pods: RouterPod) -> Run:
    return with_bases(run, RouterView(pods))


STEP = Stepping(RUN, 0, START, START, 0, 0, None, Wait(WaitFor.GATES))


def test_the_judge_is_told_which_share_is_copied_and_which_is_kept() -> None:
    """Otherwise every request that was never copied would be charged as an answer the candidate did not give."""
    asked = query_of(STEP, spec({"shadow": {"percent": 25}}, sample=40))
    assert asked == Query(
        rollout="ro",
        step=0,
        started_at="2026-01-01T00:00:00Z",
        stable=OLD,
        candidate=NEW,
        percent=25,
        sample_percent=40,
    )


def test_the_judge_is_asked_nothing_while_callers_are_answered_by_both() -> None:
    assert query_of(STEP, spec({"weight": {"percent": 25}})) is None


def test_what_was_counted_before_the_rollout_is_not_its_evidence() -> None:
    run = counting(RUN, pod("a", 1000, 0))
    found = counted(run, RouterView((pod("a", 1200, 150),)))
    assert (found.stable.requests, found.candidate.requests) == (200, 150)


def test_a_router_pod_that_was_silent_for_a_look_has_not_counted_from_zero() -> None:
    run = counting(RUN, pod("a", 1_000_000, 0))
    run = counting(run, silent("a"))
    run = counting(run, pod("a", 1_000_100, 100))
    found = counted(run, RouterView((pod("a", 1_000_100, 100),)))
    assert (found.stable.requests, found.candidate.requests) == (100, 100)


def test_a_router_pod_that_is_silent_at_first_brings_no_history() -> None:
    run = counting(counting(RUN, silent("a")), pod("a", 5000, 0))
    assert counted(run, RouterView((pod("a", 5010, 10),))).stable.requests == 10


def test_a_restarted_router_pod_counts_from_zero() -> None:
    run = counting(counting(RUN, pod("a", 1000, 0)), pod("a", 20, 5))
    found = counted(run, RouterView((pod("a", 20, 5),)))
    assert (found.stable.requests, found.candidate.requests) == (20, 5)


def step_began(*pods: RouterPod, run: Run) -> Run:
    return with_step_base(run, RouterView(pods))


def test_a_replaced_router_pod_does_not_make_a_step_wait_for_what_the_old_one_had_seen() -> None:
    run = counting(RUN, pod("a", 0, 0))
    run = step_began(pod("a", 20_000, 20_000), run=counting(run, pod("a", 20_000, 20_000)))
    run = counting(run, pod("b", 0, 0))
    run = counting(run, pod("b", 450, 0, canary=50))
    assert counted(run, RouterView((pod("b", 450, 0, canary=50),))).in_step.requests == 50


def test_a_silent_router_pod_does_not_move_the_zero_of_a_step() -> None:
    run = counting(RUN, pod("a", 0, 0), pod("b", 0, 0))
    run = step_began(pod("a", 900, 900), pod("b", 900, 900), run=run)
    run = counting(run, pod("a", 900, 900), silent("b"))
    run = counting(run, pod("a", 950, 900, canary=5), pod("b", 950, 900, canary=5))
    seen = RouterView((pod("a", 950, 900, canary=5), pod("b", 950, 900, canary=5)))
    assert counted(run, seen).in_step.requests == 10
