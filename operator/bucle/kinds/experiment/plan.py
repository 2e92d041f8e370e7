"""Decides about one Experiment: pin, search, fit, judge, register. Pure; reads top to bottom."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from bucle.engine.plan import Child, Deletion, Plan
from bucle.engine.reads import Known, Unavailable
from bucle.engine.status import ConditionUpdate, is_true
from bucle.externals.sampler.values import Suggestion
from bucle.kinds.experiment import conditions, final, judgement, registration, search
from bucle.kinds.experiment.children import final_job, index_and_attempt, placed_trial, trial_job
from bucle.kinds.experiment.identity import pinned
from bucle.kinds.experiment.state import Fitting, Held, Inputs, Judged, State, Stopped, Trial, TrialState
from bucle.kinds.experiment.status_codec import encoded
from bucle.kinds.experiment.world import World
from bucle.resources.dataset import Dataset
from bucle.resources.documents import InvalidResource, parse
from bucle.resources.experiment_status import ExperimentStatus
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
    """The state, what the conditions say, and when to look again at the latest."""

    state: State
    said: tuple[ConditionUpdate, ...]
    again: timedelta | None = WHILE_RUNNING


def plan(world: World, now: datetime) -> Plan:
    platform, inputs = world.platform, world.state.inputs
    if inputs is None and (closing := _closing_earlier(world)) is not None:
        return closing
    if inputs is None:
        decision = _pinning(platform, world, now)
        return Plan(
            _told(world, decision.state), decision.said, *_cleared(world, world.state, None), wake=decision.again
        )
    try:
        decision = _decided(platform, world, inputs, now)
        children = _children(platform, world, decision.state, inputs)
    except TaskTooLarge as problem:
        return Plan(_told(world, world.state), conditions.cannot("TaskTooLarge", str(problem)))
    effects = registration.effects(world, decision.state, inputs)
    again = AT_ONCE if effects else decision.again
    kept, unwanted = _cleared(world, decision.state, inputs)
    unused = document.unused(world.owner.namespace, world.documents, children)
    told = _told(world, decision.state)
    return Plan(told, decision.said, (*children, *kept), (*unwanted, *unused), effects, again)


def _told(world: World, state: State) -> ExperimentStatus:
    return encoded(state, search.best(state.trials, world.experiment.spec.objective.metric))


def _too_large(world: World) -> tuple[ConditionUpdate, ...] | None:
    """What is said of a search whose rows would not fit into the object. What runs already is not lost by that."""
    found = search.status_bytes(world.platform, world.experiment)
    if found <= search.LARGEST:
        return None
    return conditions.cannot("SearchTooLarge", search.too_large(found, len(world.state.trials)))


# --- before it starts ----------------------------------------------------------------------------------------


def _closing_earlier(world: World) -> Plan | None:
    """`run` was changed: what the earlier one left running is ended first, while status still says which one it was."""
    earlier = world.experiment.status
    if not world.earlier:
        return None
    if (outage := world.registry.outage()) is not None:
        said = conditions.under_way("RegistryUnavailable", outage)
        return Plan(earlier, said, *_cleared(world, world.state, None), wake=LOOK_AGAIN)
    effects = registration.left_open(world)
    if not effects:
        return None
    said = conditions.under_way("SearchRunning", "the runs of the earlier `run` are being closed")
    return Plan(earlier, said, *_cleared(world, world.state, None), effects, AT_ONCE)


def _pinning(platform: Platform, world: World, now: datetime) -> Decision:
    """Waits for a settled Dataset, then writes down all that the outcome depends on; nothing else in that run."""
    if (said := _too_large(world)) is not None:
        return Decision(world.state, said, None)
    name = world.experiment.spec.dataset.name
    if not isinstance(world.dataset, Known):
        message = f"Dataset {name} does not exist in this namespace: apply it"
        return Decision(world.state, conditions.under_way("WaitingForDataset", message), None)
    try:
        dataset = parse(Dataset, world.dataset.value)
    except InvalidResource as problem:
        return Decision(world.state, conditions.under_way("WaitingForDataset", str(problem)), None)
    unfit = judgement.unfit_metric(world.experiment.spec, dataset.spec.schema_.target.task)
    if unfit is not None:
        return Decision(world.state, conditions.cannot("UnknownMetric", unfit), None)
    raw, current = world.dataset.value, dataset.status.current
    settled = dataset.status.observed_generation >= dataset.metadata.generation
    inputs = pinned(platform, world.experiment, current, now) if current is not None and settled else None
    if inputs is None or is_true(raw.get("status"), "Reconciling"):
        message = f"Dataset {name} has no settled version yet: see its conditions"
        return Decision(world.state, conditions.under_way("WaitingForDataset", message), None)
    return Decision(State(inputs=inputs), conditions.under_way("SearchRunning", "inputs are pinned"), AT_ONCE)


# --- the search, the final fit, the registration -------------------------------------------------------------


def _decided(platform: Platform, world: World, inputs: Inputs, now: datetime) -> Decision:
    state = world.state
    if not state.trials and state.final is None:
        known = registration.remembered(world, inputs)
        if known is not None:
            inputs = known[1]
            state = replace(state, final=known[0], inputs=inputs)
        elif (outage := world.registry.outage()) is not None:
            # Whether this very run was decided before cannot be asked; starting it now might train it twice.
            said = conditions.under_way("RegistryUnavailable", outage)
            return Decision(state, said, LOOK_AGAIN)
    if state.final is None:
        state = _searched(world, state, inputs, now)
    if state.final is None:
        state = _final_begun(platform, world, state, inputs, now)
    elif isinstance(state.final, Fitting):
        state = replace(state, final=final.advanced(platform, world, inputs, state.final, now))
    return _concluded(world, registration.seen(world, state, inputs), now)


def _searched(world: World, state: State, inputs: Inputs, now: datetime) -> State:
    """Rows harvested, given new attempts, planned; or the search stopped."""
    experiment = world.experiment
    found = {row.index: _outcome(world, row, now) for row in state.trials if row.open}
    metric = experiment.spec.objective.metric
    rows = tuple(
        search.after(row, outcome, metric, now) if (outcome := found.get(row.index)) is not None else row
        for row in state.trials
    )
    held = search.watch_held(state.held, rows, now)
    stop = _stop(world, rows, found, held, now)
    if stop is not None:
        rows = tuple(search.stopped(row, stop[0], now) for row in rows)
        ended = Stopped(None, *stop, now)
        return replace(state, trials=rows, held=held, final=ended, max_trials=experiment.spec.limits.max_trials)
    if search.overdue(experiment, rows, held, now):
        rows = tuple(search.stopped(row, search.OUT_OF_TIME, now) for row in rows)
    elif (rows == state.trials or experiment.spec.search.mode == "Async") and _too_large(world) is None:
        basis = sum(not row.open for row in state.trials)
        rows += tuple(search.planned(made, inputs, basis, now) for made in _suggested(world, rows))
    placed = tuple(
        placed_trial(world, inputs, row) if row.open and row.job is None and row.attempt.due(now) else row
        for row in rows
    )
    return replace(state, trials=placed, held=held)


def _stop(
    world: World,
    rows: tuple[Trial, ...],
    found: dict[int, Outcome | None],
    held: Held | None,
    now: datetime,
) -> tuple[str, str] | None:
    """Reason and message when no more trials make sense."""
    for index, outcome in found.items():
        if isinstance(outcome, Failed) and search.is_fatal(outcome):
            return outcome.reason, f"trial {index}: {outcome.message}"
    failed, limit = search.failures(rows), world.experiment.spec.limits.max_failed_trials
    if failed > limit:
        message = f"failed trials: {failed}, allowed: {limit}; {_newest_failure(rows, found)}. See status.trials, then raise `run`"
        return "TooManyFailedTrials", message
    succeeded = any(row.state is TrialState.SUCCEEDED for row in rows)
    if search.overdue(world.experiment, rows, held, now) and not succeeded:
        limit_text = world.experiment.spec.limits.max_duration
        return search.OUT_OF_TIME, f"no trial gave a value within {limit_text}: raise `run` after a change"
    return None


def _newest_failure(rows: tuple[Trial, ...], found: dict[int, Outcome | None]) -> str:
    """What a program that ended just now says of itself; rows hold no more than the reason."""
    for index, outcome in found.items():
        if isinstance(outcome, Failed):
            return f"trial {index}: {outcome.reason}: {outcome.message}"
    last = next(row for row in reversed(rows) if row.state is TrialState.FAILED)
    return f"trial {last.index}: {last.reason}"


def _suggested(world: World, rows: tuple[Trial, ...]) -> tuple[Suggestion, ...]:
    if not world.experiment.spec.parameters:
        return () if rows else (Suggestion(0, ()),)
    answer = world.suggestions
    return answer.value if isinstance(answer, Known) else ()


def _outcome(world: World, row: Trial, now: datetime) -> Outcome | None:
    """What became of the row's Job; None while it is not created yet or waits for its next attempt."""
    return attempts.harvest(world.live, row.job, now) if row.job is not None else None


def _final_begun(platform: Platform, world: World, state: State, inputs: Inputs, now: datetime) -> State:
    experiment = world.experiment
    done = search.exhausted(experiment, state.trials) or (
        search.overdue(experiment, state.trials, state.held, now) and not any(row.open for row in state.trials)
    )
    best = search.best(state.trials, experiment.spec.objective.metric)
    fitting = final.begun(platform, world, inputs, best, now) if done and best is not None else None
    if fitting is None:
        return state
    return replace(state, final=fitting, max_trials=experiment.spec.limits.max_trials)


def _concluded(world: World, state: State, now: datetime) -> Decision:
    outage = world.registry.outage()
    if state.final is not None:
        said = conditions.of_final(state.final, outage)
        wanted = world.experiment.spec.limits.max_trials
        if state.max_trials is not None and wanted > state.max_trials:
            said = conditions.waiting_for_run(said, state.max_trials, wanted)
        return Decision(state, said, _again(state, outage, now))
    if (said_too_large := _too_large(world)) is not None:
        runs = any(row.open for row in state.trials)
        return Decision(state, said_too_large, _again(state, outage, now) if runs else None)
    if search.exhausted(world.experiment, state.trials):
        if not any(row.state is TrialState.SUCCEEDED for row in state.trials):
            message = "no trial gave a value: read the reasons in status.trials, then raise `run` or `limits.maxTrials`"
            return Decision(state, conditions.cannot("NoTrialSucceeded", message), LOOK_AGAIN)
        why = outage or "the champion is being looked up"
        return Decision(state, conditions.under_way("RegistryUnavailable", why), LOOK_AGAIN)
    if isinstance(world.suggestions, Unavailable):
        reason, text = _progress(world, state, now)
        said = conditions.under_way(reason, f"{text}; no suggestion: {world.suggestions.why}")
        return Decision(state, said, LOOK_AGAIN)
    return Decision(state, conditions.under_way(*_progress(world, state, now)), _again(state, outage, now))


def _progress(world: World, state: State, now: datetime) -> tuple[str, str]:
    """Reason and message of a running search; when no trial can run, what its pods wait for is the reason."""
    states = [row.state for row in state.trials]
    succeeded, failed = states.count(TrialState.SUCCEEDED), states.count(TrialState.FAILED)
    text = f"{succeeded} of {search.wanted_trials(world.experiment)} trials succeeded, {failed} failed"
    open_rows = [row for row in state.trials if row.open]
    found = [outcome for row in open_rows if (outcome := _outcome(world, row, now)) is not None]
    waiting = [outcome.trouble for outcome in found if isinstance(outcome, Running) and outcome.trouble is not None]
    if waiting and len(waiting) == len(found):
        return waiting[0].reason, f"{text}; {waiting[0].message}"
    troubles = sorted({row.reason for row in open_rows if row.reason})
    return "SearchRunning", f"{text}; waiting: {', '.join(troubles)}" if troubles else text


def _again(state: State, outage: str | None, now: datetime) -> timedelta | None:
    """When time alone changes the answer: the next pause that ends, the registry coming back, a lost wake-up."""
    last = state.final
    over = isinstance(last, Stopped) or (isinstance(last, Judged) and last.decided)
    if over and outage is None:
        return None
    tried = [row.attempt for row in state.trials if row.open]
    if isinstance(last, Fitting) and last.waits:
        tried.append(last.fit.attempt)
    pauses = [attempt.not_before for attempt in tried if attempt.not_before is not None]
    waits = [max(moment - now, AT_ONCE) for moment in pauses if moment > now]
    return min([*waits, LOOK_AGAIN if outage else WHILE_RUNNING])


# --- children ------------------------------------------------------------------------------------------------


def _children(platform: Platform, world: World, state: State, inputs: Inputs) -> tuple[Child, ...]:
    rows = [(row, row.job) for row in state.trials if row.open and row.job is not None]
    children = [child for row, job in rows for child in trial_job(platform, world, inputs, row, job)]
    if isinstance(state.final, Fitting) and not state.final.waits:
        children.extend(final_job(platform, world, inputs, state.final.fit))
    return tuple(children)


def _cleared(world: World, state: State, inputs: Inputs | None) -> tuple[tuple[Child, ...], tuple[Deletion, ...]]:
    """What is left of attempts that are over, and Jobs whose outcome nobody waits for: of an earlier run, an earlier
    attempt, or a search that ended."""
    if inputs is None and not world.earlier:
        return (), ()  # status was lost or never written: these Jobs may be just the ones that are about to be planned
    active = {row.job for row in state.trials if row.open and row.job is not None}
    if isinstance(state.final, Fitting) and not state.final.waits:
        active.add(state.final.fit.job)
    namespace = world.owner.namespace

    def spared(name: str) -> bool:
        return _still_to_come(world, state, inputs, name)

    kept, dropped = job_cleanup.expired(world.live, namespace, active)
    return kept, (*dropped, *job_cleanup.superseded(world.live, namespace, active, spared))


def _still_to_come(world: World, state: State, inputs: Inputs | None, name: str) -> bool:
    found = index_and_attempt(world, inputs, name) if inputs is not None else None
    if found is None or state.final is not None:
        return False
    index, attempt = found
    if index is None or index >= len(state.trials):
        return True
    row = state.trials[index]
    return row.open and attempt >= row.attempt.number
