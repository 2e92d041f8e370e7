"""Stories of the engine with a toy kind: what it does, in which order, and what each failure means."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from tests.support.builders.objects import a_config_map, a_dataset
from tests.support.worlds.simulation import Simulation
from tests.support.worlds.toykind import ROOM, FakeTags, Tag, Tagged

from bucle.contracts.names import ANNOTATION_APPLIED
from bucle.engine.kube import Conflict, Forbidden, Invalid, Unavailable
from bucle.engine.objects import CONFIG_MAP
from bucle.engine.reconcile import Again
from bucle.engine.room import SpecInvalid
from bucle.resources.addresses import DATASET
from bucle.resources.base import Model, Status
from bucle.resources.dataset import Dataset
from bucle.resources.documents import InvalidResource, Problem, parse


def simulation(tags: FakeTags | None = None, **changes: Any) -> tuple[Simulation, FakeTags]:
    tags = tags or FakeTags()
    sim = Simulation([replace(ROOM, **changes)], {Tagged: tags}, {Tag: tags}, rights=None)
    tags.kube = sim.kube
    return sim, tags


def verbs(sim: Simulation) -> list[str]:
    return [f"{request.verb} {request.resource.kind}" for request in sim.kube.writes]


async def test_status_is_written_before_children_and_children_before_effects() -> None:
    sim, tags = simulation()
    sim.create(a_dataset(tag=True))
    await sim.settle()
    assert verbs(sim)[:2] == ["replace_status Dataset", "create ConfigMap"]
    assert tags.tags == ["flights"]
    assert sim.status(DATASET, "flights")["observedGeneration"] == 1
    assert sim.reason(DATASET, "flights") == "VersionReady"


async def test_the_steady_state_is_one_get_one_list_and_no_write() -> None:
    sim, _ = simulation()
    sim.create(a_dataset())
    await sim.settle()
    sim.kube.requests.clear()
    await sim.pass_time(timedelta(minutes=11))
    assert [request.verb for request in sim.kube.requests] == ["get", "list"]


async def test_a_child_is_created_with_the_adjustable_part_and_its_mark() -> None:
    sim, _ = simulation()
    sim.create(a_dataset(value="1"))
    await sim.settle()
    child = sim.get(CONFIG_MAP, "flights-settings")
    assert child["data"] == {"fixed": "at birth", "value": "1"}
    assert ANNOTATION_APPLIED in child["metadata"]["annotations"]


async def test_a_changed_intent_is_applied_and_what_was_posted_survives() -> None:
    sim, _ = simulation()
    sim.create(a_dataset(value="1"))
    await sim.settle()
    before = sim.get(CONFIG_MAP, "flights-settings")
    sim.edit(DATASET, "flights", lambda obj: obj["spec"].update(value="2"))
    await sim.settle()
    after = sim.get(CONFIG_MAP, "flights-settings")
    assert after["data"] == {"fixed": "at birth", "value": "2"}
    assert after["metadata"]["ownerReferences"] == before["metadata"]["ownerReferences"]
    assert after["metadata"]["labels"] == before["metadata"]["labels"]
    assert verbs(sim).count("apply ConfigMap") == 1


async def test_a_field_that_somebody_changed_is_set_back_and_a_foreign_field_is_left() -> None:
    sim, _ = simulation()
    sim.create(a_dataset(value="1"))
    await sim.settle()
    sim.edit(CONFIG_MAP, "flights-settings", lambda obj: obj["data"].update(value="hacked", mine="kept"))
    # A watch event of a child wakes its owner.
    await sim.settle()
    assert sim.get(CONFIG_MAP, "flights-settings")["data"] == {"fixed": "at birth", "value": "1", "mine": "kept"}


async def test_a_deleted_child_comes_back() -> None:
    sim, _ = simulation()
    sim.create(a_dataset())
    await sim.settle()
    sim.delete(CONFIG_MAP, "flights-settings")
    await sim.settle()
    assert sim.kube.peek(CONFIG_MAP, "ml", "flights-settings") is not None


async def test_a_name_that_is_taken_is_never_taken_over() -> None:
    sim, _ = simulation()
    sim.kube.put(CONFIG_MAP, a_config_map("flights-settings", {"theirs": "yes"}))
    sim.create(a_dataset())
    await sim.settle()
    assert sim.get(CONFIG_MAP, "flights-settings")["data"] == {"theirs": "yes"}
    assert sim.condition(DATASET, "flights", "Stalled") == "True"
    assert sim.reason(DATASET, "flights", "Stalled") == "NameTaken"
    assert sim.condition(DATASET, "flights", "Toy") == "True"
    sim.delete(CONFIG_MAP, "flights-settings")
    await sim.until(lambda: sim.condition(DATASET, "flights", "Ready") == "True")


@pytest.mark.parametrize("error", [Forbidden("exceeded quota: pods"), Invalid("spec.x: wrong")])
async def test_the_words_of_a_server_that_refuses_a_child_are_in_the_status_until_it_accepts(error: Exception) -> None:
    sim, _ = simulation()
    sim.kube.fail("create", error, resource=CONFIG_MAP, times=4)  # type: ignore[arg-type]
    sim.create(a_dataset())
    await sim.settle()
    assert sim.reason(DATASET, "flights") == "ChildRefused"
    message = next(c for c in sim.status(DATASET, "flights")["conditions"] if c["type"] == "Ready")["message"]
    assert str(error) in message
    assert "flights-settings" in message
    since = sim.status(DATASET, "flights")["conditions"]
    await sim.pass_time(timedelta(seconds=1))
    assert sim.status(DATASET, "flights")["conditions"] == since, "an unchanged refusal writes nothing"
    await sim.until(lambda: sim.reason(DATASET, "flights") == "VersionReady", timedelta(minutes=1))


async def test_a_stale_status_write_stops_the_run_before_anything_else() -> None:
    sim, tags = simulation()
    sim.create(a_dataset(tag=True))
    sim.kube.fail("replace_status", Conflict("modified"))
    key = sim.controller.queue.take()
    assert key is not None
    verdict = await sim.controller.run(key)
    assert (verdict.outcome, verdict.next) == ("Conflict", Again.AFRESH)
    assert verbs(sim) == ["replace_status Dataset"]
    assert tags.tags == []
    sim.controller.queue.done(key)
    await sim.settle()
    assert tags.tags == ["flights"]


async def test_an_outage_is_not_an_absence() -> None:
    sim, tags = simulation()
    tags.down = True
    sim.create(a_dataset(tag=True))
    await sim.settle()
    assert sim.reason(DATASET, "flights") == "Building"
    assert tags.tags == []


async def test_a_failed_effect_is_repeated_with_growing_delays_until_it_works() -> None:
    sim, tags = simulation()
    failing = FakeTags(kube=sim.kube, down=True)
    sim = Simulation([ROOM], {Tagged: tags}, {Tag: failing}, rights=None)
    tags.kube = sim.kube
    sim.create(a_dataset(tag=True))
    await sim.pass_time(timedelta(seconds=3))
    assert list(sim.ran)[-1].split(": ", 1)[1].startswith("EffectFailed Tag: the tag service is down")
    failing.down, failing.tags = False, tags.tags
    await sim.until(lambda: tags.tags == ["flights"], timedelta(seconds=10))


async def test_an_effect_that_does_not_show_is_not_repeated_in_a_hot_loop() -> None:
    sim, tags = simulation()
    tags.blind = True
    sim.create(a_dataset(tag=True))
    assert await sim.settle() <= 6
    assert len(tags.tags) == 2


async def test_effects_stop_behind_a_closed_fence_and_the_record_stays() -> None:
    class Closed:
        def may_act(self) -> bool:
            return False

        def seconds_left(self) -> float:
            return 0.0

    tags = FakeTags()
    sim = Simulation([ROOM], {Tagged: tags}, {Tag: tags}, fence=Closed(), rights=None)
    tags.kube = sim.kube
    sim.create(a_dataset(tag=True))
    await sim.settle()
    assert tags.tags == []
    assert sim.reason(DATASET, "flights") == "Building"


async def test_a_poisoned_object_says_so_and_others_go_on() -> None:
    sim, _ = simulation()
    sim.create(a_dataset("bad", poison=True))
    sim.create(a_dataset("good"))
    await sim.settle()
    assert sim.reason(DATASET, "bad", "Reconciling") == "InternalError"
    assert sim.reason(DATASET, "good") == "VersionReady"
    sim.edit(DATASET, "bad", lambda obj: obj["spec"].pop("poison"))
    await sim.settle()
    assert sim.reason(DATASET, "bad", "Reconciling") == "VersionReady"


UNFIT = InvalidResource("Dataset", "flights", (Problem("spec.sources", "must not be empty"),))


class TooWide(SpecInvalid):
    reason = "TaskTooLarge"


@pytest.mark.parametrize(
    ("where", "error", "reason"),
    [("parse", UNFIT, "SpecInvalid"), ("plan", TooWide("too wide"), "TaskTooLarge")],
)
async def test_a_spec_that_cannot_be_acted_on_stalls_with_the_words_of_the_mistake(
    where: str, error: Exception, reason: str
) -> None:
    def stumbles(*_: Any) -> Any:
        raise error

    broken: dict[str, Any] = {where: stumbles}
    sim, _ = simulation(**broken)
    sim.create(a_dataset())
    await sim.settle()
    assert sim.reason(DATASET, "flights", "Stalled") == reason
    assert sim.events() == [("Warning", reason, str(error))]
    assert sim.status(DATASET, "flights")["observedGeneration"] == 1


@pytest.mark.parametrize("where", ["refs", "reads", "world", "plan"])
@pytest.mark.parametrize("kind", [Status, Dataset], ids=["a type of ours", "another object"])
async def test_a_type_error_of_the_operators_own_building_is_never_the_persons_fault(
    where: str, kind: type[Model]
) -> None:
    def stumbles(*_: Any) -> Any:
        return parse(Dataset, {}) if kind is Dataset else Status.model_validate({"observedGeneration": "many"})

    broken: dict[str, Any] = {where: stumbles}
    sim, _ = simulation(**broken)
    sim.create(a_dataset())
    await sim.settle()
    assert sim.reason(DATASET, "flights", "Reconciling") == "InternalError"
    assert sim.condition(DATASET, "flights", "Stalled") is None


async def test_an_api_server_that_is_away_costs_only_time() -> None:
    sim, _ = simulation()
    sim.kube.fail("get", Unavailable("connection refused"), times=5)
    sim.create(a_dataset())
    await sim.until(lambda: sim.reason(DATASET, "flights") == "VersionReady", timedelta(minutes=1))


async def test_an_object_is_woken_by_what_it_points_to_whichever_came_first() -> None:
    sim, _ = simulation()
    sim.create(a_dataset("follower", follows="leader"))
    await sim.settle()
    sim.ran.clear()
    sim.create(a_dataset("leader"))
    await sim.settle()
    assert any(line.startswith("Dataset ml/follower") for line in sim.ran)


async def test_an_object_that_goes_away_is_forgotten_and_its_children_are_collected() -> None:
    sim, _ = simulation()
    sim.create(a_dataset())
    await sim.settle()
    sim.delete(DATASET, "flights")
    await sim.pass_time(timedelta(seconds=5))
    assert sim.kube.all(CONFIG_MAP) == []
    assert sim.controller.queue.seconds_to_next() is None or sim.controller.queue.seconds_to_next() > 0  # type: ignore[operator]


async def test_an_object_under_deletion_is_left_alone() -> None:
    sim, _ = simulation()
    sim.create(a_dataset())
    sim.edit(DATASET, "flights", lambda obj: obj["metadata"].update(deletionTimestamp="2026-01-01T00:00:00Z"))
    await sim.settle()
    assert sim.kube.writes == []


async def test_a_deletion_hits_only_the_object_that_was_seen() -> None:
    sim, _ = simulation()
    owner = sim.create(a_dataset())
    old = a_config_map("flights-old", owner=owner)
    old["metadata"]["labels"] = {"bucle.dev/uid": owner["metadata"]["uid"]}
    sim.kube.put(CONFIG_MAP, old)
    await sim.settle()
    assert sim.kube.peek(CONFIG_MAP, "ml", "flights-old") is None


async def test_events_tell_changes_once() -> None:
    sim, _ = simulation()
    sim.create(a_dataset())
    await sim.pass_time(timedelta(hours=1))
    assert [event[:2] for event in sim.events()] == [("Normal", "VersionReady"), ("Normal", "Toy")]


async def test_a_plan_that_wants_to_look_again_is_woken_in_time() -> None:
    sim, _ = simulation()
    sim.create(a_dataset(look=5))
    await sim.settle()
    sim.kube.requests.clear()
    await sim.pass_time(timedelta(seconds=26))
    assert sum(1 for request in sim.kube.requests if request.verb == "get") == 5


@pytest.mark.parametrize("writes", range(1, 8))
async def test_a_kill_after_any_write_changes_nothing_in_the_outcome(writes: int) -> None:
    calm, calm_tags = simulation()
    killed, killed_tags = simulation()
    for sim in (calm, killed):
        sim.create(a_dataset(tag=True, value="1"))
    await calm.settle()
    await killed.settle_killing_after(writes)
    assert killed.status(DATASET, "flights") == calm.status(DATASET, "flights")
    assert killed.get(CONFIG_MAP, "flights-settings")["data"] == calm.get(CONFIG_MAP, "flights-settings")["data"]
    assert set(killed_tags.tags) == set(calm_tags.tags) == {"flights"}
