"""Pauses between attempts, which reasons exist, and what decides the hash of a Dataset's spec."""

from __future__ import annotations

import ast
import copy
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.sim.training import FLIGHTS

import bucle
from bucle.contracts import reasons_doc
from bucle.contracts.reasons import REASONS
from bucle.contracts.table import Labels
from bucle.engine.objects import JsonObject
from bucle.kinds.dataset.build import after
from bucle.kinds.dataset.children import spec_hash
from bucle.kinds.dataset.world import World, typed
from bucle.resources.addresses import DATASET
from bucle.resources.dataset_status import Build
from bucle.workloads.attempts import HEALS_FROM_OUTSIDE, pause
from bucle.workloads.jobs import Failed
from bucle.workloads.pods import Owner

SAYING = {"ready", "reconciling", "stalled", "under_way", "cannot", "stopped"}
OURS = ("kinds/dataset", "kinds/experiment")


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
    dataset = typed(manifest)
    return World(dataset, Owner.of(DATASET, manifest), {"flights": labels or Labels()}, {}, ())


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


def said_reasons(folder: str) -> set[str]:
    """Every reason a module states as a literal, first argument of a function that says a condition."""
    found = set()
    for path in sorted((Path(bucle.__file__).parent / folder).glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            name = getattr(getattr(node, "func", None), "id", None) or getattr(getattr(node, "func", None), "attr", "")
            if isinstance(node, ast.Call) and name in SAYING and node.args and isinstance(node.args[0], ast.Constant):
                found.add(node.args[0].value)
    return found


@pytest.mark.parametrize("folder", OURS)
def test_every_reason_said_is_on_the_list(folder: str) -> None:
    said = said_reasons(folder)
    assert len(said) >= 5
    assert said <= set(REASONS)


def test_what_heals_from_outside_is_on_the_list() -> None:
    assert set(REASONS) >= HEALS_FROM_OUTSIDE


def test_the_page_of_reasons_is_the_list() -> None:
    page = (Path(__file__).parents[3] / "docs" / "reasons.md").read_text()
    assert page == reasons_doc.page(), "run `python -m bucle.contracts.reasons_doc`"


def test_every_reason_has_a_cause_and_a_cure() -> None:
    assert [name for name, reason in REASONS.items() if not reason.cause.endswith(".") or not reason.cure] == []
