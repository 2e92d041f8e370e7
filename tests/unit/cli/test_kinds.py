"""Which words name a kind or an object of Bucle."""

from __future__ import annotations

import pytest

from bucle.cli.kinds import LOOP, Target, UnknownWord, kind_named, target_named, words_of
from bucle.resources import KINDS
from bucle.resources.addresses import DATASET, DRIFT_POLICY, EXPERIMENT, MODEL_DEPLOYMENT, Resource
from bucle.resources.crd import crd_document


def test_every_kind_stands_in_the_loop_once() -> None:
    assert sorted(resource.kind for resource in LOOP) == sorted(KINDS)


@pytest.mark.parametrize("resource", LOOP, ids=lambda resource: resource.kind)
def test_a_kind_is_called_as_kubectl_calls_it(resource: Resource) -> None:
    names = crd_document(KINDS[resource.kind])["spec"]["names"]
    known = {names["kind"], names["plural"], names["singular"], *names["shortNames"], f"{names['plural']}.bucle.dev"}
    assert {kind_named(word) for word in known | set(words_of(resource))} == {resource}


@pytest.mark.parametrize(
    ("words", "only", "target"),
    [
        (["dataset/flights"], None, Target(DATASET, "flights")),
        (["mldrift", "flights-drift"], None, Target(DRIFT_POLICY, "flights-drift")),
        (["Experiments.bucle.dev/late"], None, Target(EXPERIMENT, "late")),
        (["flights"], MODEL_DEPLOYMENT, Target(MODEL_DEPLOYMENT, "flights")),
        (["mldep/flights"], MODEL_DEPLOYMENT, Target(MODEL_DEPLOYMENT, "flights")),
        (["mldep", "flights"], MODEL_DEPLOYMENT, Target(MODEL_DEPLOYMENT, "flights")),
    ],
)
def test_an_object_is_named_in_each_of_kubectls_ways(words: list[str], only: Resource | None, target: Target) -> None:
    assert target_named(words, only) == target


@pytest.mark.parametrize(
    ("words", "only", "told"),
    [
        (["flights"], None, "type KIND/NAME"),
        (["dataset/"], None, "is no name"),
        (["/flights"], None, "'' is no kind"),
        (["pod/x"], None, "'pod' is no kind of Bucle"),
        (["dataset/a/b"], None, "'a/b' is no name"),
        (["dataset/a?limit=1"], None, "is no name"),
        (["dataset/.."], None, "is no name"),
        (["dataset", "a", "b"], None, "names no object"),
        (["dataset/a", "b"], None, "names no object"),
        (["dataset/a"], DRIFT_POLICY, "this command is about one DriftPolicy"),
        (["a", "b"], DRIFT_POLICY, "'a' is no kind"),
    ],
)
def test_what_names_nothing_is_refused_with_what_may_be_typed(
    words: list[str], only: Resource | None, told: str
) -> None:
    with pytest.raises(UnknownWord) as refused:
        target_named(words, only)
    assert told in str(refused.value)
