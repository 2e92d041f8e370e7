"""The DriftPolicy kind as the engine runs it."""

from __future__ import annotations

from datetime import datetime

from bucle.engine.objects import JOB, JsonObject
from bucle.engine.plan import Plan
from bucle.engine.reads import Observations
from bucle.engine.room import Kind
from bucle.kinds.driftpolicy.plan import plan
from bucle.kinds.driftpolicy.world import reads, refs
from bucle.resources.addresses import DATASET, DRIFT_POLICY, EXPERIMENT
from bucle.workloads.platform import Platform


def kind(platform: Platform) -> Kind:
    """DriftPolicy on that installation."""

    def planned(obj: JsonObject, seen: Observations, now: datetime) -> Plan:
        return plan(obj, seen, now, platform)

    return Kind(DRIFT_POLICY, refs, reads, planned, (JOB, DATASET, EXPERIMENT))
