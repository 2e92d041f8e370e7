"""Pauses between attempts, and what decides the hash of a Dataset's spec."""

from __future__ import annotations

import copy
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from tests.fakes.simulation import PLATFORM
from tests.sim.training import FLIGHTS

from bucle.contracts.table import Labels
from bucle.engine.objects import JsonObject
from bucle.kinds.dataset.build import after
from bucle.kinds.dataset.children import spec_hash
from bucle.kinds.dataset.world import World
from bucle.resources.addresses import DATASET
from bucle.resources.dataset import Dataset
from bucle.resources.dataset_status import Build
from bucle.resources.documents import parse
from bucle.workloads.attempts import pause
from bucle.workloads.jobs import Failed
from bucle.workloads.pods import Owner


@pytest.mark.parametrize(("attempt", "seconds"), [(0, 5), (1, 10), (2, 20), (3, 40), (4, 60), (50, 60), (5000, 60)])
def test_pauses_grow_to_a_minute(attempt: int, seconds: int) -> None:
    assert pause(attempt).total_seconds() == seconds


@pytest.mark.parametrize(
    ("seen", "reason", "failures"),
    [
        ("SecretMissing: secret bucle-storage not found", "SecretMissing: secret bucle-storage not found", 0),
        ("OutOfMemory: once", "DeadlineExceeded: at its deadline", 1),
        (None, "DeadlineExceeded: at its deadline", 1),
    ],
)
def test_a_pod_that_waited_until_its_deadline_says_what_for(seen: str | None, reason: str, failures: int) -> None:
    build = Build(job="j", attempt=0, failures=0, state="Running", reason=seen)
    ended = after(build, Failed("User", "DeadlineExceeded", "at its deadline"), datetime(2026, 1, 1, tzinfo=UTC))
    assert (ended.reason, ended.failures) == (reason, failures)
    assert ended.not_before is not None


def world(change: Callable[[JsonObject], object] = lambda obj: None, labels: Labels | None = None) -> World:
    manifest = copy.deepcopy(FLIGHTS)
    manifest["metadata"] |= {"namespace": "ml", "uid": "u"}
    change(manifest)
    found = parse(Dataset, manifest)
    return World(PLATFORM, found, Owner.of(DATASET, found.metadata), {"flights": labels or Labels()}, None, {}, ())


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
