"""What decides the hash of a Dataset's spec."""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest
from tests.support.worlds.simulation import PLATFORM
from tests.support.worlds.training import FLIGHTS

from bucle.contracts.table import Labels
from bucle.engine.objects import JsonObject
from bucle.kinds.dataset.children import spec_hash
from bucle.kinds.dataset.world import World
from bucle.resources.addresses import DATASET
from bucle.resources.dataset import Dataset
from bucle.resources.documents import parse
from bucle.workloads.attempt import Live
from bucle.workloads.pods import Owner


def world(change: Callable[[JsonObject], object] = lambda obj: None, labels: Labels | None = None) -> World:
    manifest = copy.deepcopy(FLIGHTS)
    manifest["metadata"] |= {"namespace": "ml", "uid": "u"}
    change(manifest)
    found = parse(Dataset, manifest)
    owner = Owner.of(DATASET, found.metadata)
    return World(PLATFORM, found, owner, {"flights": labels or Labels()}, None, Live({}), {})


@pytest.mark.parametrize(
    "change",
    [
        lambda obj: obj["spec"]["sources"][0]["uri"].update(location="s3://bucle/raw/other.parquet"),
        lambda obj: obj["spec"]["schema"]["columns"][0].update(maximum="24"),
        lambda obj: obj["spec"]["expectations"][0].update(severity="Warning"),
        lambda obj: obj["spec"]["splits"].update(seed=8),
        lambda obj: obj["spec"].update(deduplicate={"keys": ["flight_id"]}),
    ],
)
def test_what_decides_content_or_acceptance_is_in_the_hash(change: Callable[[JsonObject], object]) -> None:
    assert spec_hash(world(change)) != spec_hash(world())


@pytest.mark.parametrize(
    "change",
    [
        lambda obj: obj["spec"].update(pod={"resources": {"requests": {"memory": "2Gi"}}}),
        lambda obj: obj["spec"]["expectations"][0].update(severity="Error"),
        lambda obj: obj["metadata"].update(labels={"team": "a"}),
    ],
)
def test_what_decides_neither_is_not(change: Callable[[JsonObject], object]) -> None:
    assert spec_hash(world(change)) == spec_hash(world())


def test_how_labels_are_joined_is_in_the_hash() -> None:
    assert spec_hash(world(labels=Labels(maturity_seconds=60))) != spec_hash(world())
