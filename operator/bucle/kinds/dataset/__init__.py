"""Dataset: a versioned, checked, split table."""

from __future__ import annotations

from functools import partial

from bucle.engine.objects import CONFIG_MAP, JOB
from bucle.engine.room import Room
from bucle.kinds.dataset.measures import measures
from bucle.kinds.dataset.plan import plan
from bucle.kinds.dataset.world import World, reads, refs, tells, world
from bucle.resources.addresses import DATASET
from bucle.resources.dataset import Dataset
from bucle.resources.documents import parse
from bucle.workloads.platform import Platform


def room(platform: Platform) -> Room[Dataset, World]:
    """Dataset on that installation."""
    return Room(
        resource=DATASET,
        parse=lambda raw: parse(Dataset, raw),
        refs=refs,
        reads=reads,
        world=partial(world, platform=platform),
        plan=plan,
        measures=measures,
        tells=tells,
        children=(JOB, CONFIG_MAP),
    )
