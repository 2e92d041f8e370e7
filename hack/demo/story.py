"""The flights story, told by watching four objects: served, decayed, retrained on labels, proven in shadow, taken over by canary."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

import pandas as pd
from hack.demo import flights
from hack.demo.install import NAMESPACE, SAMPLES, Installation
from hack.demo.replay import Pace, Replay
from hack.demo.report import Report
from hack.demo.seen import Seen, dig
from hack.shell import Failure
from hack.steps import Steps

# Chosen from measurements, see docs/demo.md: whole days, weeks left out, nothing simulated.
DAYS = (("2013-03-01", "2013-03-21"), ("2013-06-24", "2013-12-31"))
FAST = (20.0, 10)
SLOW = (1.0, 5)
MANIFESTS = ("driftpolicy.yaml", "modeldeployment.yaml", "experiment.yaml", "dataset.yaml")
POLL_SECONDS = 2.0


class Story:
    """Plays B of the loop: three parts, each with a limit after which it is told what was seen instead."""

    def __init__(self, installation: Installation, report: Report, steps: Steps) -> None:
        self.installation = installation
        self.report = report
        self.steps = steps
        self.pace = Pace(*FAST)
        self.replay: Replay | None = None
        self._last = Seen({}, {}, {}, {})

    async def play(self) -> None:
        frame = flights.load()
        with self.steps.step("the four manifests, the last one first", 10):
            for manifest in MANIFESTS:
                self.installation.kubectl("apply", "-n", NAMESPACE, "-f", str(SAMPLES / manifest))
        with self.steps.step("data checked and versioned", 90):
            await self.until("Dataset flights is Ready", lambda s: s.ready("dataset"), 180)
        with self.steps.step("six trials, final fit, gates, version 1 registered", 180):
            await self.until("Experiment flights is Ready", lambda s: s.ready("experiment"), 600)
        with self.steps.step("version 1 loaded, warmed, serving; champion set", 60):
            await self.until("ModelDeployment flights is Ready", lambda s: s.ready("deployment"), 240)
        await self._replay(self._chosen_days(frame))

    def _chosen_days(self, frame: pd.DataFrame) -> pd.DataFrame:
        keep = pd.concat([frame[(frame["day"] >= first) & (frame["day"] <= last)] for first, last in DAYS])
        return keep.sort_values(["time_hour", "flight_id"]).reset_index(drop=True)

    async def _replay(self, frame: pd.DataFrame) -> None:
        self.replay = Replay(self.installation.stable_address(), "flights", frame, self.pace)
        caller = asyncio.create_task(self.replay.run())
        first_version = self._last.deployed("stable", "model", "version")
        try:
            with self.steps.step("March is healthy, the summer is not: its last three windows are too bad", 420):
                await self.until("DriftPolicy flights retrains", self._retraining, 1200, caller)
            self._slow_down()
            with self.steps.step(
                "retrained on served rows and their labels, compared with the champion, version 2", 240
            ):
                await self.until(
                    "a candidate is loaded",
                    lambda s: bool(s.deployed("candidate", "readyReplicas")),
                    900,
                    caller,
                )
            self._speed_up()
            with self.steps.step(
                "version 2 answers in shadow until the paired gate passes, then 10, 50, 100 percent", 480
            ):
                await self.until(
                    "version 2 is stable and the rollout is over",
                    lambda s: s.deployed("stable", "model", "version") not in (None, first_version)
                    and not s.deployed("rollout") and s.ready("deployment"),
                    1200,
                    caller,
                )  # fmt: skip
            await asyncio.sleep(5)
        finally:
            self.pace.stopped = True
            self.report.tally = await caller
        self.report.finish(self.installation, self._last)

    @staticmethod
    def _retraining(seen: Seen) -> bool:
        return bool(dig(seen.policy, "status", "retrains", "inFlight"))

    def _slow_down(self) -> None:
        self.pace.requests_per_second, self.pace.rows = SLOW

    def _speed_up(self) -> None:
        self.pace.requests_per_second, self.pace.rows = FAST

    async def until(
        self, what: str, holds: Callable[[Seen], bool], limit: float, caller: asyncio.Task[Any] | None = None
    ) -> None:
        """Poll the four objects until `holds`; Failure says what was awaited and what the objects said instead."""
        ends = time.monotonic() + limit
        while True:
            self._last = await asyncio.to_thread(self._look)
            for line in self.report.notice(self._last, self.replay):
                self.steps.note(line)
            if holds(self._last):
                return
            if caller is not None and caller.done():
                raise Failure(f"ran out of flights while waiting until {what}:\n{self.report.state(self._last)}")
            if time.monotonic() > ends:
                raise Failure(f"waited {limit:.0f} s until {what}; seen instead:\n{self.report.state(self._last)}")
            await asyncio.sleep(POLL_SECONDS)

    def _look(self) -> Seen:
        items = self.installation.get("dataset,experiment,modeldeployment,driftpolicy", "-n", NAMESPACE)["items"]
        by_kind = {i["kind"]: i for i in items if i["metadata"]["name"] == "flights"}
        self.report.children = [i for i in items if i["metadata"]["name"] != "flights"]
        return Seen(*(by_kind.get(k, {}) for k in ("Dataset", "Experiment", "ModelDeployment", "DriftPolicy")))
