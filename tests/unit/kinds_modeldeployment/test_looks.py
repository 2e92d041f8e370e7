"""What a step knows: the judge's question, what router pods counted since the rollout began, and what can still arrive."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from bucle.contracts.evidence import Query
from bucle.contracts.names import shadow_cluster
from bucle.kinds.modeldeployment import looks
from bucle.kinds.modeldeployment.gates import Count
from bucle.kinds.modeldeployment.looks import Bench, Counts
from bucle.kinds.modeldeployment.routing import RouterPod, RouterView
from bucle.resources.modeldeployment import Gate, ModelDeploymentSpec
from bucle.resources.modeldeployment_status import GateStatus, RolloutStatus

START = datetime(2026, 1, 1, tzinfo=UTC)
OLD, NEW = "old", "new"
ROLLOUT = RolloutStatus(id="ro", step=0, step_started_at=START, stable_revision=OLD, candidate_revision=NEW)
GATE = Gate.model_validate({"name": "errors", "errorRate": {"maxIncrease": "0.005"}})


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
    counts = {OLD: Count(stable, 0), shadow_cluster(NEW): Count(shadow, 0), NEW: Count(canary, 0)}
    return RouterPod(uid, "v1", frozenset(), counts)


def silent(uid: str) -> RouterPod:
    return RouterPod(uid, None, frozenset(), {})


def counting(rollout: RolloutStatus, *pods: RouterPod) -> RolloutStatus:
    return rollout.model_copy(update={"counters": looks.with_bases(rollout, RouterView(pods))})


def test_the_judge_is_told_which_share_is_copied_and_which_is_kept() -> None:
    """Otherwise every request that was never copied would be charged as an answer the candidate did not give."""
    asked = looks.query_of(ROLLOUT, spec({"shadow": {"percent": 25}}, sample=40))
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
    assert looks.query_of(ROLLOUT, spec({"weight": {"percent": 25}})) is None


def test_what_was_counted_before_the_rollout_is_not_its_evidence() -> None:
    rollout = counting(ROLLOUT, pod("a", 1000, 0))
    found = looks.counted(rollout, RouterView((pod("a", 1200, 150),)))
    assert (found.stable.requests, found.candidate.requests) == (200, 150)


def test_a_router_pod_that_was_silent_for_a_look_has_not_counted_from_zero() -> None:
    rollout = counting(ROLLOUT, pod("a", 1_000_000, 0))
    rollout = counting(rollout, silent("a"))
    rollout = counting(rollout, pod("a", 1_000_100, 100))
    found = looks.counted(rollout, RouterView((pod("a", 1_000_100, 100),)))
    assert (found.stable.requests, found.candidate.requests) == (100, 100)


def test_a_router_pod_that_is_silent_at_first_brings_no_history() -> None:
    rollout = counting(counting(ROLLOUT, silent("a")), pod("a", 5000, 0))
    assert looks.counted(rollout, RouterView((pod("a", 5010, 10),))).stable.requests == 10


def test_a_restarted_router_pod_counts_from_zero() -> None:
    rollout = counting(counting(ROLLOUT, pod("a", 1000, 0)), pod("a", 20, 5))
    found = looks.counted(rollout, RouterView((pod("a", 20, 5),)))
    assert (found.stable.requests, found.candidate.requests) == (20, 5)


def step_began(*pods: RouterPod, rollout: RolloutStatus) -> RolloutStatus:
    return rollout.model_copy(update={"counters": looks.step_base(rollout, RouterView(pods))})


def test_a_replaced_router_pod_does_not_make_a_step_wait_for_what_the_old_one_had_seen() -> None:
    rollout = counting(ROLLOUT, pod("a", 0, 0))
    rollout = step_began(pod("a", 20_000, 20_000), rollout=counting(rollout, pod("a", 20_000, 20_000)))
    rollout = counting(rollout, pod("b", 0, 0))
    rollout = counting(rollout, pod("b", 450, 0, canary=50))
    assert looks.counted(rollout, RouterView((pod("b", 450, 0, canary=50),))).in_step == 50


def test_a_silent_router_pod_does_not_move_the_zero_of_a_step() -> None:
    rollout = counting(ROLLOUT, pod("a", 0, 0), pod("b", 0, 0))
    rollout = step_began(pod("a", 900, 900), pod("b", 900, 900), rollout=rollout)
    rollout = counting(rollout, pod("a", 900, 900), silent("b"))
    rollout = counting(rollout, pod("a", 950, 900, canary=5), pod("b", 950, 900, canary=5))
    seen = RouterView((pod("a", 950, 900, canary=5), pod("b", 950, 900, canary=5)))
    assert looks.counted(rollout, seen).in_step == 10


def look(in_step: int, earlier: int, after: timedelta) -> GateStatus:
    step = {"weight": {"percent": 10, "until": {"samples": 2000, "maxDuration": "1h"}, "gates": ["errors"]}}
    weight = spec(step).rollout.steps[0].weight
    assert weight is not None
    counts = Counts(Count(50_000, 0), Count(earlier + in_step, 0), in_step)
    return looks.look_at(GATE, weight.until, Bench(ROLLOUT, None, counts, None, START + after))


@pytest.mark.parametrize(
    ("in_step", "minutes", "unreachable"), [(100, 5, False), (100, 20, True), (1000, 20, False), (0, 10, True)]
)
def test_what_earlier_steps_brought_says_nothing_about_this_steps_rate(
    in_step: int, minutes: int, unreachable: bool
) -> None:
    found = look(in_step, earlier=20_000, after=timedelta(minutes=minutes))
    assert found.verdict == "NoData" and found.needs is not None
    assert found.needs.samples == 22_000, "needs are totals, as samples are"
    assert bool(found.needs.message) is unreachable
