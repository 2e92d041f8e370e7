"""Random stories of the loop: what happens, drawn from a seed, and at what pace. What must hold meanwhile: `laws`.

A story is a list of events that print themselves, so that a failing seed can be read. Every outage ends before the story
does; then everything must come to rest, and one more good version must get to the callers.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from datetime import timedelta

from tests.support.fakes.kube import Crashed
from tests.support.worlds.happenings import STEPS, Happenings, after_a_version
from tests.support.worlds.laws import CONDITIONS, OURS, REST, Laws
from tests.support.worlds.loop import NAMES, LoopWorld
from tests.support.worlds.rollout import NAME, Model

from bucle.contracts.reasons import REASONS
from bucle.engine.objects import JsonObject
from bucle.engine.status import is_true
from bucle.resources.addresses import DATASET, DRIFT_POLICY, EXPERIMENT, MODEL_DEPLOYMENT, Resource

PATIENCE = timedelta(hours=3)
LOOK_EVERY = timedelta(seconds=30)
CLOSELY = timedelta(seconds=5)
"""Between two looks while callers meet two versions."""
MEETING = timedelta(minutes=12)
"""So long is waited for the moment when callers meet a candidate, before the next thing happens."""
REQUESTS_A_MINUTE = 2000
PARTS: tuple[tuple[Resource, ...], ...] = ((), (DATASET, EXPERIMENT), (DATASET, EXPERIMENT, DRIFT_POLICY))
"""What there is besides the deployment."""


@dataclass
class Story:
    """`told` is the story so far, one line each."""

    seed: int
    told: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.draw = random.Random(self.seed)
        self.world = LoopWorld()
        self.sim = self.world.sim
        self.laws = Laws(self.world)
        self.kinds = PARTS[self.seed % len(PARTS)]
        self.happenings = Happenings(self.world, self.laws, self.draw, self.kinds)

    @property
    def broken(self) -> list[str]:
        return self.laws.broken

    async def play(self, events: int) -> None:
        """Begins with a version that serves, lets things happen, ends every outage and asks for the laws of the end."""
        self._tell(f"a deployment and {', '.join(kind.kind for kind in self.kinds) or 'nothing else'}")
        self.happenings.register(Model())
        self.sim.create(self.world.manifest(steps=self.draw.choice(STEPS)))
        await self._wait(timedelta(minutes=2))
        for kind in self.kinds:
            self.world.begin(kind)
        await self._wait(timedelta(minutes=self.draw.choice((2, 5, 20))))
        if not self.kinds:
            await self._candidate_turns_bad()
        for _ in range(events):
            name, happen = self.draw.choice(self.happenings.possible())
            self._tell(name)
            happen()
            self.laws.look()
            if after_a_version(name) and self.draw.random() < 0.7:
                await self._until_callers_meet_it()
            else:
                await self._wait(timedelta(seconds=self.draw.choice((0, 3, 20, 90, 400))))
        await self._end()

    async def _candidate_turns_bad(self) -> None:
        """What a rollout is for, and what chance alone brings about too seldom."""
        self._tell("a version that begins to fail once callers meet it")
        self.happenings.register(Model())
        await self._until_callers_meet_it()
        self.happenings.turn_bad()
        self.laws.look()
        await self._wait(timedelta(minutes=2))

    # --- time --------------------------------------------------------------------------------------------------

    async def _wait(self, span: timedelta) -> None:
        self._tell(f"{span.total_seconds():g} s pass")
        began, asked = self.sim.clock.now(), len(self.sim.kube.requests)
        end = began + span
        while (left := end - self.sim.clock.now()) > timedelta():
            await self._piece(min(left, CLOSELY if self.happenings.shared() else LOOK_EVERY))
        minutes = max(1.0, (self.sim.clock.now() - began) / timedelta(minutes=1))
        if (len(self.sim.kube.requests) - asked) / minutes > REQUESTS_A_MINUTE:
            self.laws.broke(REST, f"{len(self.sim.kube.requests) - asked} requests in {minutes:.1f} minutes")

    async def _piece(self, span: timedelta) -> None:
        """A little time, so that what callers get is seen while it lasts."""
        try:
            await self.sim.pass_time(span)
        except Crashed:
            self._tell("the operator died and is started anew")
            self.sim.restart()
        self.world.tick()
        self.laws.look()

    async def _until_callers_meet_it(self) -> None:
        end = self.sim.clock.now() + MEETING
        while self.sim.clock.now() < end and not self.happenings.shared():
            await self._piece(LOOK_EVERY)
        self._tell("callers meet the candidate" if self.happenings.shared() else f"{MEETING} pass")

    # --- the end -----------------------------------------------------------------------------------------------

    async def _end(self) -> None:
        self._tell("every outage ends, what is missing is made anew, and nothing stands in the way")
        self._mend()
        await self._at_rest("after the outages", timedelta(minutes=15))
        self._tell("a last good version is registered")
        last = self.happenings.register(Model())
        end = self.sim.clock.now() + PATIENCE
        serves = self.world.serves(last)
        while not serves() and self.sim.clock.now() < end:
            await self._piece(LOOK_EVERY)
        if not serves():
            self.laws.broke(REST, f"version {last} does not serve after {PATIENCE}: {self._summary()}")
            return
        await self._at_rest("when the last version serves", timedelta(hours=1))
        if not is_true(self._status(MODEL_DEPLOYMENT), "Ready"):
            self.laws.broke(CONDITIONS, f"not Ready although the last version serves: {self._summary()}")

    def _mend(self) -> None:
        world = self.world
        world.judge_down = world.router_down = world.registry.down = None
        world.router_silent = False
        world.unready.clear()
        world.job_ends.clear()
        world.better = world.accepted = True
        world.learns = Model()
        self.sim.kube.mend()
        self.sim.kube.crash_after(None)
        if self.sim.kube.peek(MODEL_DEPLOYMENT, "ml", NAME) is None:
            self.sim.create(world.manifest())
        for kind in self.kinds:
            if self.sim.kube.peek(kind, "ml", NAMES[kind]) is None:
                world.begin(kind)
        self.happenings.model(alias="challenger")
        self.happenings.edit(lambda spec: spec["rollout"].pop("paused", None))

    async def _at_rest(self, when: str, long_enough: timedelta) -> None:
        """No write for that long, once what runs has ended; and everything is Ready, or says for which reason of the table not."""
        end = self.sim.clock.now() + PATIENCE
        quiet, written = timedelta(), len(self.sim.kube.writes)
        while quiet < long_enough:
            if self.sim.clock.now() > end:
                late = [f"{r.verb} {r.resource.kind} {r.name}" for r in self.sim.kube.writes[-6:]]
                self.laws.broke(REST, f"not {long_enough} without a write {when}: {late}; {self._summary()}")
                return
            await self._piece(LOOK_EVERY)
            now = len(self.sim.kube.writes)
            quiet = quiet + LOOK_EVERY if now == written else timedelta()
            written = now
        self.laws.judged[REST] += 1
        for kind in OURS & {MODEL_DEPLOYMENT, *self.kinds}:
            self._settled(kind, when)

    def _settled(self, kind: Resource, when: str) -> None:
        status = self._status(kind)
        if is_true(status, "Ready"):
            return
        said = [c for c in status.get("conditions") or [] if c["type"] == "Ready"]
        reason = said[0]["reason"] if said else None
        if reason not in REASONS or not REASONS[reason].cure:
            self.laws.broke(REST, f"{kind.kind} is not Ready {when} and has no reason with a cure: {reason}")

    def _status(self, kind: Resource) -> JsonObject:
        name = NAME if kind == MODEL_DEPLOYMENT else NAMES[kind]
        return (self.sim.kube.peek(kind, "ml", name) or {}).get("status") or {}

    def _summary(self) -> str:
        told = []
        for kind in (MODEL_DEPLOYMENT, *self.kinds):
            status = self._status(kind)
            rollout = status.get("rollout") or {}
            said = [f"{c['type']}={c['status']} {c['reason']}: {c['message']}" for c in status.get("conditions") or []]
            told.append(f"{kind.kind} ({rollout.get('state')}): " + "; ".join(said))
        return "\n    ".join(told)

    def _tell(self, line: str) -> None:
        self.told.append(line)

    def __str__(self) -> str:
        return f"story {self.seed}:\n  " + "\n  ".join(self.told) + "\nbroken:\n  " + "\n  ".join(self.broken)
