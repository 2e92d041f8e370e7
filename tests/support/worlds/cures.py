"""What the stories of cures share: which reasons one is about, and what a person does as the API server would let them.

    @cures("BucketMissing", "AccessDenied")
    async def test_…(reason: str) -> None:
        …
        assert shown(sim, DATASET, "flights", reason)
        person(sim, DATASET, "flights", reason, lambda spec: spec.update(run=1))

The rule that every reason has a story reads the names that `cures` and `together` are given, so they are written there as literals.
"""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest
from tests.support.tiers import first_fast
from tests.support.worlds.simulation import Simulation

from bucle.contracts.reasons import REASONS
from bucle.engine.objects import JsonObject
from bucle.engine.status import condition
from bucle.resources.addresses import EXPERIMENT, Resource


def cures(*reasons: str, long: bool = False) -> pytest.MarkDecorator:
    """The story runs once for each of these reasons; a long one for the first in every check, for the others by `make test`."""
    return pytest.mark.parametrize("reason", first_fast(reasons) if long else reasons)


def together(*reasons: str) -> pytest.MarkDecorator:
    """One story goes through all of these reasons."""
    return pytest.mark.parametrize("reasons", [reasons], ids=[reasons[0]])


def shown(sim: Simulation, resource: Resource, name: str, reason: str, type_: str = "Ready") -> str:
    """The message beside that reason; fails if the condition says another one, or says nothing."""
    found = condition(sim.status(resource, name), type_)
    assert found is not None and found["reason"] == reason, (reason, found)
    assert reason in REASONS
    return str(found["message"])


def is_ready(sim: Simulation, resource: Resource, name: str) -> Callable[[], bool]:
    """Ready is True, and for the spec as it is now."""

    def settled() -> bool:
        said, generation = (condition(sim.status(resource, name), "Ready"), sim.get(resource, name)["metadata"])
        return bool(said and said["status"] == "True" and said["observedGeneration"] == generation["generation"])

    return settled


def person(sim: Simulation, resource: Resource, name: str, reason: str, change: Callable[[JsonObject], object]) -> None:
    """`kubectl edit`: the spec, as far as the rules of the CRD let a person change it. What is to be raised is named in
    the cure."""

    def edit(obj: JsonObject) -> None:
        before = copy.deepcopy(obj["spec"])
        change(obj["spec"])
        if resource == EXPERIMENT and (obj.get("status") or {}).get("inputs") and not _may_change(before, obj["spec"]):
            raise AssertionError("a started Experiment must not change unless `run` is changed in the same edit")
        run = _raised(before, obj["spec"], "run")
        attempt = _raised(before.get("rollout", {}), obj["spec"].get("rollout", {}), "attempt")
        assert not run or "`run`" in REASONS[reason].cure, f"the cure of {reason} does not say to raise `run`"
        assert not attempt or "`rollout.attempt`" in REASONS[reason].cure, f"the cure of {reason} names no `attempt`"

    sim.edit(resource, name, edit)


def _may_change(before: JsonObject, after: JsonObject) -> bool:
    """The rule of the CRD: a raised `run`, or `limits.maxTrials` alone and upwards."""
    if before.get("run", 0) != after.get("run", 0):
        return True
    raised = copy.deepcopy(before)
    wanted = after.get("limits", {}).get("maxTrials")
    if wanted is not None:
        raised.setdefault("limits", {})["maxTrials"] = wanted
    return raised == after and (wanted or 0) >= before.get("limits", {}).get("maxTrials", 0)


def _raised(before: JsonObject, after: JsonObject, word: str) -> bool:
    return bool(before.get(word, 0) != after.get(word, 0))
