"""Decides about one Experiment: pin, search, fit, judge, register. Pure; reads top to bottom."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from bucle.engine.plan import Child, Deletion, Plan
from bucle.engine.reads import Known, Unavailable
from bucle.engine.status import ConditionUpdate, is_true
from bucle.externals.sampler.values import Suggestion
from bucle.kinds.experiment import conditions, final, judgement, records, registration, search
from bucle.kinds.experiment.children import final_job, index_and_attempt, is_due, placed_trial, trial_job
from bucle.kinds.experiment.identity import pinned
from bucle.kinds.experiment.world import World
from bucle.resources.dataset import Dataset
from bucle.resources.documents import InvalidResource, parse
from bucle.resources.experiment_status import ExperimentStatus, Held, Inputs, Trial
from bucle.workloads import attempt as attempts
from bucle.workloads import document, job_cleanup
from bucle.workloads.jobs import Failed, Outcome, Running
from bucle.workloads.platform import Platform
from bucle.workloads.pods import TaskTooLarge

AT_ONCE = timedelta(seconds=1)
LOOK_AGAIN = timedelta(seconds=10)
WHILE_RUNNING = timedelta(seconds=30)


@dataclass(frozen=True)
class Decision:
    """The status without its conditions, what they say, and when to look again at the latest."""

    status: ExperimentStatus
    said: tuple[ConditionUpdate, ...]
    again: timedelta | None = WHILE_RUNNING


def plan(world: World, now: datetime) -> Plan:
    platform, inputs = world.platform, world.status.inputs
    if world.status.final is None and (bytes_ := search.status_bytes(platform, world.experiment)) > search.LARGEST:
        return Plan(world.status, conditions.cannot("SearchTooLarge", search.too_large(bytes_)))
    if inputs is None and (closing := _closing_earlier(world)) is not None:
        return closing
    if inputs is None:
        decision = _pinning(platform, world, now)
        return Plan(decision.status, decision.said, *_cleared(world, world.status, None), wake=decision.again)
    try:
        decision = _decided(platform, world, inputs, now)
        children = _children(platform, world, decision.status, inputs)
    except TaskTooLarge as problem:
        return Plan(world.status, conditions.cannot("TaskTooLarge", str(problem)))
    effects = registration.effects(world, decision.status, inputs)
    again = AT_ONCE if effects else decision.again
    kept, unwanted = _cleared(world, decision.status, inputs)
    unused = document.unused(world.owner.namespace, world.documents, children)
    return Plan(decision.status, decision.said, (*children, *kept), (*unwanted, *unused), effects, again)


# --- before it starts ----------------------------------------------------------------------------------------


def _closing_earlier(world: World) -> Plan | None:
    """`run` was changed: what the earlier one left running is ended first, while status still says which one it was."""
    earlier = world.experiment.status
    if earlier.inputs is None:
        return None
    if (outage := world.registry.outage()) is not None:
        said = conditions.under_way("RegistryUnavailable", outage)
        return Plan(earlier, said, *_cleared(world, world.status, None), wake=LOOK_AGAIN)
    effects = registration.left_open(world)
    if not effects:
        return None
    said = conditions.under_way("SearchRunning", "the runs of the earlier `run` are being closed")
    return Plan(earlier, said, *_cleared(world, world.status, None), effects, AT_ONCE)


def _pinning(platform: Platform, world: World, now: datetime) -> Decision:
    """Waits for a settled Dataset, then writes down all that the outcome depends on; nothing else in that run."""
    name = world.experiment.spec.dataset.name
    if not isinstance(world.dataset, Known):
        message = f"Dataset {name} does not exist in this namespace: apply it"
        return Decision(world.status, conditions.under_way("WaitingForDataset", message), None)
    try:
        dataset = parse(Dataset, world.dataset.value)
    except InvalidResource as problem:
        return Decision(world.status, conditions.under_way("WaitingForDataset", str(problem)), None)
    unfit = judgement.unfit_metric(world.experiment.spec, dataset.spec.schema_.target.task)
    if unfit is not None:
        return Decision(world.status, conditions.cannot("UnknownMetric", unfit), None)
    raw = world.dataset.value
    settled = dataset.status.observed_generation >= dataset.metadata.generation
    if dataset.status.current is None or not settled or is_true(raw.get("status"), "Reconciling"):
        message = f"Dataset {name} has no settled version yet: see its conditions"
        return Decision(world.status, conditions.under_way("WaitingForDataset", message), None)
    inputs = pinned(platform, world.experiment, dataset.status.current, now)
    started = ExperimentStatus(inputs=inputs)
    return Decision(started, conditions.under_way("SearchRunning", "inputs are pinned"), AT_ONCE)


# --- the search, the final fit, the registration -------------------------------------------------------------


def _decided(platform: Platform, world: World, inputs: Inputs, now: datetime) -> Decision:
    status = world.status
    if not status.trials and status.final is None:
        known = registration.remembered(world, inputs)
        if known is not None:
            inputs = known[1]
            status = status.model_copy(update={"final": known[0], "inputs": inputs})
        elif (outage := world.registry.outage()) is not None:
            # Whether this very run was decided before cannot be asked; starting it now might train it twice.
            said = conditions.under_way("RegistryUnavailable", outage)
            return Decision(status, said, LOOK_AGAIN)
    if status.final is None:
        status = _searched(world, status, inputs, now)
    if status.final is None:
        status = _final_begun(platform, world, status, inputs, now)
    elif status.final.job is not None:
        advanced = final.advanced(platform, world, inputs, status.final, now)
        status = status.model_copy(update={"final": advanced})
    status = _summed_up(registration.seen(world, status, inputs), world)
    return _concluded(world, status, inputs, now)


def _searched(world: World, status: ExperimentStatus, inputs: Inputs, now: datetime) -> ExperimentStatus:
    """Rows harvested, given new attempts, planned; or the search stopped."""
    found = {row.index: _outcome(world, row, now) for row in status.trials if records.is_open(row)}
    metric = world.experiment.spec.objective.metric
    rows = tuple(
        search.after(row, outcome, metric, now) if (outcome := found.get(row.index)) is not None else row
        for row in status.trials
    )
    status = status.model_copy(update={"held": search.watch_held(status.held, rows, now)})
    stop = _stop(world, rows, found, status.held, now)
    if stop is not None:
        rows = tuple(search.stopped(row, stop[0], now) for row in rows)
        update = {"trials": rows, "final": final.stopped(*stop, now)}
        return status.model_copy(update=update)
    if search.overdue(world.experiment, rows, status.held, now):
        rows = tuple(search.stopped(row, search.OUT_OF_TIME, now) for row in rows)
    elif rows == status.trials or world.experiment.spec.search.mode == "Async":
        basis = sum(not records.is_open(row) for row in status.trials)
        rows += tuple(search.planned(made, inputs, basis, now) for made in _suggested(world, rows))
    placed = tuple(
        placed_trial(world, inputs, row) if row.job is None and is_due(row.not_before, now) else row for row in rows
    )
    return status.model_copy(update={"trials": placed})


def _stop(
    world: World,
    rows: tuple[Trial, ...],
    found: dict[int | None, Outcome | None],
    held: Held | None,
    now: datetime,
) -> tuple[str, str] | None:
    """Reason and message when no more trials make sense."""
    for index, outcome in found.items():
        if outcome is not None and search.is_fatal(outcome):
            return outcome.reason, f"trial {index}: {outcome.message}"  # type: ignore[union-attr]
    failed, limit = search.failures(rows), world.experiment.spec.limits.max_failed_trials
    if failed > limit:
        message = f"failed trials: {failed}, allowed: {limit}; {_newest_failure(rows, found)}. See status.trials, then raise `run`"
        return "TooManyFailedTrials", message
    succeeded = any(row.state == records.SUCCEEDED for row in rows)
    if search.overdue(world.experiment, rows, held, now) and not succeeded:
        limit_text = world.experiment.spec.limits.max_duration
        return search.OUT_OF_TIME, f"no trial gave a value within {limit_text}: raise `run` after a change"
    return None


def _newest_failure(rows: tuple[Trial, ...], found: dict[int | None, Outcome | None]) -> str:
    """What a program that ended just now says of itself; rows hold no more than the reason."""
    for index, outcome in found.items():
        if isinstance(outcome, Failed):
            return f"trial {index}: {outcome.reason}: {outcome.message}"
    last = next(row for row in reversed(rows) if row.state == records.FAILED)
    return f"trial {last.index}: {last.reason}"


def _suggested(world: World, rows: tuple[Trial, ...]) -> tuple[Suggestion, ...]:
    if not world.experiment.spec.parameters:
        return () if rows else (Suggestion(0, ()),)
    answer = world.suggestions
    return answer.value if isinstance(answer, Known) else ()


def _outcome(world: World, row: Trial, now: datetime) -> Outcome | None:
    """What became of the row's Job; None while it is not created yet or waits for its next attempt."""
    return attempts.harvest(world.live, row.job, now) if row.job is not None else None


def _final_begun(
    platform: Platform, world: World, status: ExperimentStatus, inputs: Inputs, now: datetime
) -> ExperimentStatus:
    done = search.exhausted(world.experiment, status.trials) or (
        search.overdue(world.experiment, status.trials, status.held, now)
        and not any(records.is_open(row) for row in status.trials)
    )
    best = records.best(status.trials, world.experiment.spec.objective.metric)
    if not done or best is None:
        return status
    return status.model_copy(update={"final": final.begun(platform, world, inputs, best, now)})


def _summed_up(status: ExperimentStatus, world: World) -> ExperimentStatus:
    best = records.best(status.trials, world.experiment.spec.objective.metric)
    return status.model_copy(update={"counts": records.counts(status.trials), "best": records.as_best(best)})


def _concluded(world: World, status: ExperimentStatus, inputs: Inputs, now: datetime) -> Decision:
    outage = world.registry.outage()
    if status.final is not None:
        return Decision(status, conditions.of_final(status, status.final, outage), _again(status, outage, now))
    counts = status.counts or records.counts(())
    if search.exhausted(world.experiment, status.trials):
        if not counts.succeeded:
            message = "no trial gave a value: read the reasons in status.trials, then raise `run` or `limits.maxTrials`"
            return Decision(status, conditions.cannot("NoTrialSucceeded", message), LOOK_AGAIN)
        why = outage or "the champion is being looked up"
        return Decision(status, conditions.under_way("RegistryUnavailable", why), LOOK_AGAIN)
    if isinstance(world.suggestions, Unavailable):
        said = conditions.under_way("SearchRunning", f"no suggestion: {world.suggestions.why}")
        return Decision(status, said, LOOK_AGAIN)
    said = conditions.under_way(*_progress(world, status, now))
    return Decision(status, said, _again(status, outage, now))


def _progress(world: World, status: ExperimentStatus, now: datetime) -> tuple[str, str]:
    """Reason and message of a running search; when no trial can run, what its pods wait for is the reason."""
    counts = status.counts or records.counts(())
    text = f"{counts.succeeded} of {search.wanted_trials(world.experiment)} trials succeeded, {counts.failed} failed"
    open_rows = [row for row in status.trials if records.is_open(row)]
    found = [outcome for row in open_rows if (outcome := _outcome(world, row, now)) is not None]
    waiting = [outcome.trouble for outcome in found if isinstance(outcome, Running) and outcome.trouble is not None]
    if waiting and len(waiting) == len(found):
        return waiting[0].reason, f"{text}; {waiting[0].message}"
    troubles = sorted({row.reason for row in open_rows if row.reason})
    return "SearchRunning", f"{text}; waiting: {', '.join(troubles)}" if troubles else text


def _again(status: ExperimentStatus, outage: str | None, now: datetime) -> timedelta | None:
    """When time alone changes the answer: the next pause that ends, the registry coming back, a lost wake-up."""
    last = status.final
    if last is not None and last.state in (*records.DECIDED, records.STOPPED) and outage is None:
        return None
    pauses = [row.not_before for row in status.trials if records.is_open(row) and row.not_before is not None]
    if last is not None and last.state == records.WAITING and last.not_before is not None:
        pauses.append(last.not_before)
    waits = [max(moment - now, AT_ONCE) for moment in pauses if moment > now]
    return min([*waits, LOOK_AGAIN if outage else WHILE_RUNNING])


# --- children ------------------------------------------------------------------------------------------------


def _children(platform: Platform, world: World, status: ExperimentStatus, inputs: Inputs) -> tuple[Child, ...]:
    rows = [row for row in status.trials if records.is_open(row) and row.job is not None]
    children = [child for row in rows for child in trial_job(platform, world, inputs, row)]
    if status.final is not None and status.final.state == records.FITTING:
        children.extend(final_job(platform, world, inputs, status.final))
    return tuple(children)


def _cleared(
    world: World, status: ExperimentStatus, inputs: Inputs | None
) -> tuple[tuple[Child, ...], tuple[Deletion, ...]]:
    """What is left of attempts that are over, and Jobs whose outcome nobody waits for: of an earlier run, an earlier
    attempt, or a search that ended."""
    if inputs is None and world.experiment.status.inputs is None:
        return (), ()  # status was lost or never written: these Jobs may be just the ones that are about to be planned
    active = {row.job for row in status.trials if records.is_open(row) and row.job is not None}
    if status.final is not None and status.final.job is not None and status.final.state == records.FITTING:
        active.add(status.final.job)
    namespace = world.owner.namespace

    def spared(name: str) -> bool:
        return _still_to_come(world, status, inputs, name)

    kept, dropped = job_cleanup.expired(world.live, namespace, active)
    return kept, (*dropped, *job_cleanup.superseded(world.live, namespace, active, spared))


def _still_to_come(world: World, status: ExperimentStatus, inputs: Inputs | None, name: str) -> bool:
    found = index_and_attempt(world, inputs, name) if inputs is not None else None
    if found is None or status.final is not None:
        return False
    index, attempt = found
    if index is None or index >= len(status.trials):
        return True
    row = status.trials[index]
    return records.is_open(row) and attempt >= (row.attempt or 0)
