"""When each alert fires and when it clears, as series that Prometheus' own rule tests replay, one value a minute."""

from __future__ import annotations

from dataclasses import dataclass, field

DEPLOYMENT = 'kind="ModelDeployment", namespace="ml", name="flights"'
POLICY = 'kind="DriftPolicy", namespace="ml", name="flights"'
OBJECT = 'namespace="ml", name="flights"'
FLIGHTS = {"namespace": "ml", "name": "flights"}


@dataclass(frozen=True)
class Case:
    """`quiet_at`: minutes at which it must not fire yet, or no more. `labels`: of the firing alert, besides its severity."""

    alert: str
    what: str
    series: dict[str, str]
    fires_at: int
    quiet_at: tuple[int, ...]
    labels: dict[str, str] = field(default_factory=lambda: dict(FLIGHTS))


def condition(type_: str, values: str, of: str = DEPLOYMENT) -> dict[str, str]:
    return {f'bucle_condition{{{of}, type="{type_}"}}': values}


CASES = (
    Case("BucleOperatorNotLeading", "nobody leads", {'bucle_leader{pod="a"}': "0x20 1x10", 'bucle_leader{pod="b"}': "0x30"}, 15, (5, 25), {}),
    Case("BucleOperatorNotLeading", "none is scraped", {'bucle_leader{pod="a"}': "1 1 stale _x20 1x5"}, 20, (5, 28), {}),
    Case("BucleModelNotAvailable", "no pod is ready", condition("Available", "1 0x10 1x10"), 8, (0, 3, 15)),
    Case("BucleStableVersionDead", "its pods are gone", condition("StableAnswers", "1 0x5 1x5"), 4, (0, 10)),
    Case("BucleDriftDetected", "drift, then healthy", condition("DriftDetected", "0 1x5 0x5", POLICY), 4, (0, 10)),
    Case("BucleDriftDetected", "drift, then a new model is watched", condition("DriftDetected", "-1 1x5 -1x5", POLICY), 4, (0, 10)),
    Case("BucleDriftDetected", "the policy is deleted", condition("DriftDetected", "1x5 stale", POLICY), 4, (0, 10)),
    Case(
        "BucleDataStale", "no labels in the window",
        {
            f'bucle_signal_verdict{{{OBJECT}, signal="accuracy", verdict="NoData"}}': "1x90 0x30",
            f'bucle_signal_verdict{{{OBJECT}, signal="accuracy", verdict="Healthy"}}': "0x90 1x30",
        },
        80, (30, 100), {**FLIGHTS, "signal": "accuracy"},
    ),
    Case(
        "BucleDataStale", "no window was full for a week",
        {f'bucle_signal_window_end_timestamp_seconds{{{OBJECT}, signal="accuracy"}}': "-604800x80 4860x60"},
        70, (30, 100), {**FLIGHTS, "signal": "accuracy"},
    ),
    Case("BucleCandidateRefused", "a gate condemned it", condition("CandidateRejected", "0 1x5 0x5"), 4, (0, 10)),
    Case("BucleRolloutStuck", "a gate cannot pass", condition("GatesReachable", "1 0x20 1x10"), 18, (10, 25)),
    Case("BucleRolloutStuck", "the step is over its time", {f"bucle_rollout_step_overdue{{{OBJECT}}}": "0 1x20 0x10"}, 18, (10, 25)),
    Case(
        "BucleRolloutStuck", "routers do not confirm",
        {
            f'bucle_rollout_weight_ratio{{{OBJECT}, weight="desired"}}': "0.5x30",
            f'bucle_rollout_weight_ratio{{{OBJECT}, weight="programmed"}}': "0x20 0.5x10",
        },
        18, (10, 25),
    ),
    Case("BucleRolloutStuck", "the rollout is ended", {f"bucle_rollout_step_overdue{{{OBJECT}}}": "1x18 stale"}, 17, (10, 25)),
    Case(
        "BucleStalled", "a spec that cannot be acted on", condition("Stalled", "0 1x10 0x5", 'kind="Dataset", namespace="ml", name="flights"'),
        8, (3, 15), {**FLIGHTS, "kind": "Dataset"},
    ),
    Case("BucleAliasNotInPlace", "the registry is away", condition("AliasInPlace", "1 0x20 1x10"), 18, (10, 25)),
    Case(
        "BucleCaptureDrops", "the ring is full for a while",
        {f'bucle_dropped_rows_total{{{OBJECT}, pod="a", reason="ring_full"}}': "0x5 0+10x10 100x40"},
        14, (4, 50), {**FLIGHTS, "reason": "ring_full"},
    ),
    Case(
        "BucleLabelsRefused", "a sender went wrong",
        {
            f'bucle_feedback_refused_rows_total{{{OBJECT}, pod="a", reason="malformed"}}': "0x5 0+10x10 100x200",
            f'bucle_feedback_rows_total{{{OBJECT}, pod="a"}}': "0+50x220",
        },
        17, (4, 120),
    ),
    Case(
        "BucleLabelsRefused", "a few of many are not told",
        {
            f'bucle_feedback_refused_rows_total{{{OBJECT}, pod="a", reason="malformed"}}': "0+1x60",
            f'bucle_feedback_rows_total{{{OBJECT}, pod="a"}}': "0+100x60",
        },
        -1, (10, 30, 59),
    ),
    Case(
        "BucleNotificationsDropped", "a sink is away for an hour",
        {'bucle_notifications_total{sink="team-chat", outcome="Dropped"}': "0x5 1 2 3x120"}, 10, (4, 100), {"sink": "team-chat"},
    ),
)  # fmt: skip
"""`fires_at` -1: never."""
