"""The gates of a ModelDeployment: what is declared, joined with what its status says of each. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bucle.cli.documents import DeclaredMix, Gate, Gates, ObjectName
from bucle.cli.objects import Seen, at, lenient
from bucle.resources.documents import to_dict
from bucle.resources.modeldeployment_status import GateStatus, RolloutStatus


def gates_of(seen: Seen) -> Gates:
    """Gates that were evaluated and are no longer declared come last."""
    notes: list[str] = []
    evaluated: dict[str, GateStatus] = {}
    for index, item in enumerate(seen.items("status", "gates")):
        status, left_out = lenient(GateStatus, item)
        notes += [f"status.gates[{index}].{path} cannot be read by this release" for path in left_out]
        evaluated[status.name or f"#{index}"] = status
    rollout, left_out = lenient(RolloutStatus, seen.at("status", "rollout"))
    notes += [f"status.rollout.{path} cannot be read by this release" for path in left_out]
    declared = {str(item.get("name")): _test(item) for item in seen.items("spec", "gates")}
    names = (*declared, *(name for name in evaluated if name not in declared))
    return Gates(
        object=ObjectName(kind=seen.kind, name=seen.name, namespace=seen.namespace),
        stable_version=_whole(seen.at("status", "stable", "model", "version")),
        candidate_version=_whole(seen.at("status", "candidate", "model", "version")),
        rollout=rollout.state,
        step=rollout.step,
        steps=len(seen.items("spec", "rollout", "steps")),
        weight=rollout.weight.programmed if rollout.weight else None,
        waiting_for=rollout.waiting_for,
        gates=tuple(_gate(name, declared.get(name), evaluated.get(name)) for name in names),
        notes=tuple(notes),
    )


def _gate(name: str, test: str | None, status: GateStatus | None) -> Gate:
    if status is None:
        return Gate(name=name, test=test)
    needs, interval = status.needs, status.interval
    return Gate(
        name=name,
        test=test or "no longer declared",
        step=status.step,
        verdict=status.verdict,
        message=status.message,
        value=status.estimate,
        lower=interval.lower if interval else None,
        upper=interval.upper if interval else None,
        limit=status.limit,
        unit=status.unit,
        samples=status.samples,
        samples_needed=needs.samples if needs else None,
        groups=status.groups,
        groups_needed=needs.groups if needs else None,
        independent_groups=status.independent_groups,
        mix=DeclaredMix(**to_dict(status.mix)) if status.mix else None,
        needs=needs.message if needs else None,
        reachable=needs.reachable if needs else None,
        at=status.at.strftime("%Y-%m-%dT%H:%M:%SZ") if status.at else None,
    )


def _test(item: Mapping[str, Any]) -> str:
    """What a gate asks, as the spec calls it; a kind of gate that this release has no name for is told all the same."""
    metric = at(item, "quality", "metric")
    kinds = [key for key in item if key != "name"]
    return f"quality: {metric}" if isinstance(metric, str) else ", ".join(kinds) or "nothing"


def _whole(value: Any) -> int | None:
    return value if isinstance(value, int) else None
