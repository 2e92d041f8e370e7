"""What holds in every story of the loop, whatever happens. `judged` counts how often each law had something to judge.

Laws look at what the API server stored, what the routers show and what the registry was told; never at what the operator
thinks.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import datetime, timedelta

from tests.support.fakes.admission import status_admitted
from tests.support.worlds.loop import LoopWorld
from tests.support.worlds.rollout import NAME
from tests.support.worlds.simulation import NAMESPACE
from tests.support.worlds.training import task_of

from bucle.contracts import names, registry_tags
from bucle.contracts.canonical import canonical_json
from bucle.contracts.reasons import REASONS
from bucle.engine.objects import CONFIG_MAP, JsonObject, controller_uid
from bucle.engine.status import condition, is_true
from bucle.externals.registry.values import SetAlias
from bucle.resources.addresses import DATASET, DRIFT_POLICY, EXPERIMENT, MODEL_DEPLOYMENT, Resource

OURS = frozenset({DATASET, EXPERIMENT, MODEL_DEPLOYMENT, DRIFT_POLICY})
FAILS = 0.1
"""Share of failing requests from which a model should not stay with callers."""
LONGEST_EXPOSURE = timedelta(minutes=5)
"""A failing model beside one that answers: seconds, as a rule; no pause, outage of registry or judge, or edit makes it longer."""
LONGEST_SILENCE = timedelta(minutes=6)
"""Callers without an answer, or conditions that do not say so, while nothing keeps the operator from acting."""
FULL = 100

ADMITTED = "a status fits its schema and gives reasons of the table"
ONE_JOB = "never two Jobs for one attempt"
ONE_VERSION = "a run registers one version"
STEPS = "weights rise as the steps say"
ALL_STEPS = "no model becomes stable before every step was in force"
CHAMPION = "the champion was judged, or a person set it"
EXPOSURE = "a failing model does not stay with callers"
ANSWERED = "no caller is without an answer while a served version is ready"
CONDITIONS = "Ready and Available say what callers reach"
REST = "everything comes to rest"
LAWS = (ADMITTED, ONE_JOB, ONE_VERSION, STEPS, ALL_STEPS, CHAMPION, EXPOSURE, ANSWERED, CONDITIONS, REST)


class Laws:
    """Listens to the world from its making on. `look` is asked for whenever a little time has passed."""

    def __init__(self, world: LoopWorld) -> None:
        self.world = world
        self.judged: Counter[str] = Counter()
        self.broken: list[str] = []
        self.set_by_hand: set[str] = set()
        """Digests that a person made the champion, or let through with no steps to pass."""
        self._stepped: defaultdict[str, set[tuple[str, int]]] = defaultdict(set)
        self._trusted: set[str] = set()
        self._weights: dict[str, int] = {}
        self._told = 0
        self._since: dict[str, datetime] = {}
        self._flipped: set[tuple[str, str]] = set()
        world.sim.kube.on_change.append(self._changed)

    def broke(self, law: str, how: str) -> None:
        told = f"{law}: {how}"
        if told not in self.broken:
            self.broken.append(told)

    # --- at every write ----------------------------------------------------------------------------------------

    def _changed(self, resource: Resource, obj: JsonObject, event: str) -> None:
        if resource in OURS and event != "DELETED":
            self._status(resource, obj)
        if resource == MODEL_DEPLOYMENT and event != "DELETED":
            self._rollout(obj)
        if resource == CONFIG_MAP and obj["metadata"]["name"] == names.router_name(NAME):
            self._routes({} if event == "DELETED" else self.world.history[-1] if self.world.history else {})

    def _status(self, resource: Resource, obj: JsonObject) -> None:
        status = obj.get("status") or {}
        self.judged[ADMITTED] += 1
        for said in status.get("conditions") or []:
            if said["reason"] not in REASONS:
                self.broke(ADMITTED, f"{resource.kind} {said['type']} gives the reason {said['reason']}")
            if said["reason"] == "InternalError":
                self.broke(ADMITTED, f"a mistake of the operator: {said['message']}")
        for problem in status_admitted(resource, status).problems:
            self.broke(ADMITTED, f"{resource.kind} {problem}")

    def _rollout(self, obj: JsonObject) -> None:
        """Which steps each model was seen in, and that none was left out when it becomes stable."""
        status, spec = obj.get("status") or {}, obj["spec"]
        rollout = status.get("rollout") or {}
        part = status.get("candidate") or status.get("stable") or {}
        digest = (part.get("model") or {}).get("digest", "")
        plan, steps = rollout.get("planHash", ""), spec["rollout"].get("steps")
        if rollout.get("state") == "Stepping" and rollout.get("stepStartedAt"):
            self._stepped[digest].add((plan, rollout.get("step", 0)))
        if rollout.get("state") not in ("Soaking", "Promoting") or rollout.get("tookOverAt"):
            return
        if (rollout["id"], digest) in self._flipped:
            return
        self._flipped.add((rollout["id"], digest))
        self.judged[ALL_STEPS] += 1
        seen = {step for known, step in self._stepped[digest] if known == plan}
        if rollout.get("stableRevision") is None or steps == [] or seen >= set(range(len(steps or ()))):
            self._trusted.add(digest)
        elif digest not in self._trusted:
            self.broke(ALL_STEPS, f"rollout {rollout['id']} is {rollout['state']} after the steps {sorted(seen)}")

    def _routes(self, weights: dict[str, int]) -> None:
        before, self._weights = self._weights, dict(weights)
        status = self.world.deployment_status()
        rollout = status.get("rollout") or {}
        revision = rollout.get("candidateRevision", "")
        raised = weights.get(revision, 0) > before.get(revision, 0)
        stable = rollout.get("stableRevision")
        dead = (status.get("stable") or {}).get("unreadySince") is not None
        if not raised or stable is None or dead or not self.world.ready(stable):
            return  # the first version, or one that takes over from one that is dead
        self.judged[STEPS] += 1
        allowed = self._allowed(rollout)
        if weights[revision] > allowed:
            self.broke(
                STEPS, f"{weights[revision]} % in {rollout.get('state')} {rollout.get('step')}, {allowed} allowed"
            )

    def _allowed(self, rollout: JsonObject) -> int:
        found = self.world.sim.kube.peek(MODEL_DEPLOYMENT, NAMESPACE, NAME)
        steps = (found or {}).get("spec", {}).get("rollout", {}).get("steps") or []
        step = rollout.get("step", 0)
        match rollout.get("state"):
            case "Soaking" | "Promoting":
                return FULL
            case "Stepping" if step < len(steps):
                return int((steps[step].get("weight") or {}).get("percent", 0))
            case "Stepping":
                return FULL  # after the last step come all callers
        return 0

    # --- whenever a little time has passed -----------------------------------------------------------------------

    def look(self) -> None:
        self._jobs()
        self._registry()
        shown = self.world.weights()
        if shown and sum(shown.values()) != FULL:
            self.broke(STEPS, f"weights add up to {sum(shown.values())}")
        self._exposed(shown)
        self._reached(shown)
        mistakes = [line for line in self.world.sim.ran if "InternalError" in line]
        if mistakes:
            self.broke(ADMITTED, mistakes[0])

    def _jobs(self) -> None:
        """A Job that a newer one replaces goes in the same run, so only what lasts until the next look is one too many."""
        doing: defaultdict[tuple[str | None, str], list[str]] = defaultdict(list)
        for job in self.world.sim.jobs(open_only=True):
            doing[controller_uid(job), canonical_json(task_of(job))].append(job["metadata"]["name"])
        self.judged[ONE_JOB] += len(doing)
        for found in doing.values():
            if len(found) > 1:
                self.broke(ONE_JOB, f"{' and '.join(found)} do the same")

    def _registry(self) -> None:
        registry = self.world.registry
        for effect in registry.effects[self._told :]:
            if isinstance(effect, SetAlias) and effect.alias == "champion":
                self.judged[CHAMPION] += 1
                if effect.digest not in self._trusted | self.set_by_hand:
                    self.broke(CHAMPION, f"version {effect.version} was made the champion and was not judged")
        self._told = len(registry.effects)
        made = Counter((v.run_id, v.tag(registry_tags.TAG_KEY)) for v in registry.versions.values() if v.run_id)
        self.judged[ONE_VERSION] += len(made)
        for (run, _), times in made.items():
            if times > 1:
                self.broke(ONE_VERSION, f"run {run} registered {times} versions")

    def _lasts(self, what: str, holds: bool, longest: timedelta) -> timedelta | None:
        """For how long it has lasted, once that is too long. What hinders the operator from acting starts the time anew."""
        now = self.world.clock.now()
        if not holds or self._hindered():
            self._since.pop(what, None)
            return None
        lasted = now - self._since.setdefault(what, now)
        return lasted if lasted > longest else None

    def _hindered(self) -> bool:
        """A registry or judge that is away hinders nobody from taking callers off a model."""
        world = self.world
        spec = (world.sim.kube.peek(MODEL_DEPLOYMENT, NAMESPACE, NAME) or {}).get("spec")
        return (
            spec is None
            or bool(world.router_down)
            or world.router_silent
            or world.sim.kube.failing("get", "list", "apply", "replace_status")
        )

    def _exposed(self, shown: dict[str, int]) -> None:
        models = {r: m for r, weight in shown.items() if weight and (m := self.world.model_of(r)) is not None}
        good = [revision for revision, model in models.items() if model.errors < FAILS and self.world.ready(revision)]
        for revision in {*models, *(key.removeprefix("exposed ") for key in self._since if key.startswith("exposed "))}:
            # The version that serves is nobody's candidate: what it does is charged to it when a better one is promoted.
            candidate = revision in models and revision != self.world.stable_revision()
            failing = candidate and models[revision].errors >= FAILS and bool(good)
            self.judged[EXPOSURE] += failing
            if (lasted := self._lasts(f"exposed {revision}", failing, LONGEST_EXPOSURE)) is not None:
                self.broke(EXPOSURE, f"revision {revision} has {shown[revision]} % since {lasted}")

    def _reached(self, shown: dict[str, int]) -> None:
        world, status = self.world, self.world.deployment_status()
        unanswered = FULL - sum(weight for revision, weight in shown.items() if weight and world.ready(revision))
        stable = world.stable_revision()
        could = stable is not None and world.ready(stable)
        self.judged[ANSWERED] += could
        if (lasted := self._lasts("unanswered", could and unanswered > 0, LONGEST_SILENCE)) is not None:
            self.broke(ANSWERED, f"{unanswered} % get no answer since {lasted}, and revision {stable} is ready")
        if condition(status, "Ready") is None:
            return
        self.judged[CONDITIONS] += 1
        lies = unanswered > 0 and (is_true(status, "Ready") or is_true(status, "Available"))
        if (lasted := self._lasts("lies", lies, LONGEST_SILENCE)) is not None:
            self.broke(CONDITIONS, f"Ready or Available is True since {lasted} while {unanswered} % get no answer")
        hides = unanswered == 0 and not is_true(status, "Available")
        if (lasted := self._lasts("hides", hides, LONGEST_SILENCE)) is not None:
            self.broke(CONDITIONS, f"Available is not True since {lasted} although every caller is answered")
