"""What the judge of one ModelDeployment would have seen by now."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from tests.support.fakes.clock import FakeClock

from bucle.contracts.evidence import Evidence, GroupSums
from bucle.engine.reads import Known, Observation, Unavailable
from bucle.engine.status import timestamp
from bucle.externals.judge.values import EvidenceRead


class Models(Protocol):
    """Of a world: its time, its models by the revision that serves them, and how much they differ by chance."""

    judge_down: str | None
    judge_refused: str | None
    without_group: bool
    group_seconds: float
    noise: float
    clock: FakeClock

    def model_of(self, revision: str) -> Any: ...


@dataclass
class Judge:
    """Pairs per group since the step began: the candidate's losses are as its model says, the same at every look."""

    place = "the judge's pod"

    world: Models

    async def read(self, read: EvidenceRead) -> Observation[Evidence]:
        world, query = self.world, read.query
        if world.judge_down is not None or world.judge_refused is not None:
            return Unavailable(world.judge_down or "no judge pod is running")
        since = datetime.fromisoformat(query.started_at)
        closed = int((world.clock.now() - since).total_seconds() / world.group_seconds)
        stable, candidate = world.model_of(query.stable), world.model_of(query.candidate)
        difference = (candidate.loss if candidate else 0.0) - (stable.loss if stable else 0.0)
        source = random.Random(query.candidate)
        groups = []
        for index in range(closed):
            n, x = 300, difference + source.gauss(0, world.noise)
            groups.append(GroupSums(group=f"{index:05}", n=n, x=x * n, p=(x - 0.1) * n, c=(0.5 + x) * n, s=0.5 * n))
        pairs = 300 * closed
        evidence = Evidence(
            query=query,
            metric="log_loss",
            watermark=timestamp(world.clock.now()),
            requests=pairs,
            pairs=pairs,
            labelled=pairs,
            missing=0,
            dropped=0,
            open_rows=0,
            ungrouped=pairs if world.without_group else 0,
            groups=() if world.without_group else tuple(groups),
        )
        return Known(evidence, world.clock.now())
