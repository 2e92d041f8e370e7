"""ModelDeployment: versions of a model behind one stable address, shifted by gates."""

from __future__ import annotations

from functools import partial

from bucle.engine.objects import CONFIG_MAP, DEPLOYMENT, POD_DISRUPTION_BUDGET, SERVICE
from bucle.engine.room import Room
from bucle.kinds.modeldeployment.measures import measures
from bucle.kinds.modeldeployment.plan import plan
from bucle.kinds.modeldeployment.world import World, reads, refs, steps, tells, world
from bucle.resources.addresses import MODEL_DEPLOYMENT
from bucle.resources.documents import parse
from bucle.resources.modeldeployment import ModelDeployment
from bucle.workloads.platform import Platform


def room(platform: Platform) -> Room[ModelDeployment, World]:
    """ModelDeployment on that installation."""
    return Room(
        resource=MODEL_DEPLOYMENT,
        parse=lambda raw: parse(ModelDeployment, raw),
        refs=refs,
        reads=reads,
        world=partial(world, platform=platform),
        plan=plan,
        measures=measures,
        doubtful=("Available",),
        tells=tells,
        steps=steps,
        children=(DEPLOYMENT, SERVICE, CONFIG_MAP, POD_DISRUPTION_BUDGET),
    )
