"""Experiment: a search that ends in a gated, compared, registered model."""

from __future__ import annotations

from functools import partial

from bucle.engine.objects import JOB
from bucle.engine.room import Kind
from bucle.kinds.experiment.plan import plan
from bucle.kinds.experiment.world import reads, refs
from bucle.resources.addresses import EXPERIMENT
from bucle.workloads.platform import Platform


def kind(platform: Platform) -> Kind:
    return Kind(EXPERIMENT, refs=refs, reads=reads, plan=partial(plan, platform), children=(JOB,))
