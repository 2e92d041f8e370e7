"""From evidence and router counters to verdicts on a step: which gate says what, and what follows. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from bucle.contracts.base import decimal_text
from bucle.contracts.evidence import Evidence, Query
from bucle.contracts.metrics import METRICS
from bucle.contracts.names import shadow_cluster
from bucle.engine.reads import Absent, Known, Observation, Unavailable
from bucle.engine.status import timestamp
from bucle.kinds.modeldeployment import gates
from bucle.kinds.modeldeployment.gates import Count, Look
from bucle.kinds.modeldeployment.routing import RouterView
from bucle.resources.base import Interval, parse_duration
from bucle.resources.modeldeployment import (
    Gate,
    ModelDeploymentSpec,
    QualityGate,
    Rollout,
    ShadowStep,
    Step,
    Until,
    WeightStep,
)
from bucle.resources.modeldeployment_status import Counter, GateStatus, Needs, RealisedMetric, RolloutStatus

STEP_BASE = "step"
"""In place of a router pod's uid: the candidate's total when the running step came into force."""

Decision = Literal["Advance", "Hold", "Abort"]


@dataclass(frozen=True, slots=True)
class StepVerdict:
    """What follows from the gates of a step. `reason` is from the closed list when the step waits or ends the rollout."""

    decision: Decision
    reason: str = ""
    message: str = ""


@dataclass(frozen=True, slots=True)
class Counts:
    """Requests since the rollout began to count, and those of the candidate in the running step alone."""

    stable: Count
    candidate: Count
    in_step: int


def with_bases(rollout: RolloutStatus, router: RouterView) -> tuple[Counter, ...]:
    """The counter bases, with one added for each router pod and revision seen for the first time.

    A restarted Envoy counts from zero again: its base falls to zero, nothing already proven turns negative. Bases of
    pods that are gone go too; what only they had counted is given up, for both sides alike. A pod that is silent for
    a look has not counted from zero: its bases stay.
    """
    known = {(c.router, c.revision): c for c in rollout.counters}
    kept = [c for c in rollout.counters if c.router == STEP_BASE]
    for pod in router.pods:
        if not pod.counts:
            kept += [c for c in rollout.counters if c.router == pod.uid]
            continue
        for cluster in _clusters(rollout):
            now = pod.counts.get(cluster, Count(0, 0))
            base = known.get((pod.uid, cluster))
            if base is None:
                base = Counter(router=pod.uid, revision=cluster, requests=now.requests, errors=now.errors)
            elif (base.requests or 0) > now.requests:
                base = Counter(router=pod.uid, revision=cluster, requests=0, errors=0)
            kept.append(base)
    return _lowered(rollout.model_copy(update={"counters": tuple(kept)}), router)


def _lowered(rollout: RolloutStatus, router: RouterView) -> tuple[Counter, ...]:
    """A step's zero above the total counts what a gone router pod had seen: the step counts on from the total."""
    mark = next((c for c in rollout.counters if c.router == STEP_BASE), None)
    if mark is None or not all(pod.counts for pod in router.pods):
        return rollout.counters
    total = counted(rollout, router).candidate
    return step_base(rollout, router) if total.requests < (mark.requests or 0) else rollout.counters


def _clusters(rollout: RolloutStatus) -> tuple[str, ...]:
    candidate, stable = rollout.candidate_revision or "", rollout.stable_revision or ""
    return (stable, candidate, shadow_cluster(candidate))


def counted(rollout: RolloutStatus, router: RouterView) -> Counts:
    """Totals over the living router pods above their bases."""
    bases = {(c.router, c.revision): Count(c.requests or 0, c.errors or 0) for c in rollout.counters}
    totals = dict.fromkeys(_clusters(rollout), Count(0, 0))
    for pod in router.pods:
        for cluster in totals:
            base = bases.get((pod.uid, cluster))
            seen = pod.counts.get(cluster)
            if base is None or seen is None:
                continue
            total = totals[cluster]
            totals[cluster] = Count(
                total.requests + max(0, seen.requests - base.requests), total.errors + max(0, seen.errors - base.errors)
            )
    stable, candidate, shadow = (totals[cluster] for cluster in _clusters(rollout))
    both = Count(candidate.requests + shadow.requests, candidate.errors + shadow.errors)
    at_start = bases.get((STEP_BASE, rollout.candidate_revision), Count(0, 0))
    return Counts(stable, both, max(0, both.requests - at_start.requests))


def step_base(rollout: RolloutStatus, router: RouterView) -> tuple[Counter, ...]:
    """The counters with the candidate's present total as the running step's zero."""
    total = counted(rollout, router).candidate
    mark = Counter(router=STEP_BASE, revision=rollout.candidate_revision, requests=total.requests, errors=total.errors)
    return (*(c for c in rollout.counters if c.router != STEP_BASE), mark)


def query_of(rollout: RolloutStatus, spec: ModelDeploymentSpec) -> Query | None:
    """What the judge is asked while a shadow step is in force; the same query again is the same question."""
    if rollout.step is None or rollout.step_started_at is None or rollout.step >= len(spec.rollout.steps):
        return None
    shadow = spec.rollout.steps[rollout.step].shadow
    if shadow is None:
        return None
    return Query(
        rollout=rollout.id or "",
        step=rollout.step,
        started_at=timestamp(rollout.step_started_at),
        stable=rollout.stable_revision or "",
        candidate=rollout.candidate_revision or "",
        percent=shadow.percent,
        sample_percent=spec.capture.sample_percent,
    )


@dataclass(frozen=True, slots=True)
class Bench:
    """What a look at the gates needs besides the spec."""

    rollout: RolloutStatus
    query: Query | None
    counts: Counts | None
    evidence: Observation[Evidence] | None
    now: datetime

    @property
    def elapsed(self) -> timedelta:
        return self.now - (self.rollout.step_started_at or self.now)


def look_at(gate: Gate, until: Until | None, bench: Bench) -> GateStatus:
    """One gate, now. Too few samples for the step turn a Pass into NoData: a pass needs its evidence."""
    if gate.quality is not None:
        look = _quality(gate.quality, bench)
        unit, enough = "labelled pairs", look.samples
    else:
        look, enough = _errors(gate, bench)
        unit = "requests"
    if until is not None and look.verdict in ("Pass", "Inconclusive"):
        look = _with_floor(look, until, enough, quality=gate.quality is not None)
    return _status(gate, look, unit, bench.now, _needs(look, enough, bench, until), bench.rollout.step)


def _quality(gate: QualityGate, bench: Bench) -> Look:
    margin = float(gate.margin)
    match bench.evidence:
        case Known(value=evidence) if evidence.query == bench.query and evidence.metric == gate.metric:
            return gates.quality(evidence.groups, margin, beats_prior=gate.beats == "Prior")
        case Known():
            return Look("NoData", "the judge has not answered for this step yet", limit=margin)
        case Unavailable(why=why):
            return Look("Error", f"the judge cannot be read: {why}", limit=margin)
        case Absent():
            return Look("NoData", "the judge has no evidence yet", limit=margin)
        case _:
            return Look("NoData", "the judge is not running yet", limit=margin)


def _errors(gate: Gate, bench: Bench) -> tuple[Look, int]:
    limit = float(gate.error_rate.max_increase) if gate.error_rate else 0.0
    if bench.counts is None:
        return Look("Error", "the router's counters cannot be read", limit=limit), 0
    return gates.errors(bench.counts.stable, bench.counts.candidate, limit), bench.counts.in_step


def _with_floor(look: Look, until: Until, samples: int, *, quality: bool) -> Look:
    few = until.samples is not None and samples < until.samples
    sparse = quality and until.groups is not None and (look.groups or 0) < until.groups
    if not few and not sparse:
        return look
    in_all = look.samples - samples + (until.samples or 0)
    wanted = [f"{samples} of {until.samples} samples"] if few else []
    wanted += [f"{look.groups} of {until.groups} groups"] if sparse else []
    return Look(
        "NoData",
        f"{' and '.join(wanted)} of this step; so far: {look.message}",
        look.samples,
        look.groups,
        look.bounds,
        look.limit,
        needs_samples=max(in_all, look.needs_samples or 0) if few else look.needs_samples,
        needs_groups=until.groups if sparse else look.needs_groups,
    )


def _needs(look: Look, in_step: int, bench: Bench, until: Until | None) -> Needs | None:
    if not look.needs_samples and not look.needs_groups:
        return None
    told = _outlook(look, in_step, bench, until)
    return Needs(samples=look.needs_samples, groups=look.needs_groups, message=told)


def _status(gate: Gate, look: Look, unit: str, now: datetime, needs: Needs | None, step: int | None) -> GateStatus:
    bounds = look.bounds
    return GateStatus(
        name=gate.name,
        step=step,
        verdict=look.verdict,
        message=look.message,
        unit=unit,
        samples=look.samples,
        groups=look.groups,
        needs=needs,
        estimate=decimal_text(bounds.estimate, 6) if bounds else None,
        interval=Interval(lower=decimal_text(bounds.lower, 6), upper=decimal_text(bounds.upper, 6)) if bounds else None,
        limit=decimal_text(look.limit, 6) if look.limit is not None else None,
        at=now.replace(microsecond=0),
    )


UNREACHABLE = "cannot pass before maxDuration at the observed rate"


def _outlook(look: Look, in_step: int, bench: Bench, until: Until | None) -> str | None:
    """In words, whether what is missing can arrive in time; no word in the first tenth of `maxDuration`.

    What earlier steps brought stays, but says nothing about this step's rate: a canary of 10 % sees less than a shadow.
    """
    if until is None:
        return None
    longest = parse_duration(until.max_duration)
    if bench.elapsed < longest / 10:
        return None
    share = bench.elapsed / longest
    groups = look.groups or 0
    for need, have, by_then, unit in (
        (look.needs_groups, groups, groups / share, "groups"),
        (look.needs_samples, look.samples, look.samples - in_step + in_step / share, "samples"),
    ):
        if need and by_then < need:
            return f"{UNREACHABLE}: {have} {unit} so far, {need} needed, about {int(by_then)} expected by then"
    return None


def judge(step: ShadowStep | WeightStep, looks: Sequence[GateStatus], policy: Rollout, bench: Bench) -> StepVerdict:
    """Only Pass advances and only Fail condemns; the rest holds until `maxDuration`, then as the spec says."""
    failed = next((look for look in looks if look.verdict == "Fail"), None)
    if failed is not None:
        return StepVerdict("Abort", "GateNotPassed", f"gate {failed.name}: {failed.message}")
    enough = bool(looks) or step.until.samples is None or _plain_samples(bench) >= step.until.samples
    if enough and all(look.verdict == "Pass" for look in looks):
        if bench.elapsed >= parse_duration(step.until.min_duration):
            return StepVerdict("Advance")
        return StepVerdict("Hold", "", f"minDuration {step.until.min_duration}")
    waits = [f"gate {look.name}: {look.message}" for look in looks if look.verdict != "Pass"] or ["samples of the step"]
    if bench.elapsed < parse_duration(step.until.max_duration):
        return StepVerdict("Hold", "", "; ".join(waits))
    verdicts = {look.verdict for look in looks}
    reason, choice = _at_the_end(verdicts, policy, enough)
    told = f"nothing decided within maxDuration {step.until.max_duration}: {'; '.join(waits)}"
    return StepVerdict("Abort" if choice == "Abort" else "Hold", reason, told)


def _plain_samples(bench: Bench) -> int:
    return bench.counts.in_step if bench.counts else 0


def _at_the_end(verdicts: set[str | None], policy: Rollout, enough: bool) -> tuple[str, str]:
    if "Error" in verdicts:
        return "UndecidedAtMaxDuration", policy.on_error
    if "NoData" in verdicts or not enough:
        return "NoTraffic", policy.on_no_data
    return "UndecidedAtMaxDuration", policy.on_undecided


def gates_of(names: Sequence[str], known: Sequence[Gate]) -> tuple[Gate, ...]:
    by_name = {gate.name: gate for gate in known}
    return tuple(by_name[name] for name in names if name in by_name)


def part(step: Step) -> ShadowStep | WeightStep:
    """The one member of a step that is set (the API server's rule)."""
    found = step.shadow or step.weight
    if found is None:
        raise ValueError("a rollout step must have shadow or weight")
    return found


def realised(gate: QualityGate, evidence: Evidence, now: datetime) -> RealisedMetric | None:
    """The candidate's metric on the rows it is about to be promoted on; None with too few groups for an error."""
    groups = [group for group in evidence.groups if group.n > 0]
    if len(groups) < 2 or gate.metric not in METRICS:
        return None
    value, error, count, rows = gates.mean_loss(groups, METRICS[gate.metric].loss_sign())
    return RealisedMetric(
        metric=gate.metric,
        value=decimal_text(value),
        standard_error=decimal_text(error),
        groups=count,
        rows=rows,
        at=now.replace(microsecond=0),
    )


def replaced(old: Sequence[GateStatus], new: Sequence[GateStatus]) -> tuple[GateStatus, ...]:
    """The last look at each (gate, step)."""
    by_key: Mapping[tuple[str | None, int | None], GateStatus] = {(look.name, look.step): look for look in (*old, *new)}
    return tuple(by_key.values())[-64:]
