"""The ModelDeployment kind as the engine runs it."""

from __future__ import annotations

from datetime import datetime

from bucle.engine.objects import CONFIG_MAP, DEPLOYMENT, SERVICE, JsonObject
from bucle.engine.plan import Plan
from bucle.engine.reads import Observations
from bucle.engine.room import Kind
from bucle.kinds.modeldeployment.plan import plan
from bucle.kinds.modeldeployment.world import reads, refs
from bucle.resources.addresses import MODEL_DEPLOYMENT
from bucle.workloads.platform import Platform


def kind(platform: Platform) -> Kind:
    """ModelDeployment on that installation."""

    def planned(obj: JsonObject, seen: Observations, now: datetime) -> Plan:
        return plan(obj, seen, now, platform)

    return Kind(MODEL_DEPLOYMENT, refs, reads, planned, (DEPLOYMENT, SERVICE, CONFIG_MAP))
