"""Parts of the installation taken away and put back: the operator, MLflow, the store. Every wait is bounded."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from hack.demo.install import SYSTEM, Installation
from tests.cluster.scene import Scene, wait_until

OPERATOR, MLFLOW, STORE = "deployment/bucle-operator", "statefulset/bucle-mlflow", "statefulset/bucle-store"


def pods_of(installation: Installation, workload: str) -> list[dict[str, Any]]:
    component = workload.rpartition("-")[2]
    return Scene(installation, SYSTEM).items("pods", f"app.kubernetes.io/component={component}")


def is_ready(pod: dict[str, Any]) -> bool:
    return any(c["type"] == "Ready" and c["status"] == "True" for c in pod["status"].get("conditions", []))


def scale(installation: Installation, workload: str, replicas: int) -> None:
    """Returns when that many pods are ready and no other is left."""
    installation.kubectl("-n", SYSTEM, "scale", workload, f"--replicas={replicas}")

    def scaled() -> bool:
        pods = pods_of(installation, workload)
        return len(pods) == replicas and all(map(is_ready, pods))

    wait_until(f"{workload} has {replicas} ready pods", scaled, within=120)


@contextmanager
def down(installation: Installation, workload: str) -> Iterator[None]:
    try:
        scale(installation, workload, 0)
        yield
    finally:
        scale(installation, workload, 1)


def kill_the_operator(installation: Installation) -> None:
    """SIGKILL without a grace period; returns when another one is ready."""
    before = {pod["metadata"]["uid"] for pod in pods_of(installation, OPERATOR)}
    selector = "app.kubernetes.io/component=operator"
    installation.kubectl("-n", SYSTEM, "delete", "pod", "-l", selector, "--force", "--grace-period=0")

    def replaced() -> bool:
        pods = pods_of(installation, OPERATOR)
        return any(is_ready(pod) and pod["metadata"]["uid"] not in before for pod in pods)

    wait_until("another operator is ready", replaced, within=120)


CLOSED_TABLES = (
    "registered_models",
    "registered_model_aliases",
    "model_versions",
    "model_version_tags",
    "runs",
    "tags",
)
IN_MLFLOW = """
import sqlite3, sys
database = sqlite3.connect("/data/mlflow.db", timeout=30)
words, tables = sys.argv[1], sys.argv[2:]
for table in tables:
    for verb in ("INSERT", "UPDATE", "DELETE"):
        name = f"closed_{table}_{verb}"
        database.execute(f"DROP TRIGGER IF EXISTS {name}")
        if words:
            refusal = f"SELECT RAISE(ABORT, '{words}')"
            database.execute(f"CREATE TRIGGER {name} BEFORE {verb} ON {table} BEGIN {refusal}; END")
database.commit()
"""


@contextmanager
def read_only_registry(installation: Installation, words: str) -> Iterator[None]:
    """MLflow answers every question and its database refuses every write, in those words."""

    def close(why: str) -> None:
        program = ("python", "-c", IN_MLFLOW, why, *CLOSED_TABLES)
        installation.kubectl("-n", SYSTEM, "exec", MLFLOW, "--", *program)

    try:
        close(words)
        yield
    finally:
        close("")
