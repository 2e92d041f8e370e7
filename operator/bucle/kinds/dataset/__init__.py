"""Dataset: a versioned, checked, split table."""

from __future__ import annotations

from functools import partial

from bucle.engine.objects import JOB
from bucle.engine.room import Kind
from bucle.kinds.dataset.plan import plan
from bucle.kinds.dataset.world import reads, refs
from bucle.resources.addresses import DATASET
from bucle.workloads.platform import Platform


def kind(platform: Platform) -> Kind:
    return Kind(DATASET, refs=refs, reads=reads, plan=partial(plan, platform), children=(JOB,))
