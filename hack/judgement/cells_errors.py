"""Worlds of the gate on errors: failures among a hundred requests at a time of each version, independent, in bursts or in outages.

Knows worlds' seeds. What the gates read of it, a difference of shares per interval or the counts so far, is in `many_errors`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal
from zlib import crc32

import numpy as np
from hack.judgement.series import Array
from hack.judgement.worlds import SEED
from numpy.random import Generator
from numpy.typing import NDArray

Counts = NDArray[np.int32]
Truth = Literal["limit", "equal", "worse"]

REQUESTS, LOOKS = 100, 1_000
"""Of the candidate between two looks, and looks: 100,000 requests."""

OUTAGE_TIME, OUTAGE_SHARE, OUTAGE_LOOKS = 0.02, 0.5, 5
"""Share of the time, of the errors, and how many looks one lasts on average."""


@dataclass(frozen=True)
class ErrorCell:
    """`rate`: the stable version's; `limit`: how much more the candidate may fail. `noise`: "" for independent requests,
    "outages", or the correlation of requests of one look."""

    name: str
    noise: str = ""
    rate: float = 0.01
    limit: float = 0.01
    stable_requests: int = REQUESTS
    held: bool = True

    def block(self, number: int, truth: Truth, rollouts: int) -> tuple[Counts, Counts]:
        """Failures (rollouts × looks) of the stable version and of the candidate."""
        rng = np.random.default_rng([SEED, crc32(f"{self.name}/{truth}".encode()), number])
        more = {"limit": 1, "equal": 0, "worse": 3}[truth] * self.limit
        stable = self._failures(rng, self.rate, self.stable_requests, rollouts)
        return stable, self._failures(rng, self.rate + more, REQUESTS, rollouts)

    @property
    def looks_of_an_interval(self) -> int:
        """About two requests for each that the limit allows."""
        return max(1, round(2 / self.limit / REQUESTS))

    def _failures(self, rng: Generator, rate: float, requests: int, rollouts: int) -> Counts:
        shape = (rollouts, LOOKS)
        match self.noise:
            case "":
                rates: Array | float = rate
            case "outages":
                out = _outages(rng, rollouts)
                calm = rate * (1 - OUTAGE_SHARE) / (1 - OUTAGE_TIME)
                rates = np.where(out, rate * OUTAGE_SHARE / OUTAGE_TIME, calm)
            case correlation:
                size = 1 / float(correlation) - 1
                rates = rng.beta(rate * size, (1 - rate) * size, shape)
        return rng.binomial(requests, rates, shape).astype(np.int32)


def _outages(rng: Generator, rollouts: int) -> NDArray[np.bool_]:
    """Whether each look is in one: they begin at any time and last a geometric time."""
    begins = OUTAGE_TIME / (1 - OUTAGE_TIME) / OUTAGE_LOOKS
    drawn, found = rng.random((rollouts, LOOKS)), np.zeros((rollouts, LOOKS), dtype=bool)
    out = rng.random(rollouts) < OUTAGE_TIME
    for look in range(LOOKS):
        out = np.where(out, drawn[:, look] >= 1 / OUTAGE_LOOKS, drawn[:, look] < begins)
        found[:, look] = out
    return found


def cells() -> tuple[ErrorCell, ...]:
    return (
        ErrorCell("independent requests"),
        ErrorCell("bursts, correlation 0.02", "0.02"),
        ErrorCell("bursts, correlation 0.1", "0.1"),
        ErrorCell("independent, 0.1 % fail, limit 0.5 points", rate=0.001, limit=0.005),
        ErrorCell("canary of 10 %, independent", stable_requests=9 * REQUESTS),
        ErrorCell("canary of 10 %, bursts 0.1", "0.1", stable_requests=9 * REQUESTS, held=False),
        ErrorCell("outages: 2 % of the time, half of the errors", "outages", held=False),
    )
