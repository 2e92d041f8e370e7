"""What may happen in a random story: new versions, edits of every spec, outages, hands that delete, Jobs that fail."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.support.worlds.laws import Laws
from tests.support.worlds.loop import DRIFTED, HEALTHY, NAMES, JobEnd, LoopWorld
from tests.support.worlds.rollout import LIMIT_SAMPLES, NAME, Model
from tests.support.worlds.simulation import NAMESPACE

from bucle.contracts.exits import BAD_CONFIGURATION, TRY_AGAIN
from bucle.contracts.result import Failure
from bucle.engine.kube import Conflict, Forbidden, Unavailable
from bucle.engine.objects import DEPLOYMENT, JOB, POD, JsonObject
from bucle.resources.addresses import DATASET, EXPERIMENT, MODEL_DEPLOYMENT, Resource

FAILS, PREDICTS_BADLY = Model(errors=0.3), Model(loss=0.5)
BROKEN = Model(failure=Failure(reason="LoadFailed", message="the file is cut off"))
LONG = {"samples": 6000, "minDuration": "5m", "maxDuration": "30m"}
STEPS: tuple[list[JsonObject], ...] = (
    [{"weight": {"percent": 50, "until": LONG, "gates": ["errors"]}}],
    [{"weight": {"percent": 10, "until": LIMIT_SAMPLES, "gates": ["errors"]}}],
    [
        {"shadow": {"percent": 100, "until": LIMIT_SAMPLES, "gates": ["errors", "quality"]}},
        {"weight": {"percent": 20, "until": LONG, "gates": ["errors"]}},
    ],
)
OTHER_STEPS = (*STEPS, [])

Event = tuple[str, Callable[[], Any]]
VERSION = "a version"


def after_a_version(name: str) -> bool:
    """Whether that event begins a rollout, sooner or later."""
    return name.startswith((VERSION, "labels of a drifted"))


@dataclass
class Happenings:
    world: LoopWorld
    laws: Laws
    draw: random.Random
    kinds: tuple[Resource, ...]

    def possible(self) -> list[Event]:
        """What may happen now; what a rollout is for comes more often while callers meet a candidate."""
        found = [*self._versions(), *self._outages(), *self._hands()]
        if self.shared():
            found += [
                ("the candidate begins to fail", self.turn_bad),
                ("the stable pods are evicted", self._evict),
                ("the operator is restarted", self.world.sim.restart),
            ] * 8
        if self._there(MODEL_DEPLOYMENT):
            found += self._edits()
        for kind in self.kinds:
            found += self._edits_of(kind) if self._there(kind) else [self._made_anew(kind)]
        if not self._there(MODEL_DEPLOYMENT):
            found.append(("the deployment is made anew", lambda: self.world.sim.create(self.world.manifest())))
        return found + (self._of_jobs() if self.kinds else [])

    def shared(self) -> bool:
        """Whether callers meet two versions now."""
        return sum(1 for weight in self.world.weights().values() if weight) > 1

    # --- what people do ----------------------------------------------------------------------------------------

    def register(self, model: Model) -> int:
        number = self.world.register(model, self.world.facts())
        self.world.point("challenger", number)
        return number

    def edit(self, change: Callable[[JsonObject], Any]) -> None:
        self.world.edit_spec(lambda spec: change(spec) and None)

    def model(self, **chosen: Any) -> None:
        self.edit(lambda spec: spec.update(model={"registered": {"name": NAME, **chosen}}))

    def _versions(self) -> list[Event]:
        return [
            (f"{VERSION} that is good", lambda: self.register(Model())),
            (f"{VERSION} that loads for two minutes", lambda: self.register(Model(load_seconds=120))),
            (f"{VERSION} that fails 30 % of the requests", lambda: self.register(FAILS)),
            (f"{VERSION} that predicts badly", lambda: self.register(PREDICTS_BADLY)),
            (f"{VERSION} that cannot be loaded", lambda: self.register(BROKEN)),
        ]

    def _edits(self) -> list[Event]:
        steps, replicas = self.draw.choice(OTHER_STEPS), self.draw.randint(1, 3)
        pin = self.draw.choice([number for _, number in self.world.registry.versions])
        return [
            ("the rollout is paused", lambda: self.edit(lambda s: s["rollout"].update(paused=True))),
            ("the rollout goes on", lambda: self.edit(lambda s: s["rollout"].pop("paused", None))),
            ("a new attempt", lambda: self.edit(lambda s: _raise(s["rollout"], "attempt"))),
            (f"{len(steps)} other steps", lambda: self.edit(lambda s: s["rollout"].update(steps=steps))),
            (f"{replicas} replicas", lambda: self.edit(lambda s: s["serving"].update(replicas=replicas))),
            (f"{VERSION} is pinned: {pin}", lambda: self.model(version=pin)),
            ("the alias is followed", lambda: self.model(alias="challenger")),
            ("promote is removed", lambda: self.edit(lambda s: s.pop("promote", None))),
            ("promote is put back", lambda: self.edit(lambda s: s.update(promote={"alias": "champion"}))),
            ("the status is lost", self.world.lose_status),
            ("the deployment is deleted", lambda: self._delete(MODEL_DEPLOYMENT)),
            ("the deployment is deleted and made at once", lambda: self._remake(MODEL_DEPLOYMENT)),
        ]

    def _edits_of(self, kind: Resource) -> list[Event]:
        name = kind.kind
        common: list[Event] = [
            (f"the {name} is deleted", lambda: self._delete(kind)),
            (f"the {name} is deleted and made at once", lambda: self._remake(kind)),
            (f"the status of the {name} is lost", lambda: self._change(kind, _without_status)),
        ]
        if kind == DATASET:
            return [
                *common,
                ("the table changes and is read again", self._new_table),
                (f"the {name} expects other hours", lambda: self._change(kind, self._other_hours)),
            ]
        if kind == EXPERIMENT:
            trials = self.draw.randint(1, 4)
            return [
                *common,
                *[("the Experiment runs once more", lambda: self._change(kind, lambda o: _raise(o["spec"], "run")))]
                * 3,
                (
                    f"{trials} trials",
                    lambda: self._change(kind, lambda o: o["spec"]["limits"].update(maxTrials=trials)),
                ),
            ]
        return [
            *common,
            *[("labels of a healthy window", lambda: self.world.label(HEALTHY))] * 2,
            *[("labels of a drifted window", self._drift)] * 4,
            ("retrains end", lambda: self._change(kind, lambda o: o["spec"]["limits"].update(maxRetrains=0))),
            ("retrains are allowed", lambda: self._change(kind, lambda o: o["spec"]["limits"].update(maxRetrains=4))),
        ]

    def _made_anew(self, kind: Resource) -> Event:
        return f"the {kind.kind} is made anew", lambda: self.world.begin(kind)

    def _change(self, kind: Resource, change: Callable[[JsonObject], Any]) -> None:
        self.world.sim.edit(kind, NAMES[kind], lambda obj: change(obj) and None)

    def _delete(self, kind: Resource) -> None:
        self.world.sim.delete(kind, NAME if kind == MODEL_DEPLOYMENT else NAMES[kind])

    def _remake(self, kind: Resource) -> None:
        """Before the collector of garbage has taken anything."""
        self._delete(kind)
        if kind == MODEL_DEPLOYMENT:
            self.world.sim.create(self.world.manifest())
        else:
            self.world.begin(kind)

    def _new_table(self) -> None:
        self.world.table += 1
        self._change(DATASET, lambda obj: _raise(obj["spec"], "run"))

    def _other_hours(self, obj: JsonObject) -> None:
        obj["spec"]["expectations"][0]["range"]["maximum"] = str(self.draw.randint(12, 23))

    def _drift(self) -> None:
        self.world.label(DRIFTED)
        self.world.label(DRIFTED)

    # --- what befalls them -------------------------------------------------------------------------------------

    def _outages(self) -> list[Event]:
        world, kube = self.world, self.world.sim.kube
        times = self.draw.randint(1, 5)
        verb = self.draw.choice(("get", "list", "create", "apply", "replace_status", "delete"))
        writes = self.draw.randint(1, 4)
        return [
            ("the registry is away", lambda: setattr(world.registry, "down", "connection refused")),
            ("the registry is back", lambda: setattr(world.registry, "down", None)),
            ("the judge is away", lambda: setattr(world, "judge_down", "connection refused")),
            ("the judge is back", lambda: setattr(world, "judge_down", None)),
            ("the routers do not answer", lambda: setattr(world, "router_down", "no answer within 1.5 s")),
            ("the routers answer again", lambda: setattr(world, "router_down", None)),
            ("all pods are back", world.unready.clear),
            ("the operator is restarted", world.sim.restart),
            (f"the operator dies after {writes} writes", lambda: kube.crash_after(writes)),
            (f"{times} times no answer to {verb}", lambda: kube.fail(verb, Unavailable("timed out"), times=times)),
            (f"{times} times a conflict on {verb}", lambda: kube.fail(verb, Conflict("modified"), times=times)),
            (f"a quota refuses {times} Deployments", lambda: self._quota(DEPLOYMENT, times)),
            (f"a quota refuses {times} Jobs", lambda: self._quota(JOB, times)),
        ]

    def _of_jobs(self) -> list[Event]:
        world = self.world
        return [
            ("the next Job finds no store", lambda: world.job_ends.append(JobEnd(TRY_AGAIN, "StoreUnavailable"))),
            ("the next Job runs out of memory", lambda: world.job_ends.append(JobEnd(137))),
            ("the next Job may not read", lambda: world.job_ends.append(JobEnd(BAD_CONFIGURATION, "AccessDenied"))),
            ("what is trained fails 30 % of the requests", lambda: setattr(world, "learns", FAILS)),
            ("what is trained is good", lambda: setattr(world, "learns", Model())),
            ("what is trained is not better", lambda: setattr(world, "better", False)),
            ("what is trained is better", lambda: setattr(world, "better", True)),
            ("the table breaks its expectations", lambda: setattr(world, "accepted", False)),
            ("the table meets its expectations", lambda: setattr(world, "accepted", True)),
        ]

    def _hands(self) -> list[Event]:
        """Somebody deletes what is not theirs."""
        kube = self.world.sim.kube
        found: list[Event] = []
        for kind in (JOB, POD, DEPLOYMENT):
            names = [obj["metadata"]["name"] for obj in kube.all(kind)]
            if names:
                name = self.draw.choice(names)
                found.append((f"{kind.kind} {name} is deleted by hand", _remover(self.world, kind, name)))
        return found

    def _quota(self, kind: Resource, times: int) -> None:
        self.world.sim.kube.fail("create", Forbidden("exceeded quota: pods"), resource=kind, times=times)

    def turn_bad(self) -> None:
        world, stable = self.world, self.world.stable_revision()
        for revision, weight in world.weights().items():
            model = world.model_of(revision)
            if weight and revision != stable and model is not None:
                world.models.update({d: FAILS for d, known in world.models.items() if known is model})

    def _evict(self) -> None:
        stable = self.world.stable_revision()
        if stable:
            self.world.unready.add(stable)

    def _there(self, kind: Resource) -> bool:
        name = NAME if kind == MODEL_DEPLOYMENT else NAMES[kind]
        return self.world.sim.kube.peek(kind, NAMESPACE, name) is not None


def _raise(part: JsonObject, number: str) -> None:
    part[number] = part.get(number, 0) + 1


def _without_status(obj: JsonObject) -> None:
    obj["status"] = {"observedGeneration": -1}


def _remover(world: LoopWorld, kind: Resource, name: str) -> Callable[[], None]:
    def remove() -> None:
        world.hands_at_work = True
        world.sim.kube.remove(kind, NAMESPACE, name)
        world.hands_at_work = False

    return remove
