"""The table of gate kinds: a new kind touches its own file and this."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from bucle.kinds.modeldeployment.gates.error_rate import ErrorRate
from bucle.kinds.modeldeployment.gates.inputs import GateInputs
from bucle.kinds.modeldeployment.gates.quality import Quality
from bucle.kinds.modeldeployment.gates.verdict import Finding
from bucle.resources.gates import Gate


class GateKind(Protocol):
    """How one kind of gate is evaluated. `unit` names a sample; `needs_judge`: its evidence is paired by the judge."""

    unit: str
    needs_judge: bool
    counts_groups: bool

    def evaluate(self, gate: Any, inputs: GateInputs) -> Finding: ...

    def in_step(self, finding: Finding, inputs: GateInputs) -> int:
        """How many of the samples belong to the running step."""
        ...


KINDS: Mapping[str, GateKind] = {"error_rate": ErrorRate(), "quality": Quality()}
"""By the field of `resources.modeldeployment.Gate` that holds the settings."""


def kind_of(gate: Gate) -> tuple[GateKind, Any]:
    """The kind of that gate and its settings; exactly one is set (the API server's rule)."""
    for field, kind in KINDS.items():
        settings = getattr(gate, field)
        if settings is not None:
            return kind, settings
    raise ValueError(f"gate {gate.name} must have one of {', '.join(KINDS)}")
