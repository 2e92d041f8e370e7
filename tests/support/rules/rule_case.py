"""What one CEL rule is tried with. The cases of each kind stand in `cases_*`, all together in `rule_cases`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

Changes = Mapping[str, Any]


@dataclass(frozen=True)
class RuleCase:
    """Changes to a valid object (see `objects.valid`) after which the rule accepts it, and refuses it.

    `path`: where the rule stands in the schema. `started`: the changes are made to a stored Experiment that has begun.
    """

    kind: str
    path: str
    message: str
    accepted: Changes
    refused: Changes
    started: bool = False

    def __str__(self) -> str:
        return f"{self.kind}{self.path}: {self.message[:60]}"


TIME_LIMIT = "a time limit must be at least 1s and at most 87600h"
FREE_ALIAS = "an alias must not be `latest` or `v` and a number: MLflow keeps these for itself"


def one_of(*members: str) -> str:
    return "exactly one of " + ", ".join(f"`{member}`" for member in members) + " must be set"
