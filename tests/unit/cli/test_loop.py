"""Which object stands below which, by the references in their specs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest

from bucle.cli.documents import Node
from bucle.cli.kinds import LOOP, Target
from bucle.cli.loop import around, tree
from bucle.cli.objects import Seen, State
from bucle.resources.addresses import DATASET, DRIFT_POLICY, EXPERIMENT, MODEL_DEPLOYMENT, Resource


def thing(
    resource: Resource, name: str, namespace: str = "ml", policy: str = "", made: str = "", **fields: Any
) -> Seen:
    metadata: dict[str, Any] = {"name": name, "namespace": namespace, "creationTimestamp": made}
    if policy:
        metadata |= {"ownerReferences": [{"kind": "DriftPolicy", "name": policy}]}
    return Seen(resource, {"metadata": metadata, **fields})


def dataset(name: str, *bases: str, **fields: Any) -> Seen:
    return thing(DATASET, name, spec={"sources": [{"dataset": {"name": base}} for base in bases]}, **fields)


def experiment(
    name: str, data: str, model: str = "", alias: str | None = None, digest: str = "", **fields: Any
) -> Seen:
    register = {"model": model, **({"alias": alias} if alias else {})} if model else None
    status = {"final": {"model": {"digest": digest}}}
    return thing(EXPERIMENT, name, spec={"dataset": {"name": data}, "register": register}, status=status, **fields)


def deployment(name: str, model: str = "", alias: str = "challenger", serves: str = "", **fields: Any) -> Seen:
    source = {"registered": {"name": model, "alias": alias}} if model else {"artifact": {"uri": "s3://b/m"}}
    status = {"stable": {"model": {"digest": serves}}}
    return thing(MODEL_DEPLOYMENT, name, spec={"model": source}, status=status, **fields)


def policy(name: str, target: str, **fields: Any) -> Seen:
    return thing(DRIFT_POLICY, name, spec={"target": {"modelDeployment": target}}, **fields)


def outline(nodes: Iterable[Node], depth: int = 0) -> list[str]:
    """One line each; `?` for what is not there, `#` for what may not be read, `=` for what stands elsewhere."""
    marks = {State.MISSING: "?", State.HIDDEN: "#"}
    found = []
    for node in nodes:
        mark = "=" if node.repeated else marks.get(node.state, "")
        found += ["  " * depth + f"{node.kind}/{node.name}{mark}", *outline(node.children, depth + 1)]
    return found


WHOLE = (
    dataset("data"),
    experiment("search", "data", "model"),
    deployment("served", "model"),
    policy("watch", "served"),
)

CASES: list[tuple[str, tuple[Seen, ...], list[str]]] = [
    ("nothing", (), []),
    (
        "the whole loop, in whatever order it comes",
        WHOLE[::-1],
        ["Dataset/data", "  Experiment/search", "    ModelDeployment/served", "      DriftPolicy/watch"],
    ),
    (
        "a retrain below its policy, the older one first",
        (
            *WHOLE,
            dataset("watch-2", "data", policy="watch", made="2026-02-01T00:00:00Z"),
            dataset("watch-9", "data", policy="watch", made="2026-01-01T00:00:00Z"),
            experiment("watch-2", "watch-2", "model", policy="watch"),
        ),
        [
            "Dataset/data",
            "  Experiment/search",
            "    ModelDeployment/served",
            "      DriftPolicy/watch",
            "        Dataset/watch-9",
            "        Dataset/watch-2",
            "          Experiment/watch-2",
        ],
    ),
    (
        "a retrain whose Dataset was deleted",
        (*WHOLE[3:], experiment("watch-2", "watch-2", "model", policy="watch")),
        ["ModelDeployment/served?", "  DriftPolicy/watch", "    Experiment/watch-2"],
    ),
    (
        "what others refer to and is not there",
        (experiment("search", "data", "model"), policy("watch", "served")),
        ["Dataset/data?", "  Experiment/search", "ModelDeployment/served?", "  DriftPolicy/watch"],
    ),
    (
        "a model without an experiment",
        (deployment("served", "bought"), deployment("file")),
        ["ModelDeployment/file", "ModelDeployment/served"],
    ),
    (
        "two experiments of one model: the one that sets the followed alias",
        (
            experiment("a", "data", "model", alias="other"),
            experiment("b", "data", "model"),
            deployment("served", "model"),
        ),
        [
            "Dataset/data?",
            "  Experiment/a",
            "    ModelDeployment/served=",
            "  Experiment/b",
            "    ModelDeployment/served",
        ],
    ),
    (
        "two experiments of one model: the one of the version that serves",
        (
            experiment("a", "data", "model", alias="other", digest="d1"),
            experiment("b", "data", "model", digest="d2"),
            deployment("served", "model", serves="d1"),
        ),
        [
            "Dataset/data?",
            "  Experiment/a",
            "    ModelDeployment/served",
            "  Experiment/b",
            "    ModelDeployment/served=",
        ],
    ),
    ("data made from other data", (dataset("b", "a"), dataset("a")), ["Dataset/a", "  Dataset/b"]),
    ("data made from itself", (dataset("a", "a"),), ["Dataset/a"]),
    ("data in a ring", (dataset("a", "b"), dataset("b", "a")), ["Dataset/a", "  Dataset/b"]),
    (
        "the same names in two namespaces",
        (*WHOLE[:2], dataset("data", namespace="shop"), experiment("search", "data", namespace="shop")),
        ["Dataset/data", "  Experiment/search", "Dataset/data", "  Experiment/search"],
    ),
]


@pytest.mark.parametrize(("objects", "lines"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_each_object_stands_once_below_what_it_is_made_from(objects: tuple[Seen, ...], lines: list[str]) -> None:
    found = outline(tree(objects))
    assert found == lines
    standing = [line for line in found if line[-1] not in "?#="]
    assert len(standing) == len(objects)


def test_what_may_not_be_read_is_not_called_missing() -> None:
    found = outline(tree(WHOLE[1:], hidden={DATASET}))
    assert found[0] == "Dataset/data#"


@pytest.mark.parametrize(
    ("target", "lines"),
    [
        (
            Target(DATASET, "data"),
            ["Dataset/data", "  Experiment/search", "    ModelDeployment/served", "      DriftPolicy/watch"],
        ),
        (
            Target(DRIFT_POLICY, "watch"),
            ["Dataset/data", "  Experiment/search", "    ModelDeployment/served", "      DriftPolicy/watch"],
        ),
        (Target(DATASET, "other"), ["Dataset/other"]),
        (Target(EXPERIMENT, "data"), []),
    ],
    ids=str,
)
def test_around_one_object_stand_its_origins_and_what_follows_from_it(target: Target, lines: list[str]) -> None:
    assert outline(around(tree((*WHOLE, dataset("other"))), target)) == lines


def test_a_spec_that_the_operator_did_not_look_at_yet_is_told() -> None:
    late = thing(
        LOOP[0],
        "data",
        spec={},
        status={"observedGeneration": 1, "conditions": [{"type": "Ready", "status": "True", "message": "well"}]},
    )
    late = Seen(late.resource, {**late.raw, "metadata": {**late.raw["metadata"], "generation": 2}})
    (node,) = tree((late,))
    assert node.message == "well; its spec was edited since, and the operator has not looked at it yet"
