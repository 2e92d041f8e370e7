"""The closed list of what Bucle tells Prometheus. docs/metrics.md is generated from it; alert rules and dashboards may use nothing else.

The operator's part; what a model server counts is in `telemetry_server`. What speaks of one object has its namespace and
name as labels, and goes when the object does. Every other label is of a closed list or of names that a person wrote into one spec, so
that no caller and no day adds a series.
"""

from __future__ import annotations

from bucle.contracts.telemetry_server import SERVER
from bucle.contracts.telemetry_types import Kind, Label, Metric
from bucle.contracts.uncounted import REASONS

__all__ = ["METRICS", "OPERATOR", "SERVER", "Kind", "Label", "Metric"]

KIND = Label("kind", ("Dataset", "DriftPolicy", "Experiment", "ModelDeployment"))
GATE = Label("gate", bound="names in `spec.rollout.gates`, at most 16")
SIGNAL = Label("signal", bound="names in `spec.signals`, at most 16")
BOUND = Label("bound", ("lower", "upper"))
GATE_VERDICTS = ("Pass", "Fail", "Inconclusive", "NoData", "Error")
SIGNAL_VERDICTS = ("Healthy", "Breached", "Inconclusive", "NoData", "Error")


def _gauge(name: str, meaning: str, *labels: Label, unit: str = "") -> Metric:
    return Metric(name, Kind.GAUGE, meaning, labels, unit)


def _counter(name: str, meaning: str, *labels: Label) -> Metric:
    return Metric(name, Kind.COUNTER, meaning, labels)


def _of(name: str, meaning: str, *labels: Label, unit: str = "") -> Metric:
    return Metric(name, Kind.GAUGE, meaning, labels, unit, of_objects=True)


def _count_of(name: str, meaning: str, *labels: Label) -> Metric:
    return Metric(name, Kind.COUNTER, meaning, labels, of_objects=True)


UNCOUNTED = _of(
    "bucle_uncounted_rows",
    "Rows and labels that came and count for nothing, by reason, as the quality gate of the running step or the last look of a policy found them",
    Label("reason", REASONS),
)

# --- every kind ----------------------------------------------------------------------------------------------

CONDITION = Metric(
    "bucle_condition", Kind.GAUGE, "What the object's condition of that type says: 1 True, 0 False, -1 Unknown",
    (KIND, Label("type", bound="types of conditions, at most 10 a kind")), of_objects=True,
)  # fmt: skip
RECONCILES = _counter(
    "bucle_reconcile_total",
    "Runs of one object, by how they ended",
    KIND,
    Label("outcome", bound="a word of the engine"),
)
RECONCILE_SECONDS = Metric(
    "bucle_reconcile_seconds", Kind.HISTOGRAM, "Duration of one run of one object", (KIND,), "seconds"
)
EFFECTS = _counter(
    "bucle_effects_total", "What was done in other systems, by what it was and how it ended",
    Label("effect", bound="types of effects"), Label("outcome", ("Done", "Failed")),
)  # fmt: skip
REQUESTS = _counter(
    "bucle_kubernetes_requests_total", "Requests to the API server",
    Label("verb", bound="verbs of the API"), Label("resource", bound="resources that the operator has rights on"),
    Label("code", bound="codes of HTTP"),
)  # fmt: skip
QUEUE = _gauge("bucle_queue_depth", "Objects that are due and wait for a worker")
LEADER = _gauge("bucle_leader", "1 while this process leads, else 0; without a leader nothing is decided")

SINK = Label("sink", bound="names in the chart's `notifications.sinks`")
NOTIFICATIONS = _counter(
    "bucle_notifications_total", "Attempts to notify a sink; dropped: too old, or too many wait",
    SINK, Label("outcome", ("Delivered", "Failed", "Dropped")),
)  # fmt: skip
NOTIFICATIONS_QUEUED = _gauge("bucle_notifications_queued", "Notifications that wait for a sink", SINK)

# --- Dataset -------------------------------------------------------------------------------------------------

DATASET_ROWS = _of("bucle_dataset_rows", "Rows of the current version")
DATASET_BYTES = _of("bucle_dataset_size_bytes", "Size of the files of the current version", unit="bytes")
DATASET_BUILT = _of("bucle_dataset_version_timestamp_seconds", "When the current version was built", unit="seconds")
DATASET_QUALITY = _of(
    "bucle_dataset_quality_ratio", "Share of good rows of the current version, by dimension",
    Label("dimension", ("accuracy", "completeness", "consistency", "timeliness")), unit="ratio",
)  # fmt: skip

# --- Experiment ----------------------------------------------------------------------------------------------

TRIALS = _of(
    "bucle_experiment_trials", "Trials of the present run, by state",
    Label("state", ("Planned", "Running", "Succeeded", "Failed")),
)  # fmt: skip
BEST = _of("bucle_experiment_best_value", "The objective's value in the best trial so far")

# --- ModelDeployment -----------------------------------------------------------------------------------------

SERVED_VERSION = _of(
    "bucle_model_version", "Number of the version in the registry, by what it is there for",
    Label("role", ("stable", "candidate", "previous")),
)  # fmt: skip
ROLLOUT_PHASE = _of(
    "bucle_rollout_phase", "1 for the phase of the running rollout, 0 for the others",
    Label("phase", ("Loading", "Stepping", "Soaking", "Promoting", "Aborting")),
)  # fmt: skip
ROLLOUT_STARTED = _of("bucle_rollout_started_timestamp_seconds", "When the running rollout began", unit="seconds")
ROLLOUT_STEP = _of("bucle_rollout_step", "Index of the running step, from 0")
ROLLOUT_STEPS = _of("bucle_rollout_steps", "Steps in `spec.rollout.steps` while a rollout runs")
STEP_ENTERED = _of(
    "bucle_rollout_step_timestamp_seconds", "When the running step was asked of the router", unit="seconds"
)
STEP_OVERDUE = _of(
    "bucle_rollout_step_overdue", "1 while the running step is over its `maxDuration` and is held, else 0"
)
ROLLOUT_WEIGHT = _of(
    "bucle_rollout_weight_ratio", "The candidate's share of requests: asked for by the step, and confirmed by every router pod",
    Label("weight", ("desired", "programmed")), unit="ratio",
)  # fmt: skip
ROLLOUTS = _count_of(
    "bucle_rollouts_total", "Rollouts that ended, by outcome",
    Label("outcome", ("Promoted", "Aborted", "Superseded", "TookOver")),
)  # fmt: skip
GATE_VERDICT = _of(
    "bucle_gate_verdict", "1 for the last verdict of a gate of the running step, 0 for the others",
    GATE, Label("verdict", GATE_VERDICTS),
)  # fmt: skip
GATE_ESTIMATE = _of("bucle_gate_estimate", "Candidate against stable, in the gate's own unit", GATE)
GATE_LIMIT = _of("bucle_gate_limit", "What the gate allows", GATE)
GATE_INTERVAL = _of("bucle_gate_interval", "Where the truth lies, valid at every look", GATE, BOUND)
GATE_INDEPENDENT = _of(
    "bucle_gate_independent_groups",
    "Groups that do not follow each other and would say as much as the closed ones",
    GATE,
)
GATE_SAMPLES = _of("bucle_gate_samples", "Samples of the candidate that the verdict rests on", GATE)
GATE_GROUPS = _of("bucle_gate_groups", "Closed groups that the verdict rests on", GATE)

# --- DriftPolicy ---------------------------------------------------------------------------------------------

SIGNAL_VERDICT = _of(
    "bucle_signal_verdict", "1 for the last verdict of a signal, 0 for the others",
    SIGNAL, Label("verdict", SIGNAL_VERDICTS),
)  # fmt: skip
SIGNAL_DRIFTING = _of(
    "bucle_signal_drifting", "1 while the windows of a signal are drift by its `decision`, else 0", SIGNAL
)
SIGNAL_VALUE = _of("bucle_signal_value", "What was measured on the last window, in the signal's own unit", SIGNAL)
SIGNAL_LIMIT = _of("bucle_signal_limit", "What the signal allows", SIGNAL)
SIGNAL_INTERVAL = _of("bucle_signal_interval", "Where the truth lies", SIGNAL, BOUND)
SIGNAL_WINDOW = _of(
    "bucle_signal_window_end_timestamp_seconds", "Received time of the last row of the last window that was judged", SIGNAL,
    unit="seconds",
)  # fmt: skip
RETRAINS_BEGUN = _count_of("bucle_retrains_begun_total", "Retrains begun since the policy was made")
RETRAINS = _count_of(
    "bucle_retrains_total", "Retrains that ended, by outcome",
    Label("outcome", ("Promoted", "Refused", "Failed", "Cancelled", "Rejected")),
)  # fmt: skip
RETRAIN_OPEN = _of(
    "bucle_retrain_state", "1 for the state of the retrain under way, 0 for the others",
    Label("state", ("Claimed", "Retraining", "RollingOut")),
)  # fmt: skip
PERSON_ACTIONS = _count_of(
    "bucle_person_actions_total", "What people asked by the annotation `bucle.dev/action`, by what came of it",
    Label("outcome", ("ActionDone", "ActionRefused")),
)  # fmt: skip

OPERATOR: tuple[Metric, ...] = (
    CONDITION, RECONCILES, RECONCILE_SECONDS, EFFECTS, REQUESTS, QUEUE, LEADER, NOTIFICATIONS, NOTIFICATIONS_QUEUED,
    DATASET_ROWS, DATASET_BYTES, DATASET_BUILT, DATASET_QUALITY,
    TRIALS, BEST,
    SERVED_VERSION, ROLLOUT_PHASE, ROLLOUT_STARTED, ROLLOUT_STEP, ROLLOUT_STEPS, STEP_ENTERED, STEP_OVERDUE, ROLLOUT_WEIGHT, ROLLOUTS,
    GATE_VERDICT, GATE_ESTIMATE, GATE_LIMIT, GATE_INTERVAL, GATE_INDEPENDENT, GATE_SAMPLES, GATE_GROUPS,
    UNCOUNTED, SIGNAL_VERDICT, SIGNAL_DRIFTING, SIGNAL_VALUE, SIGNAL_LIMIT, SIGNAL_INTERVAL, SIGNAL_WINDOW, RETRAINS_BEGUN, RETRAINS, RETRAIN_OPEN,
    PERSON_ACTIONS,
)  # fmt: skip

METRICS: dict[str, Metric] = {metric.name: metric for metric in (*OPERATOR, *SERVER)}
