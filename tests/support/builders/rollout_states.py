"""Builders of states and worlds of one ModelDeployment, for tables of decisions."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.support.worlds.simulation import PLATFORM

from bucle.contracts import registry_tags
from bucle.contracts.canonical import digest as digest_of
from bucle.contracts.result import Failure
from bucle.engine.reads import Known, Observation, Unavailable
from bucle.kinds.modeldeployment.fleets import Fleet
from bucle.kinds.modeldeployment.identity import ModelFacts, Revision, revision_id
from bucle.kinds.modeldeployment.state import (
    EMPTY,
    Aborting,
    Loading,
    Outcome,
    Promoting,
    Promotion,
    Refusal,
    Rollout,
    Run,
    Serving,
    Soaking,
    State,
    Stepping,
    Telling,
    Wait,
    WaitFor,
)
from bucle.kinds.modeldeployment.traffic.router import RouterWorld
from bucle.kinds.modeldeployment.world import Followed, World
from bucle.resources.documents import parse
from bucle.resources.modeldeployment import ModelDeployment

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
AGO = NOW - timedelta(hours=1)


def facts(number: int, version: int | None = None) -> ModelFacts:
    """Model `number`, registered under `version` (the same number, unless the registry was restored)."""
    return ModelFacts(f"s3://b/m{number}", digest_of(f"model {number}"), "ml.flights", version or number)


def deployment(**spec: Any) -> ModelDeployment:
    written = {"model": {"registered": {"name": "flights", "alias": "challenger"}}, "promote": {"alias": "champion"}}
    raw = {"metadata": {"name": "flights", "namespace": "ml", "uid": "u1"}, "spec": {**written, **spec}}
    return parse(ModelDeployment, raw)


def revision(number: int) -> Revision:
    return Revision(revision_id(facts(number).digest, deployment().spec, "image"), facts(number), "image")


def run(number: int = 2) -> Run:
    return Run("ro", "plan", 0, AGO, revision(1).id, revision(number), (), None, None)


def serving(number: int = 1, unready_since: datetime | None = None) -> Serving:
    return Serving(revision(number), AGO, unready_since)


def state(rollout: Rollout | None = None, **more: Any) -> State:
    return replace(EMPTY, **{"stable": serving(), "rollout": rollout, **more})


def promotion(telling: Telling, alias: str | None = "champion", before: int | None = 1) -> Promotion:
    digest = facts(before).digest if before else None
    return Promotion(facts(2), AGO, None, alias, digest, telling)


PHASES: dict[str, Rollout] = {
    "loading": Loading(run(), AGO, Failure(reason="PodsRefused", message="quota"), Wait(WaitFor.LOAD)),
    "loading, clock stopped": Loading(run(), None, None, Wait(WaitFor.LOAD)),
    "stepping": Stepping(run(), 1, AGO, NOW, 50, 50, None, Wait(WaitFor.GATES)),
    "stepping, over its time": Stepping(
        run(), 0, AGO, None, 0, 0, Failure(reason="NoTraffic", message="none"), Wait(WaitFor.GATES)
    ),
    "aborting": Aborting(
        run(), Outcome.ABORTED, Failure(reason="GateNotPassed", message="worse"), 50, NOW, Wait(WaitFor.WEIGHT_ZERO)
    ),
}


def flipped(rollout: Soaking | Promoting) -> State:
    """The roles are those of a candidate that became stable."""
    return state(rollout, stable=serving(2))


REFUSED = Refusal(2, facts(2).digest, "rev", "plan", 1, "GateNotPassed", "worse", NOW)


def known(number: int, version: int | None = None, **tags: str) -> Known[Followed]:
    return Known(Followed(facts(number, version), {registry_tags.TAG_MODEL_DIGEST: facts(number).digest, **tags}), NOW)


def ours(*versions: Followed) -> Known[tuple[Followed, ...]]:
    return Known(versions, NOW)


def fleet(ready: int, trouble: Failure | None = None, *, begun: bool = True) -> Fleet:
    return Fleet("name", "uid", ready, begun, trouble)


def world(**more: Any) -> World:
    """A deployment whose registry does not answer and whose router is not there yet, but for what is given."""
    nothing: Observation[Any] = Unavailable("not asked")
    given: dict[str, Any] = {
        "deployment": deployment(**more.pop("spec", {})),
        "platform": PLATFORM,
        "stored": EMPTY,
        "wanted": nothing,
        "promoted": None,
        "ours": None,
        "fleets": {},
        "services": {"flights": "s"},
        "budgets": {},
        "router": RouterWorld(None, nothing, 2, 2, None),
        "judge": None,
        "evidence": None,
    }
    return World(**{**given, **more})
