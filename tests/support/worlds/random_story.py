"""Random stories of one ModelDeployment: what may happen, drawn from a seed, and the laws that must hold whatever happens.

A story is a list of events that print themselves, so that a failing seed can be read. Every outage ends before the story
does; then the laws about its end are checked.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from tests.support.fakes.admission import status_admitted
from tests.support.worlds.rollout import LIMIT_SAMPLES, NAME, Model, RolloutWorld

from bucle.contracts.reasons import REASONS
from bucle.contracts.result import Failure
from bucle.engine.kube import Conflict, Forbidden, Unavailable
from bucle.engine.objects import DEPLOYMENT, JsonObject
from bucle.resources.addresses import MODEL_DEPLOYMENT, Resource

BAD = (Model(errors=0.3), Model(loss=0.5))
BROKEN = Model(failure=Failure(reason="LoadFailed", message="the file is cut off"))
STEPS: tuple[list[JsonObject], ...] = (
    [{"weight": {"percent": 50, "until": LIMIT_SAMPLES, "gates": ["errors"]}}],
    [
        {"shadow": {"percent": 100, "until": LIMIT_SAMPLES, "gates": ["errors", "quality"]}},
        {"weight": {"percent": 20, "until": LIMIT_SAMPLES, "gates": ["errors"]}},
    ],
    [],
)
LONGEST_EXPOSURE = timedelta(minutes=50)
"""Two steps of `maxDuration` 15 minutes, the soak, the way back, and what an outage of the router may add."""
PATIENCE = timedelta(hours=2)

Event = tuple[str, Callable[[], None]]


@dataclass
class Story:
    """`told` is the story so far, one line each. `broken` are laws that did not hold."""

    seed: int
    told: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.draw = random.Random(self.seed)
        self.world = RolloutWorld()
        self.sim = self.world.sim
        self.exposed: dict[str, datetime] = {}
        self.sim.kube.on_change.append(self._changed)

    # --- playing ------------------------------------------------------------------------------------------------

    async def play(self, events: int) -> None:
        """Begins with a version that serves, lets things happen, ends every outage and asks for the laws of the end."""
        self._register("a good version", Model())
        self.sim.create(self.world.manifest(**self.draw.choice(({}, {"steps": STEPS[0]}))))
        await self.sim.pass_time(timedelta(minutes=self.draw.choice((0, 2, 20))))
        for _ in range(events):
            name, happen = self.draw.choice(self._events())
            self._tell(name)
            happen()
            await self._wait(timedelta(seconds=self.draw.choice((0, 3, 20, 90, 400))))
        await self._end()

    async def _wait(self, span: timedelta) -> None:
        self._tell(f"{span.total_seconds():g} s pass")
        began, asked = self.sim.clock.now(), len(self.sim.kube.requests)
        end = began + span
        while (left := end - self.sim.clock.now()) > timedelta():
            # In small pieces, so that what callers get is seen while it lasts.
            await self.sim.pass_time(min(left, timedelta(seconds=30)))
            self._look()
        minutes = max(1.0, (self.sim.clock.now() - began) / timedelta(minutes=1))
        if (len(self.sim.kube.requests) - asked) / minutes > 1500:
            self._break(f"{len(self.sim.kube.requests) - asked} requests in {minutes:.1f} minutes")
        self._look()

    async def _end(self) -> None:
        self._tell("every outage ends, a good version is registered, and nothing stands in its way")
        world = self.world
        world.judge_down = world.router_down = world.registry.down = None
        world.router_silent = False
        world.unready.clear()
        self.sim.kube.mend()
        if self.sim.kube.peek(MODEL_DEPLOYMENT, "ml", NAME) is None:
            self.sim.create(world.manifest())
        self._edit(lambda spec: spec.update(model={"registered": {"name": NAME, "alias": "challenger"}}))
        self._edit(lambda spec: spec["rollout"].pop("paused", None))
        last = self._register("the last version", Model())
        try:
            await self.sim.until(world.serves(last), PATIENCE)
        except AssertionError:
            self._break(f"version {last} does not serve after {PATIENCE}: {self._summary()}")
            return
        await self.sim.pass_time(timedelta(minutes=11))
        pace = await self.sim.pace(timedelta(hours=1))
        if pace.writes or pace.runs > 4:
            self._break(f"does not come to rest: {pace}")
        self._look()

    # --- what may happen ----------------------------------------------------------------------------------------

    def _made_anew(self) -> None:
        self.sim.create(self.world.manifest())

    def _events(self) -> list[Event]:
        here = self.sim.kube.peek(MODEL_DEPLOYMENT, "ml", NAME) is not None
        found: list[Event] = [
            ("a good version", lambda: self._registered(Model())),
            ("a good version that loads for two minutes", lambda: self._registered(Model(load_seconds=120))),
            ("a version that fails 30 % of the requests", lambda: self._registered(BAD[0])),
            ("a version that predicts badly", lambda: self._registered(BAD[1])),
            ("a version that cannot be loaded", lambda: self._registered(BROKEN)),
            ("the operator is restarted", self.sim.restart),
            *self._outages(),
        ]
        if sum(1 for weight in self.world.weights().values() if weight) > 1:
            # Rare by itself, and what a rollout is for.
            found += [
                ("the candidate begins to fail", self._turn_bad),
                ("the stable pods are evicted", self._evict),
            ] * 6
        if here:
            found += self._edits()
        else:
            found.append(("the deployment is made anew", self._made_anew))
        return found

    def _outages(self) -> list[Event]:
        world, kube = self.world, self.sim.kube
        times = self.draw.randint(1, 5)
        verb = self.draw.choice(("get", "list", "create", "apply", "replace_status", "delete"))
        return [
            ("the registry is away", lambda: setattr(world.registry, "down", "connection refused")),
            ("the registry is back", lambda: setattr(world.registry, "down", None)),
            ("the judge is away", lambda: setattr(world, "judge_down", "connection refused")),
            ("the judge is back", lambda: setattr(world, "judge_down", None)),
            ("the routers do not answer", lambda: setattr(world, "router_down", "no answer within 1.5 s")),
            ("the routers answer again", lambda: setattr(world, "router_down", None)),
            ("the stable pods are evicted", self._evict),
            ("all pods are back", world.unready.clear),
            (f"{times} times no answer to {verb}", lambda: kube.fail(verb, Unavailable("timed out"), times=times)),
            (f"{times} times a conflict on {verb}", lambda: kube.fail(verb, Conflict("modified"), times=times)),
            (
                f"a quota refuses {times} Deployments",
                lambda: kube.fail("create", Forbidden("exceeded quota: pods"), resource=DEPLOYMENT, times=times),
            ),
        ]

    def _edits(self) -> list[Event]:
        steps, replicas = self.draw.choice(STEPS), self.draw.randint(1, 3)
        numbers = [number for _, number in self.world.registry.versions]
        pin = self.draw.choice(numbers)
        promote = {"alias": "champion"}
        return [
            ("the rollout is paused", lambda: self._edit(lambda s: s["rollout"].update(paused=True))),
            ("the rollout goes on", lambda: self._edit(lambda s: s["rollout"].pop("paused", None))),
            (
                "a new attempt",
                lambda: self._edit(lambda s: s["rollout"].update(attempt=s["rollout"].get("attempt", 0) + 1)),
            ),
            (f"{len(steps)} other steps", lambda: self._edit(lambda s: s["rollout"].update(steps=steps))),
            (f"{replicas} replicas", lambda: self._edit(lambda s: s["serving"].update(replicas=replicas))),
            (f"version {pin} is pinned", lambda: self._model(version=pin)),
            ("the alias is followed", lambda: self._model(alias="challenger")),
            ("promote is removed", lambda: self._edit(lambda s: s.pop("promote", None))),
            ("promote is put back", lambda: self._edit(lambda s: s.update(promote=promote))),
            ("the status is lost", self.world.lose_status),
            ("the deployment is deleted", lambda: self.sim.delete(MODEL_DEPLOYMENT, NAME)),
        ]

    def _registered(self, model: Model) -> None:
        self._register("", model)

    def _register(self, told: str, model: Model) -> int:
        if told:
            self._tell(told)
        number = self.world.register(model)
        self.world.point("challenger", number)
        return number

    def _turn_bad(self) -> None:
        stable = (self._status().get("stable") or {}).get("revision")
        for revision, weight in self.world.weights().items():
            model = self.world.model_of(revision)
            if weight and revision != stable and model is not None:
                self.world.models.update({d: BAD[0] for d, known in self.world.models.items() if known is model})

    def _evict(self) -> None:
        stable = (self._status().get("stable") or {}).get("revision")
        if stable:
            self.world.unready.add(stable)

    def _edit(self, change: Callable[[JsonObject], Any]) -> None:
        self.world.edit_spec(lambda spec: change(spec) and None)

    def _model(self, **chosen: Any) -> None:
        self._edit(lambda spec: spec.update(model={"registered": {"name": NAME, **chosen}}))

    # --- the laws -----------------------------------------------------------------------------------------------

    def _changed(self, resource: Resource, obj: JsonObject, event: str) -> None:
        if resource != MODEL_DEPLOYMENT or event == "DELETED":
            return
        status = obj.get("status") or {}
        for said in status.get("conditions") or []:
            if said["reason"] not in REASONS:
                self._break(f"{said['type']} gives a reason that no table knows: {said['reason']}")
            if said["reason"] == "InternalError":
                self._break(f"a mistake of the operator: {said['message']}")
        for problem in status_admitted(MODEL_DEPLOYMENT, status).problems:
            self._break(problem)

    def _look(self) -> None:
        """After each event: what callers get, and what was promoted."""
        shown = self.world.weights()
        if shown and sum(shown.values()) != 100:
            self._break(f"weights add up to {sum(shown.values())}")
        self._exposure(shown)
        mistakes = [line for line in self.sim.ran if "InternalError" in line]
        if mistakes:
            self._break(mistakes[0])

    def _exposure(self, shown: dict[str, int]) -> None:
        """A model that fails does not stay with callers while another one could answer them."""
        now = self.sim.clock.now()
        for revision in list(self.exposed):
            if not shown.get(revision):
                del self.exposed[revision]
        others = [r for r, weight in shown.items() if weight and (m := self.world.model_of(r)) and m.errors < 0.1]
        for revision, weight in shown.items():
            model = self.world.model_of(revision)
            if weight and model is not None and model.errors >= 0.1 and others:
                since = self.exposed.setdefault(revision, now)
                if now - since > LONGEST_EXPOSURE and not self.world.router_down and not self._paused():
                    self._break(f"a model that fails 30 % has {weight} % of the callers since {now - since}")

    def _paused(self) -> bool:
        spec = (self.sim.kube.peek(MODEL_DEPLOYMENT, "ml", NAME) or {}).get("spec", {})
        return bool(spec.get("rollout", {}).get("paused"))

    def _status(self) -> JsonObject:
        return (self.sim.kube.peek(MODEL_DEPLOYMENT, "ml", NAME) or {}).get("status") or {}

    def _summary(self) -> str:
        status = self._status()
        said = [f"{c['type']}={c['status']} {c['reason']}: {c['message']}" for c in status.get("conditions") or []]
        rollout = status.get("rollout") or {}
        return f"rollout {rollout.get('state')} of {(rollout.get('model') or {}).get('version')}; " + "; ".join(said)

    def _tell(self, line: str) -> None:
        self.told.append(line)

    def _break(self, law: str) -> None:
        if law not in self.broken:
            self.broken.append(law)

    def __str__(self) -> str:
        return f"story {self.seed}:\n  " + "\n  ".join(self.told) + "\nbroken:\n  " + "\n  ".join(self.broken)
