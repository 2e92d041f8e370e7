"""The final fit: begun with the best parameters and a pinned champion, tried again, scored, judged. Pure."""

from __future__ import annotations

from datetime import datetime

from bucle.contracts import names
from bucle.contracts.result import FinalResult
from bucle.engine.reads import Known, Unavailable
from bucle.externals.registry.values import ModelVersion
from bucle.kinds.experiment import judgement, records
from bucle.kinds.experiment.children import placed_final
from bucle.kinds.experiment.identity import model_name
from bucle.kinds.experiment.world import World
from bucle.resources.base import ModelReference
from bucle.resources.experiment_status import ChampionComparison, Final, Inputs, Trial
from bucle.workloads import attempt as attempts
from bucle.workloads.attempt import Attempt
from bucle.workloads.jobs import Finished, Lost, Running
from bucle.workloads.platform import Platform


def stopped(reason: str, message: str, now: datetime) -> Final:
    """No attempt can help: kept in status, so that it is not decided twice."""
    return Final(state=records.STOPPED, reason=reason, message=message, finished_at=now)


def begun(platform: Platform, world: World, inputs: Inputs, best: Trial, now: datetime) -> Final | None:
    """The final fit's row; None while the champion cannot be asked for: it must not be taken for missing."""
    champion = world.registry.champion
    if world.experiment.spec.champion is not None and (champion is None or isinstance(champion, Unavailable)):
        return None
    final = Final(
        state=records.FITTING,
        attempt=0,
        failures=0,
        image=inputs.image,
        params=best.params,
        seed=best.seed,
        started_at=now,
    )
    if world.experiment.spec.champion is not None:
        found = champion.value if isinstance(champion, Known) else None
        final = final.model_copy(update=_champion_fields(platform, world, found))
    return placed_final(platform, world, inputs, final)


def _champion_fields(platform: Platform, world: World, found: ModelVersion | None) -> dict[str, object]:
    if found is None:
        return {"champion": ChampionComparison(state=judgement.MISSING)}
    digest, name = found.tag(names.TAG_MODEL_DIGEST), found.tag(names.TAG_DATASET_NAME)
    version = found.tag(names.TAG_DATASET_DIGEST)
    location = (
        names.dataset_location(platform.store_uri, world.owner.namespace, name, version) if name and version else None
    )
    # A version without our tags was registered by someone else: its bytes cannot be verified, so it is not loaded.
    state = judgement.UNDECIDED if digest else judgement.INCOMPATIBLE
    return {
        "champion": ChampionComparison(version=found.version, state=state),
        "champion_version": found.version,
        "champion_uri": found.source if digest else None,
        "champion_digest": digest,
        "champion_dataset": location,
    }


def advanced(platform: Platform, world: World, inputs: Inputs, final: Final, now: datetime) -> Final:
    """The row after what is known of its Job."""
    if final.state == records.WAITING:
        if final.not_before is not None and final.not_before > now:
            return final
        return placed_final(platform, world, inputs, final.model_copy(update={"state": records.FITTING}))
    if final.state != records.FITTING:
        return final
    job = final.job or ""
    found = attempts.harvest(world.live, job, now)
    if found is None:
        return final
    if isinstance(found, Running):
        watched = attempts.watched(_attempt(final), found)
        return final.model_copy(update={"reason": watched.reason, "message": watched.message or None})
    if isinstance(found, Finished) and found.result.final is not None:
        return _judged(world, final, found.result.final, now)
    if isinstance(found, Finished):
        found = Lost(f"Job {job} left a result of another phase")
    return _after(final, attempts.after(_attempt(final), found, now), now)


def _attempt(final: Final) -> Attempt:
    return Attempt(final.attempt or 0, final.failures or 0, final.reason, final.message or "", final.not_before)


def _after(final: Final, told: Attempt, now: datetime) -> Final:
    over = told.given_up
    return final.model_copy(
        update={
            "state": records.STOPPED if over else records.WAITING,
            "attempt": told.number,
            "failures": told.failures,
            "reason": told.reason,
            "message": told.message,
            "not_before": told.not_before,
            "finished_at": now if over else None,
        }
    )


def _judged(world: World, final: Final, result: FinalResult, now: datetime) -> Final:
    spec = world.experiment.spec
    estimate = result.out_of_fold
    scored = final.model_copy(
        update={
            "metrics": result.metrics,
            "out_of_fold_metric": estimate.metric,
            "out_of_fold": estimate.value,
            "out_of_fold_error": estimate.standard_error,
            "out_of_fold_groups": estimate.groups,
            "out_of_fold_rows": estimate.rows,
            "question": result.question or None,
            "model": ModelReference(name=model_name(world.experiment), uri=result.uri, digest=result.digest),
            "finished_at": now,
            "not_before": None,
        }
    )
    verdict = judgement.gates(spec.gates, result)
    if verdict.passed and spec.champion is not None:
        comparison = judgement.compared(spec.champion, scored.champion, result.champion)
        scored = scored.model_copy(update={"champion": comparison})
        verdict = judgement.champion(spec.champion, comparison, result.champion)
    if not verdict.passed:
        return scored.model_copy(
            update={"state": records.REFUSED, "reason": verdict.reason, "message": verdict.message}
        )
    if spec.register_ is None:
        return scored.model_copy(
            update={"state": records.KEPT, "reason": "NotRegistered", "message": "the spec has no `register`"}
        )
    return scored.model_copy(update={"state": records.PASSED, "reason": "GatesPassed", "message": verdict.message})
