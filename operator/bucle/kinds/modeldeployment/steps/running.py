"""What every kind of step comes down to. Pure values."""

from __future__ import annotations

from dataclasses import dataclass

from bucle.resources.modeldeployment import Until


@dataclass(frozen=True, slots=True)
class RunningStep:
    """`reason` is what Ready says meanwhile; `paired`: both versions answer the same requests, so rows can be paired.
    `until` None: it ends as soon as its routes are in force."""

    reason: str
    weight: int
    mirror: int
    paired: bool
    until: Until | None
    gates: tuple[str, ...]
