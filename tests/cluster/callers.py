"""Callers and onlookers of a served model: a replay that runs beside a test, and the weights the routers were told, every one of them.

Knows the stable address and the router's ConfigMap; decides nothing.
"""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import pandas as pd
from hack.demo.replay import Pace, Replay, Tally
from tests.cluster.scene import JsonObject, Scene
from tests.cluster.watch import hearing

LOOK_EVERY = 0.5


@dataclass(frozen=True)
class Calls:
    """A replay on a thread of its own; `tally` counts while it runs and is complete when the block ends."""

    replay: Replay
    thread: threading.Thread

    @property
    def tally(self) -> Tally:
        return self.replay.tally

    @property
    def over(self) -> bool:
        """No flights are left."""
        return not self.thread.is_alive()


@contextmanager
def calling(address: str, model: str, frame: pd.DataFrame, pace: Pace) -> Iterator[Calls]:
    """Sends the flights of `frame` in order with their outcomes until the block ends or none are left."""
    replay = Replay(address, model, frame, pace)
    thread = threading.Thread(target=lambda: asyncio.run(replay.run()), name="caller", daemon=True)
    thread.start()
    try:
        yield Calls(replay, thread)
    finally:
        pace.stopped = True
        thread.join(timeout=60)
    assert not thread.is_alive(), "the caller did not come to its end within 60 s"


def unharmed(tally: Tally) -> None:
    """Somebody called, and nobody noticed anything."""
    assert tally.sent > 0
    assert (tally.failed, tally.failures) == (0, [])


@dataclass
class Onlooker:
    """What the router's ConfigMap said over time: (weights by revision, mirrored percent), each change once."""

    seen: list[tuple[dict[str, int], int]] = field(default_factory=list)

    def hear(self, event: JsonObject) -> None:
        """One event of a watch on the ConfigMap. A ConfigMap that is taken away changes no weight."""
        told = event["object"].get("data", {}).get("bucle.json")
        if event["type"] not in ("ADDED", "MODIFIED") or told is None:
            return
        state = json.loads(told)
        now = (
            {revision: int(item["weight"]) for revision, item in state["revisions"].items()},
            int(state.get("mirror", 0)),
        )
        if not self.seen or self.seen[-1] != now:
            self.seen.append(now)

    def weights(self, revision: str) -> list[int]:
        """The weights that revision went through, each change once; 0 while the routers did not know it."""
        found: list[int] = []
        for weights, _ in self.seen:
            weight = weights.get(revision, 0)
            if not found or found[-1] != weight:
                found.append(weight)
        return found

    def mirrored(self) -> bool:
        return any(mirror > 0 for _, mirror in self.seen)


@contextmanager
def watching(stage: Scene, name: str) -> Iterator[Onlooker]:
    """Hears of every change of the routes until the block ends; the routes there are now are seen when it begins."""
    onlooker = Onlooker()
    with hearing(stage.watch("configmaps", f"{name}-router"), onlooker.hear):
        yield onlooker


def until(holds: Callable[[], bool], within: float, what: str) -> None:
    """Waits until the callable is true; AssertionError after `within` seconds."""
    deadline = time.monotonic() + within
    while not holds():
        assert time.monotonic() < deadline, f"waited {within:.0f} s until {what}"
        time.sleep(LOOK_EVERY)
