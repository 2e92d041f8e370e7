"""What the registry is told of a promotion: by digest, never by number, and nothing twice."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from tests.support.builders import rollout_states as states
from tests.support.builders.rollout_states import NOW, facts, known, ours, promotion

from bucle.contracts import registry_tags
from bucle.engine.reads import Absent, Unavailable
from bucle.engine.status import timestamp
from bucle.externals.registry.values import SetAlias, TagVersion
from bucle.kinds.modeldeployment.registry import effects, follow_promotion, refused_before
from bucle.kinds.modeldeployment.state import State, Telling
from bucle.kinds.modeldeployment.world import Followed

TOLD = {registry_tags.owned_tag(registry_tags.TAG_PROMOTED_AT, "ml", "flights"): timestamp(states.AGO)}
OURS, OURS_TOLD = Followed(facts(2)), Followed(facts(2), TOLD)
OTHER_MODEL_WITH_OUR_NUMBER = Followed(facts(9, version=2))
DOWN, GONE = Unavailable("down"), Absent(NOW)


def promoted(telling: Telling, **more: Any) -> State:
    return states.state(stable=states.serving(2), promotion=promotion(telling, **more))


@pytest.mark.parametrize(
    ("before", "alias_at", "registered", "after"),
    [
        (Telling.WANTED, known(2), ours(OURS_TOLD), Telling.DONE),
        (Telling.WANTED, known(2), ours(OURS), Telling.WANTED),
        (Telling.WANTED, known(1), ours(OURS_TOLD), Telling.WANTED),
        (Telling.WANTED, known(3), ours(OURS_TOLD), Telling.OVERTAKEN),
        (Telling.WANTED, known(1), ours(), Telling.LOST),
        (Telling.WANTED, known(9, version=2), ours(), Telling.LOST),
        (Telling.WANTED, DOWN, DOWN, Telling.WANTED),
        (Telling.LOST, known(1), ours(OURS), Telling.WANTED),
        (Telling.LOST, known(1), DOWN, Telling.LOST),
        (Telling.DONE, known(2), None, Telling.DONE),
        (Telling.DONE, known(9, version=2), None, Telling.OVERTAKEN),
        (Telling.DONE, GONE, None, Telling.WANTED),
        (Telling.DONE, DOWN, None, Telling.DONE),
        (Telling.OVERTAKEN, known(2), None, Telling.WANTED),
        (Telling.OVERTAKEN, GONE, None, Telling.WANTED),
        (Telling.OVERTAKEN, known(3), None, Telling.OVERTAKEN),
    ],
)
def test_how_far_the_registry_knows(before: Telling, alias_at: Any, registered: Any, after: Telling) -> None:
    world = states.world(promoted=alias_at, ours=registered)
    told = follow_promotion(world, promoted(before)).promotion
    assert told is not None and told.telling is after


@pytest.mark.parametrize(
    ("registered", "alias_at", "expected"),
    [
        (ours(OURS), known(1), {TagVersion, SetAlias}),
        (ours(OURS_TOLD), known(1), {SetAlias}),
        (ours(OURS), known(2), {TagVersion}),
        (ours(OURS_TOLD), known(2), set()),
        (ours(OURS_TOLD), DOWN, set()),
        (ours(OTHER_MODEL_WITH_OUR_NUMBER), known(1), set()),
        (ours(), known(1), set()),
        (DOWN, DOWN, set()),
        (None, known(1), set()),
    ],
)
def test_only_what_is_seen_to_be_missing_is_told(registered: Any, alias_at: Any, expected: set[type]) -> None:
    world = states.world(promoted=alias_at, ours=registered)
    assert {type(effect) for effect in effects(world, promoted(Telling.WANTED))} == expected


def test_a_model_that_was_registered_again_is_told_under_its_new_number() -> None:
    world = states.world(promoted=known(1), ours=ours(Followed(facts(2, version=7))))
    assert {effect.version for effect in effects(world, promoted(Telling.WANTED))} == {7}  # type: ignore[attr-defined]


def test_an_alias_that_the_spec_no_longer_names_is_not_waited_for() -> None:
    world = states.world(spec={"promote": None}, promoted=None, ours=ours(OURS_TOLD))
    told = follow_promotion(world, promoted(Telling.WANTED)).promotion
    assert told is not None and (told.alias, told.telling) == (None, Telling.DONE)


def test_a_promotion_of_a_model_that_no_longer_serves_is_left_as_it_is() -> None:
    state = replace(promoted(Telling.WANTED), stable=states.serving(1))
    assert follow_promotion(states.world(promoted=known(1), ours=ours(OURS)), state) == state


@pytest.mark.parametrize(
    ("wanted", "attempt", "refused"),
    [
        (known(2), 0, True),
        (known(2, version=7), 0, True),
        (known(9, version=2), 0, False),
        (known(2), 1, False),
    ],
    ids=["the same", "registered again", "another model under its number", "tried again"],
)
def test_a_new_model_under_the_number_of_a_refused_one_is_tried(wanted: Any, attempt: int, refused: bool) -> None:
    world = states.world(wanted=wanted, spec={"rollout": {"attempt": attempt}})
    rejected = replace(states.REFUSED, plan_hash=world.plan_hash, attempt=0)
    assert (refused_before(world, states.state(rejected=rejected)) is not None) is refused


@pytest.mark.parametrize("name", ["staging", "flights-eu"])
def test_two_deployments_of_one_version_overwrite_no_fact_of_each_other(name: str) -> None:
    state = replace(promoted(Telling.WANTED), rejected=states.REFUSED)
    ours_alone = states.world(wanted=known(2), promoted=known(1), ours=ours(OURS))
    metadata = ours_alone.deployment.metadata.model_copy(update={"name": name})
    theirs = replace(ours_alone, deployment=ours_alone.deployment.model_copy(update={"metadata": metadata}))
    written = [
        {effect.key for effect in effects(world, state) if isinstance(effect, TagVersion)}
        for world in (ours_alone, theirs)
    ]
    assert [len(keys) for keys in written] == [2, 2] and not written[0] & written[1]
