"""Whether the final model may be registered: absolute gates, then the comparison with the champion. Pure.

The comparison is a one-sided test on the paired difference d (challenger minus champion, as a loss) over groups, by the
bounds of `bucle.statistics.one_look` at `confidence`: the challenger is better when the upper bound of d lies below
−margin, and shown not to be better when the lower bound lies above −margin. Where `Newest`
was asked for and no group is new to the champion, the old rows can only show that the challenger is not worse: the
limit is then +margin (DESIGN §2).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import sqrt
from typing import NamedTuple

from bucle.contracts.base import decimal_text
from bucle.contracts.metrics import METRICS, TaskName, estimated_metric
from bucle.contracts.result import ChampionResult, FinalResult
from bucle.kinds.experiment.state import ComparedOn, Comparison, ComparisonState, ConfidenceInterval
from bucle.resources.experiment import AbsoluteGate, Champion, ExperimentSpec
from bucle.statistics import one_look
from bucle.statistics.evidence import Standing


class Verdict(NamedTuple):
    """`reason` is a condition's reason when the model is refused."""

    passed: bool
    reason: str
    message: str


def unfit_metric(spec: ExperimentSpec, task: TaskName) -> str | None:
    """The first metric of the spec that cannot be had for this target, told before anything is trained for it."""
    wanted = [("objective", spec.objective.metric, fitting(task))]
    if spec.champion is not None:
        wanted.append(("champion", spec.champion.metric, fitting(task, paired=True)))
    for gate in spec.gates:
        known = fitting(task)
        if gate.data == "OutOfFold" and spec.objective.metric in known:
            known = (estimated_metric(spec.objective.metric, task),)
        wanted.append((f"gates on {gate.data}", gate.metric, known))
    for place, name, known in wanted:
        if name not in known:
            return f"metric {name} does not fit a {task} target: use one of {', '.join(known)} for `{place}`"
    return None


def fitting(task: TaskName, *, paired: bool = False) -> tuple[str, ...]:
    """Metrics of that task by name; `paired`: only those that have a value for each row."""
    return tuple(sorted(m.name for m in METRICS.values() if task in m.tasks and (m.per_row or not paired)))


def gates(asked: Sequence[AbsoluteGate], result: FinalResult) -> Verdict:
    """Every gate must hold; a metric that was not measured holds nothing."""
    broken = [told for gate in asked if (told := _broken(gate, result)) is not None]
    if broken:
        return Verdict(False, "GateFailed", "the final model fails " + "; ".join(broken))
    return Verdict(True, "GatesPassed", f"the final model passes {len(asked)} gates")


def _broken(gate: AbsoluteGate, result: FinalResult) -> str | None:
    value = _measured(gate, result)
    if value is None:
        return f"{gate.metric} on {gate.data}, which was not measured: see the table of metrics for this target"
    if gate.maximum is not None and float(value) > float(gate.maximum):
        return f"{gate.metric} on {gate.data} = {value}, maximum {gate.maximum}"
    if gate.minimum is not None and float(value) < float(gate.minimum):
        return f"{gate.metric} on {gate.data} = {value}, minimum {gate.minimum}"
    return None


def _measured(gate: AbsoluteGate, result: FinalResult) -> str | None:
    if gate.data == "Test":
        return result.metrics.get(gate.metric)
    return result.out_of_fold.value if result.out_of_fold.metric == gate.metric else None


def compared(spec: Champion, before: Comparison | None, found: ChampionResult | None) -> Comparison:
    """What status says of the comparison. `before` was fixed when the final fit began: version, or that there is none."""
    known = before or Comparison(ComparisonState.MISSING)
    if found is None:
        return known
    interval, groups = None, found.groups if found.groups is not None else 0
    if found.difference is not None and found.standard_error is not None and groups >= 2:
        bounds = one_look.interval(_standing(found, groups), float(spec.confidence))
        interval = ConfidenceInterval(decimal_text(bounds.lower), decimal_text(bounds.upper))
    state = ComparisonState(found.state)
    if state is ComparisonState.COMPARED and (interval is None or groups < one_look.FEWEST_GROUPS):
        state = ComparisonState.UNDECIDED
    return replace(
        known,
        state=state,
        data=ComparedOn(found.on) if found.on is not None else None,
        difference=found.difference,
        interval=interval,
        groups=found.groups,
        rows=found.rows,
    )


def _standing(found: ChampionResult, groups: int) -> Standing:
    """Of a pod of an older release nothing is known but mean and spread: its groups are taken for independent ones."""
    mean, error, shape = float(found.difference or 0), float(found.standard_error or 0), found.shape
    lag, skew, kish = (float(shape.lag), float(shape.skew), float(shape.kish)) if shape else (0.0, 0.0, float(groups))
    return Standing(groups, mean, error * sqrt(groups), skew, lag, kish)


def champion(spec: Champion, comparison: Comparison, found: ChampionResult | None = None) -> Verdict:
    """The verdict on a comparison as status holds it; `found` has the pod's own words for why there is none."""
    name = f"champion version {comparison.version}"
    if comparison.state is ComparisonState.MISSING:
        return _by_rule(spec.on_missing, "NotBetter", f"alias {spec.alias} names no version to compare with")
    if comparison.state is ComparisonState.INCOMPATIBLE:
        why = found.message if found is not None else "it has no digest, so it was not registered by an Experiment"
        return _by_rule(spec.on_incompatible, "ChampionIncompatible", _because(f"{name} cannot be compared", why))
    if comparison.state is ComparisonState.UNDECIDED or comparison.interval is None:
        few = f"{comparison.groups or 0} groups are too few, {one_look.FEWEST_GROUPS} are needed"
        why = (found.message if found is not None else "") or few
        return _by_rule(spec.on_undecided, "ChampionUndecided", _because(f"{name} cannot be compared", why))
    return _by_interval(spec, comparison, comparison.interval, name)


def _by_interval(spec: Champion, comparison: Comparison, interval: ConfidenceInterval, name: str) -> Verdict:
    lower, upper, margin = float(interval.lower), float(interval.upper), float(spec.margin)
    old_rows = spec.data == "Newest" and comparison.data is ComparedOn.TEST
    limit, wanted = (margin, "not worse") if old_rows else (-margin, "better")
    where = "the test split, for no group is new to the champion" if old_rows else f"{comparison.data or spec.data}"
    told = (
        f"{spec.metric} as a loss against {name} on {where}: difference {comparison.difference}, one-sided bounds "
        f"[{interval.lower}, {interval.upper}] at {spec.confidence} over {comparison.groups} groups, "
        f"must lie below {decimal_text(limit)}"
    )
    if upper < limit:
        return Verdict(True, "GatesPassed", told)
    if lower > limit:
        return Verdict(False, "NotBetter", told)
    return _by_rule(spec.on_undecided, "NotBetter", f"not shown to be {wanted}: {told}")


def _because(what: str, why: str) -> str:
    return f"{what}: {why}" if why else what


def _by_rule(rule: str, reason: str, message: str) -> Verdict:
    return Verdict(rule == "Pass", reason, message)
