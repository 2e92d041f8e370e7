"""Series in a form that a table of cases can hold: `<metric> <labels>` and the value."""

from __future__ import annotations

from prometheus_client import CollectorRegistry

from bucle.contracts.measures import Measures


def told(measures: Measures, *, zeros: bool = False) -> dict[str, float]:
    """What is shown; zeros of closed lists say the same as the one that is not zero."""
    found = {" ".join((m.metric.name, *m.labels)): m.value for m in measures.shown}
    return {name: value for name, value in found.items() if value or zeros}


def exposed(registry: CollectorRegistry, name: str = "") -> dict[str, float]:
    """Every sample of a registry whose object has that name (all of them without one)."""
    return {
        " ".join(
            (s.name, *(value for label, value in sorted(s.labels.items()) if label not in ("namespace", "name")))
        ): s.value
        for family in registry.collect()
        for s in family.samples
        if not name or s.labels.get("name") == name
    }
