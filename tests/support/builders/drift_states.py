"""States of one DriftPolicy as its operator would have written them, for tables of decisions."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from tests.support.worlds import drift
from tests.support.worlds.simulation import PLATFORM

from bucle.contracts import registry_tags
from bucle.contracts.canonical import canonical_json
from bucle.engine.objects import JsonObject
from bucle.engine.reads import Known
from bucle.externals.registry.values import ModelVersion, pairs
from bucle.externals.servers.values import Watermarks
from bucle.kinds.driftpolicy.state import (
    Evaluation,
    EvaluationState,
    FeedbackBounds,
    Judged,
    Mark,
    OpenRetrain,
    PastRetrain,
    PastWindow,
    RetrainOutcome,
    RetrainState,
    SignalState,
    State,
    Verdict,
    WindowVerdict,
)
from bucle.kinds.driftpolicy.window_verdicts import with_drift
from bucle.kinds.driftpolicy.world import Retrained, Served, World
from bucle.resources.base import ModelReference, Resource
from bucle.resources.dataset import Dataset
from bucle.resources.documents import parse, to_dict
from bucle.resources.driftpolicy import DriftPolicy
from bucle.resources.driftpolicy_status import Evaluation as WireEvaluation
from bucle.resources.driftpolicy_status import PastEvaluation, SignalVerdict
from bucle.resources.experiment import Experiment
from bucle.resources.modeldeployment import ModelDeployment
from bucle.workloads.attempt import Attempt, Live

T = TypeVar("T", bound=Resource)
THEN = datetime(2026, 3, 1, 12, tzinfo=UTC)
LATER = datetime(2026, 3, 1, 13, tzinfo=UTC)

EVALUATION = Evaluation(
    job="drift-abc-e1a0",
    image="worker:1",
    state=EvaluationState.PLANNED,
    attempt=Attempt(2, failures=1, reason="StoreUnavailable", message="the store does not answer", not_before=LATER),
    revision="rev1",
    rule="look",
    until=THEN,
    labelled=Mark(3, 5000),
    started_at=THEN,
)
OPEN = OpenRetrain("drift-1", RetrainState.ROLLING_OUT, THEN, 3, FeedbackBounds(THEN, THEN), "sha256:m2", 2)
PAST = PastRetrain("drift-0", RetrainOutcome.REFUSED, "NotBetter", THEN, LATER, 1, 1)


# --- a world in which nothing keeps a retrain back -----------------------------------------------------------------

TAGS = {
    registry_tags.TAG_DATASET_NAME: "flights-base",
    registry_tags.TAG_DATASET_DIGEST: "sha256:" + "a" * 64,
    registry_tags.TAG_REFERENCE: canonical_json(drift.REFERENCE),
}
MODEL_1 = ModelReference(name=drift.MODEL, version=1, uri="s3://bucle/m1", digest="sha256:m1")
SERVED = Served("rev1", MODEL_1, THEN, TAGS)
LABELS = Watermarks(1, 5000, 5000, 0, "5000")


def of(kind: type[T], name: str, spec: JsonObject, status: JsonObject | None = None, **metadata: Any) -> T:
    """An object as it is read, made an hour before THEN."""
    made = {"name": name, "namespace": "ml", "uid": f"uid-{name}", "creationTimestamp": "2026-03-01T11:00:00Z"}
    found = parse(kind.kind_name, {"metadata": {**made, **metadata}, "spec": spec, "status": status or {}})
    assert isinstance(found, kind)
    return found


def policy(name: str = drift.NAME, status: JsonObject | None = None, created: str = "", **spec: Any) -> DriftPolicy:
    more = {"creationTimestamp": created} if created else {}
    return of(DriftPolicy, name, {**drift.policy_spec(), **spec}, status, **more)


def deployment(**status: Any) -> ModelDeployment:
    stable = {"revision": "rev1", "model": to_dict(MODEL_1), "image": "i", "since": "2026-03-01T12:00:00Z"}
    return of(ModelDeployment, "flights", drift.deployment_spec(), {"stable": stable, **status})


def template(**spec: Any) -> Experiment:
    return of(Experiment, "flights", {**drift.experiment_spec(), **spec})


def base(**spec: Any) -> Dataset:
    return of(Dataset, "flights-base", {**drift.dataset_spec(), **spec})


def said(*conditions: tuple[str, str, str], **status: Any) -> JsonObject:
    """A status with these conditions (type, status, reason)."""
    told = [
        {"type": t, "status": s, "reason": r, "lastTransitionTime": "2026-03-01T12:30:00Z"} for t, s, r in conditions
    ]
    return {"observedGeneration": 1, "conditions": told, **status}


def retrained(name: str, dataset: JsonObject | None = None, experiment: JsonObject | None = None) -> Retrained:
    """Both children of a retrain with these statuses; None: that child is not there."""
    return Retrained(
        name,
        of(Dataset, name, drift.dataset_spec(), dataset) if dataset is not None else None,
        of(Experiment, name, drift.experiment_spec(), experiment) if experiment is not None else None,
    )


def world(**more: Any) -> World:
    """A served version with a reference, a template that trains for it, and no retrain yet, but for what is given."""
    made = more.get("template", template())
    given: dict[str, Any] = {
        "policy": policy(),
        "platform": PLATFORM,
        "deployment": deployment(),
        "served": SERVED,
        "version": Known(ModelVersion(drift.MODEL, 1, "s3://bucle/m1", tags=pairs(TAGS)), THEN),
        "watermark": Known(LABELS, THEN),
        "live": Live({}),
        "template": made,
        "base": base(),
        "retrains": (),
        "rivals": (),
        "templates": {made.metadata.name: made} if made is not None else {},
        "data": base(),
        "misfits": {},
    }
    return World(**{**given, **more})


def window(index: int, verdict: Verdict = Verdict.BREACHED, revision: str = "rev1", **others: Verdict) -> PastWindow:
    """The windows end an hour after each other."""
    end = THEN + timedelta(hours=index)
    verdicts = {"performance": verdict, **others}
    return PastWindow(revision, index, end, verdicts, PastEvaluation(version=revision, verdict=verdict))


def judged(verdict: Verdict, index: int | None = 0, reason: str | None = None) -> Judged:
    return Judged(verdict, f"it is {verdict}", index, WireEvaluation(verdict=verdict, reason=reason))


def drifted(*verdicts: Verdict, **more: Any) -> State:
    """A state after windows with these verdicts, oldest first."""
    state = State(
        signals=(signal_state("performance", *verdicts),),
        history=tuple(window(index, verdict) for index, verdict in reversed(tuple(enumerate(verdicts)))),
        last=judged(verdicts[-1], len(verdicts) - 1) if verdicts else None,
    )
    return replace(with_drift(policy(), SERVED, state), **more)


def signal_state(name: str, *verdicts: Verdict, rule: str = "rule", first: int = 0) -> SignalState:
    """A signal after windows with these verdicts, oldest first, from the window `first` on."""
    last = SignalVerdict(name=name, verdict=verdicts[-1], message=f"it is {verdicts[-1]}") if verdicts else None
    known = tuple(WindowVerdict(first + at, verdict) for at, verdict in enumerate(verdicts))
    return SignalState(name, rule, known, record=last)
