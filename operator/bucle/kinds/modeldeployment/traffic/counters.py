"""What was answered since a rollout, or one of its steps, began. Pure arithmetic on what router pods counted.

Router pods come, go and restart while a rollout runs, so nothing here is a plain difference of two totals.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from bucle.externals.answers import AnswerCounts
from bucle.kinds.modeldeployment.state import CounterBase, Run, Target
from bucle.kinds.modeldeployment.traffic.routing import RouterView

NOTHING = AnswerCounts()


@dataclass(frozen=True, slots=True)
class Counts:
    """What was answered since the rollout began to count, and by the candidate in the running step alone."""

    stable: AnswerCounts
    candidate: AnswerCounts
    in_step: AnswerCounts


def with_bases(run: Run, router: RouterView) -> Run:
    """The run with a base for each router pod and target seen for the first time.

    A restarted router counts from zero again: its base falls to zero, nothing already proven turns negative. Bases of
    pods that are gone go too; what only they had counted is given up, for both sides alike. A pod that is silent for
    a look has not counted from zero: its bases stay.
    """
    known = {(base.router, base.target): base for base in run.bases}
    kept = [base for base in run.bases if base.router is None]
    for pod in router.pods:
        if not pod.answered:
            kept += [base for base in run.bases if base.router == pod.uid]
            continue
        for target in _targets(run):
            now = pod.answered.get(target, NOTHING)
            base = known.get((pod.uid, target))
            if base is None:
                base = CounterBase(pod.uid, target, now)
            elif base.answered.requests > now.requests:
                base = CounterBase(pod.uid, target, NOTHING)
            kept.append(base)
    return _step_not_above_total(replace(run, bases=tuple(kept)), router)


def _step_not_above_total(run: Run, router: RouterView) -> Run:
    """A step's zero above the total counts what a gone router pod had seen: the step counts on from the total."""
    mark = next((base for base in run.bases if base.router is None), None)
    if mark is None or not all(pod.answered for pod in router.pods):
        return run
    total = counted(run, router).candidate
    return with_step_base(run, router) if total.requests < mark.answered.requests else run


def with_step_base(run: Run, router: RouterView) -> Run:
    """The run with the candidate's present total as the running step's zero."""
    mark = CounterBase(None, Target(run.candidate.id), counted(run, router).candidate)
    return replace(run, bases=(*(base for base in run.bases if base.router is not None), mark))


def counted(run: Run, router: RouterView) -> Counts:
    """Totals over the living router pods above their bases."""
    bases = {(base.router, base.target): base.answered for base in run.bases}
    totals = dict.fromkeys(_targets(run), NOTHING)
    for pod in router.pods:
        for target in totals:
            base, now = bases.get((pod.uid, target)), pod.answered.get(target)
            if base is not None and now is not None:
                totals[target] += now.since(base)
    stable, candidate, shadow = (totals[target] for target in _targets(run))
    both = candidate + shadow
    zero = bases.get((None, Target(run.candidate.id)), NOTHING)
    return Counts(stable, both, both.since(zero))


def _targets(run: Run) -> tuple[Target, Target, Target]:
    candidate = run.candidate.id
    return Target(run.stable or ""), Target(candidate), Target(candidate, shadow=True)
