"""DriftPolicy: windows of labelled traffic, judged, and a retrain when they degrade."""

from __future__ import annotations

from functools import partial

from bucle.engine.objects import JOB
from bucle.engine.room import Room
from bucle.kinds.driftpolicy.measures import measures
from bucle.kinds.driftpolicy.plan import plan
from bucle.kinds.driftpolicy.world import World, reads, refs, world
from bucle.resources.addresses import DATASET, DRIFT_POLICY, EXPERIMENT
from bucle.resources.documents import parse
from bucle.resources.driftpolicy import DriftPolicy
from bucle.workloads.platform import Platform


def room(platform: Platform) -> Room[DriftPolicy, World]:
    """DriftPolicy on that installation."""
    return Room(
        resource=DRIFT_POLICY,
        parse=lambda raw: parse(DriftPolicy, raw),
        refs=refs,
        reads=reads,
        world=partial(world, platform=platform),
        plan=plan,
        measures=measures,
        doubtful=("DriftDetected",),
        children=(
            JOB,
            DATASET,
            EXPERIMENT,
        ),
    )
