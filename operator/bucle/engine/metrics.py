"""What the operator counts about itself, in Prometheus' terms. Labels are bounded: kinds, outcomes, verbs, our objects."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from bucle.engine.objects import ObjectKey

SHOWN_CONDITIONS = ("Ready", "Reconciling", "Stalled")


class Metrics:
    """One instance per process; a test gives each its own registry."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.registry = registry
        self._reconciles = Counter(
            "bucle_reconcile", "Runs of one object, by how they ended", ["kind", "outcome"], registry=registry
        )
        self._seconds = Histogram(
            "bucle_reconcile_seconds", "Duration of one run", ["kind"],
            buckets=(0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30), registry=registry,
        )  # fmt: skip
        self._effects = Counter(
            "bucle_effects", "Effects on external systems", ["effect", "outcome"], registry=registry
        )
        self._requests = Counter(
            "bucle_kubernetes_requests", "Requests to the API server", ["verb", "resource", "code"], registry=registry
        )
        self._conditions = Gauge(
            "bucle_condition", "1 if the condition is true, 0 if it is not", ["kind", "namespace", "name", "type"],
            registry=registry,
        )  # fmt: skip
        self._queue = Gauge("bucle_queue_depth", "Objects that are due and wait for a worker", registry=registry)
        self._leading = Gauge("bucle_leader", "1 while this process leads", registry=registry)

    def reconciled(self, kind: str, outcome: str, seconds: float) -> None:
        self._reconciles.labels(kind, outcome).inc()
        self._seconds.labels(kind).observe(seconds)

    def effects(self, effect: str, outcome: str) -> None:
        self._effects.labels(effect, outcome).inc()

    def request(self, verb: str, resource: str, code: str) -> None:
        self._requests.labels(verb, resource, code).inc()

    def conditions(self, key: ObjectKey, status: Mapping[str, Any]) -> None:
        """Shows the three conditions that every kind has."""
        for said in status.get("conditions") or ():
            if said["type"] in SHOWN_CONDITIONS:
                gauge = self._conditions.labels(key.resource.kind, key.namespace, key.name, said["type"])
                gauge.set(1 if said["status"] == "True" else 0)

    def forget(self, key: ObjectKey) -> None:
        """An object that is gone must not be alerted on."""
        self._conditions.remove_by_labels({"kind": key.resource.kind, "namespace": key.namespace, "name": key.name})

    def watch_queue(self, depth: Callable[[], float]) -> None:
        self._queue.set_function(depth)

    def leading(self, leads: bool) -> None:
        self._leading.set(1 if leads else 0)
