"""The final fit: begun with the best parameters and a pinned champion, tried again, scored, judged. Pure."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from bucle.contracts import names, registry_tags
from bucle.contracts.result import FinalResult
from bucle.engine.reads import Known, Unavailable
from bucle.externals.registry.values import ModelVersion
from bucle.kinds.experiment import judgement
from bucle.kinds.experiment.children import final_name, placed_fit
from bucle.kinds.experiment.identity import model_name
from bucle.kinds.experiment.state import (
    Champion,
    Comparison,
    ComparisonState,
    Final,
    FinalState,
    Fit,
    Fitting,
    Inputs,
    Judged,
    Model,
    Stopped,
    Trial,
)
from bucle.kinds.experiment.world import World
from bucle.workloads import attempt as attempts
from bucle.workloads.attempt import Attempt
from bucle.workloads.jobs import Finished, Lost, Running
from bucle.workloads.platform import Platform


def begun(platform: Platform, world: World, inputs: Inputs, best: Trial, now: datetime) -> Fitting | None:
    """The final fit; None while the champion cannot be asked for: it must not be taken for missing."""
    champion, wanted = world.registry.champion, world.experiment.spec.champion is not None
    if wanted and (champion is None or isinstance(champion, Unavailable)):
        return None
    found = champion.value if wanted and isinstance(champion, Known) else None
    fit = Fit(
        job=final_name(world, inputs, 0),
        image=inputs.image,
        params=best.params,
        seed=best.seed,
        attempt=Attempt(0),
        started_at=now,
        champion=_champion(platform, world, found) if found is not None else None,
        comparison=_to_compare_with(found) if wanted else None,
    )
    return Fitting(placed_fit(platform, world, inputs, fit), waits=False)


def _to_compare_with(found: ModelVersion | None) -> Comparison:
    """What can be said before anything is fitted. A version without our tags was registered by someone else: its bytes
    cannot be verified, so it is not loaded."""
    if found is None:
        return Comparison(ComparisonState.MISSING)
    verified = found.tag(registry_tags.TAG_MODEL_DIGEST)
    return Comparison(ComparisonState.UNDECIDED if verified else ComparisonState.INCOMPATIBLE, found.version)


def _champion(platform: Platform, world: World, found: ModelVersion) -> Champion | None:
    digest, name = found.tag(registry_tags.TAG_MODEL_DIGEST), found.tag(registry_tags.TAG_DATASET_NAME)
    if not digest:
        return None
    version = found.tag(registry_tags.TAG_DATASET_DIGEST)
    location = (
        names.dataset_location(platform.store_uri, world.owner.namespace, name, version) if name and version else None
    )
    return Champion(found.version, found.source, digest, location)


def advanced(platform: Platform, world: World, inputs: Inputs, final: Fitting, now: datetime) -> Final:
    """What the fit is after what is known of its Job."""
    fit = final.fit
    if final.waits:
        if not fit.attempt.due(now):
            return final
        return Fitting(placed_fit(platform, world, inputs, fit), waits=False)
    found = attempts.harvest(world.live, fit.job, now)
    if found is None:
        return final
    if isinstance(found, Running):
        return Fitting(replace(fit, attempt=attempts.watched(fit.attempt, found)), waits=False)
    if isinstance(found, Finished) and found.result.final is not None:
        return _judged(world, fit, found.result.final, now)
    if isinstance(found, Finished):
        found = Lost(f"Job {fit.job} left a result of another phase")
    tried = replace(fit, attempt=attempts.after(fit.attempt, found, now))
    if tried.attempt.given_up:
        return Stopped(tried, tried.attempt.reason or "ResultLost", tried.attempt.message, now)
    return Fitting(tried, waits=True)


def _judged(world: World, fit: Fit, result: FinalResult, now: datetime) -> Judged:
    spec = world.experiment.spec
    fit = replace(fit, attempt=replace(fit.attempt, reason=None, message="", not_before=None))
    verdict = judgement.gates(spec.gates, result)
    if verdict.passed and spec.champion is not None:
        comparison = judgement.compared(spec.champion, fit.comparison, result.champion)
        fit = replace(fit, comparison=comparison)
        verdict = judgement.champion(spec.champion, comparison, result.champion)
    state, reason, message = FinalState.PASSED, "GatesPassed", verdict.message
    if not verdict.passed:
        state, reason = FinalState.REFUSED, verdict.reason
    elif spec.register_ is None:
        state, reason, message = FinalState.KEPT, "NotRegistered", "the spec has no `register`"
    return Judged(
        state=state,
        fit=fit,
        reason=reason,
        message=message,
        metrics=result.metrics,
        question=result.question or None,
        estimate=result.out_of_fold,
        model=Model(model_name(world.experiment), None, result.uri, result.digest),
        run_id=None,
        finished_at=now,
    )
