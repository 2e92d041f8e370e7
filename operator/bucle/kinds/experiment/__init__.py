"""Experiment: a search that ends in a gated, compared, registered model."""

from __future__ import annotations

from functools import partial

from bucle.engine.objects import CONFIG_MAP, JOB
from bucle.engine.room import Room
from bucle.kinds.experiment.measures import measures
from bucle.kinds.experiment.plan import plan
from bucle.kinds.experiment.registration import owed
from bucle.kinds.experiment.world import World, reads, refs, tells, world
from bucle.resources.addresses import EXPERIMENT
from bucle.resources.documents import parse
from bucle.resources.experiment import Experiment
from bucle.workloads.platform import Platform


def room(platform: Platform) -> Room[Experiment, World]:
    """Experiment on that installation."""
    return Room(
        resource=EXPERIMENT,
        parse=lambda raw: parse(Experiment, raw),
        refs=refs,
        reads=reads,
        world=partial(world, platform=platform),
        plan=plan,
        measures=measures,
        tells=tells,
        owed=owed,
        children=(JOB, CONFIG_MAP),
    )
