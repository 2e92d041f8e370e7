"""What no watch tells of: whoever points to something outside of Kubernetes is woken by the effect that changed it."""

from __future__ import annotations

import pytest
from tests.builders import a_dataset
from tests.fakes.simulation import Simulation
from tests.sim.toykind import ROOM, FakeTags, Tag, Tagged

from bucle.engine.objects import Ref
from bucle.engine.plan import Changes, changed_by
from bucle.externals.registry.values import REGISTRY_SCOPE, CloseRun, RegisterVersion, SetAlias, TagVersion


async def test_an_object_is_woken_once_by_an_effect_on_what_it_points_to() -> None:
    tags = FakeTags()
    sim = Simulation([ROOM], {Tagged: tags}, {Tag: tags}, rights=None)
    sim.create(a_dataset("follower", heeds="leader"))
    await sim.settle()
    sim.ran.clear()
    tags.blind = True
    sim.create(a_dataset("leader", tag=True))
    assert await sim.settle() <= 8
    assert tags.tags == ["leader"] * 2
    assert sum(line.startswith("Dataset ml/follower") for line in sim.ran) == 1, "once, however often it is repeated"


@pytest.mark.parametrize(
    "effect",
    [
        SetAlias("ml.flights", "champion", 2),
        TagVersion("ml.flights", 2, "k", "v"),
        RegisterVersion("ml.flights", "s3://x", "k"),
    ],
)
def test_who_follows_a_model_hears_of_its_versions_aliases_and_facts(effect: Changes) -> None:
    assert changed_by([effect, CloseRun("r", "FINISHED")]) == {Ref(REGISTRY_SCOPE, "ml.flights")}
