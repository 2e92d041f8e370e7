"""What the operator counts about itself and tells of objects, in Prometheus' terms: the rows of `contracts.telemetry`, and no others."""

from __future__ import annotations

import logging
from collections import Counter as Tally
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import product
from typing import Any, TypeAlias, TypeVar

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from bucle.contracts import telemetry
from bucle.contracts.measures import NOTHING, Measure, Measures
from bucle.contracts.telemetry import Kind, Metric
from bucle.engine.objects import JsonObject, ObjectKey
from bucle.engine.room import AnyRoom, UnknownState
from bucle.resources.documents import InvalidResource

RUN_SECONDS = (0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30)
TRUTH = {"True": 1.0, "False": 0.0}
UNKNOWN = -1.0

log = logging.getLogger(__name__)
Own = TypeVar("Own", Counter, Gauge)
Family: TypeAlias = GaugeMetricFamily | CounterMetricFamily


class Metrics:
    """One instance per process; a test gives each its own registry."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.registry = registry
        self._reconciles = self._own(Counter, telemetry.RECONCILES)
        self._seconds = Histogram(
            telemetry.RECONCILE_SECONDS.name, telemetry.RECONCILE_SECONDS.meaning,
            telemetry.RECONCILE_SECONDS.all_labels, buckets=RUN_SECONDS, registry=registry,
        )  # fmt: skip
        self._effects = self._own(Counter, telemetry.EFFECTS)
        self._requests = self._own(Counter, telemetry.REQUESTS)
        self._queue = self._own(Gauge, telemetry.QUEUE)
        self._leading = self._own(Gauge, telemetry.LEADER)
        self._notifications = self._own(Counter, telemetry.NOTIFICATIONS)
        self._queued = self._own(Gauge, telemetry.NOTIFICATIONS_QUEUED)
        self._objects = ObjectSeries(metric for metric in telemetry.OPERATOR if metric.of_objects)
        registry.register(self._objects)

    def _own(self, kind: type[Own], metric: Metric) -> Own:
        return kind(metric.name, metric.meaning, metric.all_labels, registry=self.registry)

    def reconciled(self, kind: str, outcome: str, seconds: float) -> None:
        self._reconciles.labels(kind, outcome).inc()
        self._seconds.labels(kind).observe(seconds)

    def effects(self, effect: str, outcome: str) -> None:
        self._effects.labels(effect, outcome).inc()

    def request(self, verb: str, resource: str, code: str) -> None:
        self._requests.labels(verb, resource, code).inc()

    def told(self, key: ObjectKey, room: AnyRoom, before: JsonObject, status: JsonObject) -> None:
        """Shows what the object says now; `before` is as it was read, so what happened in between is counted."""
        now = measured(room, {**before, "status": status})
        shown = (*conditions(key.resource.kind, status), *now.shown)
        self._objects.show(key, measured(room, before), Measures(shown, now.happened, now.counted))

    def forget(self, key: ObjectKey) -> None:
        """An object that is gone must not be alerted on."""
        self._objects.forget(key)

    def watch_queue(self, depth: Callable[[], float]) -> None:
        self._queue.set_function(depth)

    def notified(self, sink: str, outcome: str) -> None:
        self._notifications.labels(sink, outcome).inc()

    def watch_sink(self, sink: str, depth: Callable[[], float]) -> None:
        """From zero, so that the first notification that is dropped is an increase."""
        self._queued.labels(sink).set_function(depth)
        for outcome in telemetry.NOTIFICATIONS.labels[-1].values:
            self._notifications.labels(sink, outcome)

    def leading(self, leads: bool) -> None:
        self._leading.set(1 if leads else 0)


def conditions(kind: str, status: Mapping[str, Any]) -> tuple[Measure, ...]:
    """All of them, whatever the kind says: alerts are set on more than the three that every kind has."""
    return tuple(
        Measure(telemetry.CONDITION, TRUTH.get(str(said.get("status")), UNKNOWN), (kind, str(said["type"])))
        for said in status.get("conditions") or ()
    )


def measured(room: AnyRoom, obj: JsonObject) -> Measures:
    """What the kind tells of an object. One that nobody here can read tells nothing but its conditions."""
    try:
        return room.measures(obj)
    except (InvalidResource, UnknownState):
        return NOTHING
    except Exception:
        # A number for people is never worth a run: the object goes on, and the log says what to mend.
        log.exception("a mistake in the operator: what an object tells cannot be measured")
        return NOTHING


@dataclass(slots=True)
class _Told:
    """What one object tells now, and what was counted of it since this process knows it."""

    shown: tuple[Measure, ...] = ()
    counts: Tally[tuple[Metric, tuple[str, ...]]] = field(default_factory=Tally)


class ObjectSeries(Collector):
    """What objects tell, each replaced as a whole, so that what one no longer tells is gone. `metrics`: the rows of the table that speak of objects."""

    def __init__(self, metrics: Iterable[Metric]) -> None:
        self._metrics = tuple(metrics)
        self._told: dict[ObjectKey, _Told] = {}

    def show(self, key: ObjectKey, before: Measures, now: Measures) -> None:
        """Replaces all that was told of the object, and counts what happened since `before`."""
        told = self._told.setdefault(key, _Told())
        told.shown = now.shown
        for metric in now.counted:
            for labels in product(*(label.values for label in metric.labels)):
                told.counts[metric, labels] += 0
        for happening in now.happened - before.happened:
            told.counts[happening.metric, happening.labels] += 1

    def forget(self, key: ObjectKey) -> None:
        """An object that is gone must not be alerted on."""
        self._told.pop(key, None)

    def describe(self) -> Iterable[Family]:
        return [_family(metric) for metric in self._metrics]

    def collect(self) -> Iterator[Family]:
        """Runs in the thread of a scrape while objects come and go: each mapping is copied in one go before it is walked."""
        families = {metric: _family(metric) for metric in self._metrics}
        for key, told in tuple(self._told.items()):
            place = (key.namespace, key.name)
            for measure in told.shown:
                families[measure.metric].add_metric((*place, *measure.labels), measure.value)
            for (metric, labels), count in tuple(told.counts.items()):
                families[metric].add_metric((*place, *labels), count)
        yield from families.values()


def _family(metric: Metric) -> Family:
    kind = CounterMetricFamily if metric.kind is Kind.COUNTER else GaugeMetricFamily
    return kind(metric.name, metric.meaning, labels=metric.all_labels)
