"""A model registry in memory: answers the registry's reads, carries out its effects, and can be down.

registry = FakeRegistry(clock)
sim = Simulation(rooms, sources=registry.sources(), executors=registry.executors(lambda: sim.kube.count_write()))
registry.add("ml.flights", "s3://bucle/mlflow/m1", tags={…}); registry.point("ml.flights", "challenger", 1)
registry.down = "connection refused"      # every read is Unavailable, every effect fails
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from tests.support.fakes.clock import FakeClock

from bucle.contracts import registry_tags
from bucle.engine.plan import EffectFailed, EffectRefused
from bucle.engine.reads import Absent, Known, Observation, Unavailable
from bucle.externals.registry.values import (
    CloseOpenRuns,
    CloseRun,
    EnsureRun,
    ModelVersion,
    RegisterVersion,
    Run,
    RunsByTag,
    SetAlias,
    TagRun,
    TagVersion,
    VersionByAlias,
    VersionByNumber,
    VersionsByTag,
    pairs,
)

READS = (VersionByAlias, VersionByNumber, VersionsByTag, RunsByTag)
EFFECTS = (EnsureRun, CloseRun, CloseOpenRuns, RegisterVersion, SetAlias, TagVersion, TagRun)


@dataclass
class FakeRegistry:
    """`effects` lists everything that was carried out, in order."""

    place = "MLflow in memory"

    clock: FakeClock
    down: str | None = None
    fails_next: int = 0
    """So many effects fail, whatever they are; reads still answer."""
    fails: dict[type, str] = field(default_factory=dict)
    """Effects of that type fail until it is taken out, with these words."""
    reserved: set[str] = field(default_factory=set)
    """Names of aliases that this registry does not take, now or later."""
    meanwhile: list[Callable[[], None]] = field(default_factory=list)
    """What others do between the next look and the write that follows from it."""
    versions: dict[tuple[str, int], ModelVersion] = field(default_factory=dict)
    aliases: dict[tuple[str, str], int] = field(default_factory=dict)
    runs: dict[str, list[Run]] = field(default_factory=dict)
    closed: list[CloseRun] = field(default_factory=list)
    effects: list[Any] = field(default_factory=list)
    count_write: Callable[[], None] = lambda: None

    def sources(self) -> dict[type, Any]:
        return dict.fromkeys(READS, self)

    def executors(self, count_write: Callable[[], None] = lambda: None) -> dict[type, Any]:
        self.count_write = count_write
        return dict.fromkeys(EFFECTS, self)

    def add(self, model: str, source: str, tags: Mapping[str, str] | None = None, run_id: str | None = None) -> int:
        """Registers the next version; returns its number."""
        number = 1 + max((v for m, v in self.versions if m == model), default=0)
        self.versions[model, number] = ModelVersion(model, number, source, run_id, (), pairs(dict(tags or {})))
        return number

    def point(self, model: str, alias: str, version: int) -> None:
        self.aliases[model, alias] = version

    def tag(self, model: str, version: int, key: str, value: str) -> None:
        """As a person does it."""
        old = self.versions[model, version]
        self.versions[model, version] = replace(old, tags=pairs({**dict(old.tags), key: value}))

    def tags(self, model: str, version: int) -> dict[str, str]:
        return dict(self.versions[model, version].tags)

    async def read(self, read: Any) -> Observation[Any]:
        if self.down is not None:
            return Unavailable(self.down)
        found = self._answer(read)
        return Absent(self.clock.now()) if found is None else Known(found, self.clock.now())

    def _answer(self, read: Any) -> Any:
        match read:
            case VersionByAlias(model, alias):
                return self._version(model, self.aliases.get((model, alias)))
            case VersionByNumber(model, version):
                return self._version(model, version)
            case VersionsByTag(model, key, value):
                mine = sorted((v for m, v in self.versions if m == model))
                return tuple(f for n in mine if (f := self._version(model, n)) is not None and f.tag(key) == value)
            case RunsByTag(experiment, key, value):
                return tuple(run for run in self.runs.get(experiment, []) if run.tag(key) == value)
        raise AssertionError(f"the fake registry cannot answer {read}")

    def _version(self, model: str, number: int | None) -> ModelVersion | None:
        found = self.versions.get((model, number)) if number is not None else None
        if found is None:
            return None
        named = tuple(sorted(a for (m, a), v in self.aliases.items() if m == model and v == number))
        return replace(found, aliases=named)

    async def execute(self, effect: Any) -> None:
        if self.down is not None:
            raise EffectFailed(f"{type(effect).__name__}: {self.down}")
        if self.fails_next:
            self.fails_next -= 1
            raise EffectFailed(f"{type(effect).__name__}: 500 internal error")
        while self.meanwhile:
            self.meanwhile.pop()()
        if type(effect) in self.fails:
            raise EffectFailed(self.fails[type(effect)])
        if isinstance(effect, SetAlias) and effect.alias in self.reserved:
            raise EffectRefused(f"'{effect.alias}' alias name is reserved.")
        self.effects.append(effect)
        self._carry_out(effect)
        self.count_write()

    def _carry_out(self, effect: Any) -> None:
        match effect:
            case SetAlias(model, alias, version, digest, instead_of):
                self._same(model, version, digest)
                if self.aliases.get((model, alias)) not in (version, instead_of):
                    raise EffectFailed(f"alias {alias} of {model} was moved meanwhile")
                self.aliases[model, alias] = version
            case TagVersion(model, version, digest, key, value):
                old = self._same(model, version, digest)
                self.versions[model, version] = replace(old, tags=pairs({**dict(old.tags), key: value}))
            case RegisterVersion(model, source, key, run_id, tags):
                known = any(m == model and v.tag(registry_tags.TAG_KEY) == key for (m, _), v in self.versions.items())
                if not known:
                    self.add(model, source, {**dict(tags), registry_tags.TAG_KEY: key}, run_id)
            case EnsureRun(experiment, key, name, tags):
                runs = self.runs.setdefault(experiment, [])
                if not any(run.tag(registry_tags.TAG_KEY) == key for run in runs):
                    number = sum(map(len, self.runs.values()))
                    runs.append(Run(f"run{number}", name, "RUNNING", pairs({**dict(tags), registry_tags.TAG_KEY: key})))
            case CloseRun(run_id, status, _, _, tags):
                self.closed.append(effect)
                self._change_run(run_id, status=status, tags=dict(tags))
            case CloseOpenRuns(experiment, owner):
                self._close_open(experiment, owner)
            case TagRun(run_id, key, value):
                self._change_run(run_id, tags={key: value})

    def _close_open(self, experiment: str, owner: str) -> None:
        for run in tuple(self.runs.get(experiment, ())):
            if run.open and run.tag(registry_tags.TAG_OWNER) == owner:
                self._change_run(run.run_id, tags={}, status="KILLED")

    def _same(self, model: str, version: int, digest: str) -> ModelVersion:
        found = self.versions.get((model, version))
        if found is None or found.digest != digest:
            raise EffectFailed(f"version {version} of {model} is another model by now")
        return found

    def _change_run(self, run_id: str, tags: Mapping[str, str], status: Any = None) -> None:
        for runs in self.runs.values():
            for index, run in enumerate(runs):
                if run.run_id == run_id:
                    merged = pairs({**dict(run.tags), **tags})
                    runs[index] = replace(run, status=status or run.status, tags=merged)
