"""Carries out effects on the registry. Each looks before it writes, because MLflow has no idempotency keys."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

from bucle.contracts.registry_tags import TAG_KEY, TAG_MODEL_DIGEST, TAG_OWNER
from bucle.engine.plan import EffectFailed, EffectRefused, Executor
from bucle.externals.registry.client import MlflowClient, RegistryError
from bucle.externals.registry.sources import (
    experiment_id,
    find_runs,
    find_versions,
    version_by_alias,
    version_by_number,
)
from bucle.externals.registry.values import (
    CloseOpenRuns,
    CloseRun,
    EnsureRun,
    Pairs,
    RegisterVersion,
    RunsByTag,
    SetAlias,
    TagRun,
    TagVersion,
    VersionByAlias,
    VersionByNumber,
    VersionsByTag,
)

PARAM_LIMIT = 100
"""MLflow takes at most so many parameters or tags in one log-batch request."""


def _now_ms() -> int:
    return int(datetime.now(UTC).timestamp() * 1000)


def _listed(values: Pairs) -> list[dict[str, str]]:
    return [{"key": key, "value": value} for key, value in values]


async def _existing_or_new_experiment(client: MlflowClient, name: str) -> str:
    try:
        return await experiment_id(client, name)
    except RegistryError as error:
        if not error.missing:
            raise
    try:
        return str((await client.post("experiments/create", {"name": name}))["experiment_id"])
    except RegistryError as error:
        if not error.exists:
            raise
    return await experiment_id(client, name)


async def ensure_run(client: MlflowClient, effect: EnsureRun) -> None:
    if await find_runs(client, RunsByTag(effect.experiment, TAG_KEY, effect.key)):
        return
    body = {
        "experiment_id": await _existing_or_new_experiment(client, effect.experiment),
        "run_name": effect.name,
        "start_time": _now_ms(),
        "tags": _listed((*effect.tags, (TAG_KEY, effect.key))),
    }
    await client.post("runs/create", body)


async def close_run(client: MlflowClient, effect: CloseRun) -> None:
    """Status comes last: a run that is still open is closed again, and logging the same values twice is allowed."""
    moment = _now_ms()
    metrics = [{"key": k, "value": float(v), "timestamp": moment, "step": 0} for k, v in effect.metrics]
    for start in range(0, max(len(effect.params), 1), PARAM_LIMIT):
        body: dict[str, Any] = {"run_id": effect.run_id, "params": _listed(effect.params[start : start + PARAM_LIMIT])}
        if start == 0:
            body |= {"metrics": metrics, "tags": _listed(effect.tags)}
        await client.post("runs/log-batch", body)
    await client.post("runs/update", {"run_id": effect.run_id, "status": effect.status, "end_time": moment})


async def close_open_runs(client: MlflowClient, effect: CloseOpenRuns) -> None:
    for run in await find_runs(client, RunsByTag(effect.experiment, TAG_OWNER, effect.owner)):
        if run.open:
            await client.post("runs/update", {"run_id": run.run_id, "status": "KILLED", "end_time": _now_ms()})


async def register_version(client: MlflowClient, effect: RegisterVersion) -> None:
    try:
        await client.post("registered-models/create", {"name": effect.model})
    except RegistryError as error:
        if not error.exists:
            raise
    if await find_versions(client, VersionsByTag(effect.model, TAG_KEY, effect.key)):
        return
    body: dict[str, Any] = {
        "name": effect.model,
        "source": effect.source,
        "tags": _listed((*effect.tags, (TAG_KEY, effect.key))),
    }
    if effect.run_id:
        body["run_id"] = effect.run_id
    await client.post("model-versions/create", body)


async def _check_digest(client: MlflowClient, effect: SetAlias | TagVersion) -> None:
    found = (await version_by_number(client, VersionByNumber(effect.model, effect.version))).digest
    if found != effect.digest:
        raise RegistryError(
            f"version {effect.version} of {effect.model} in MLflow is another model by now: its tag {TAG_MODEL_DIGEST} "
            f"is {found or 'missing'}, not {effect.digest}; nothing was written, and it is decided anew"
        )


async def set_alias(client: MlflowClient, effect: SetAlias) -> None:
    await _check_digest(client, effect)
    try:
        current = (await version_by_alias(client, VersionByAlias(effect.model, effect.alias))).version
    except RegistryError as error:
        if not error.missing:
            raise
        current = None
    if current == effect.version:
        return
    if current != effect.instead_of:
        raise RegistryError(
            f"alias {effect.alias} of {effect.model} in MLflow was moved meanwhile: it is at version {current}, not at "
            f"{effect.instead_of}; nothing was written, and it is decided anew"
        )
    body = {"name": effect.model, "alias": effect.alias, "version": str(effect.version)}
    await client.post("registered-models/alias", body)


async def tag_version(client: MlflowClient, effect: TagVersion) -> None:
    await _check_digest(client, effect)
    body = {"name": effect.model, "version": str(effect.version), "key": effect.key, "value": effect.value}
    await client.post("model-versions/set-tag", body)


async def tag_run(client: MlflowClient, effect: TagRun) -> None:
    await client.post("runs/set-tag", {"run_id": effect.run_id, "key": effect.key, "value": effect.value})


class RegistryExecutor:
    """One type of effect, carried out by one function."""

    def __init__(self, client: MlflowClient, carry_out: Callable[[MlflowClient, Any], Awaitable[None]]) -> None:
        self._client = client
        self._carry_out = carry_out

    @property
    def place(self) -> str:
        return self._client.place

    async def execute(self, effect: Any) -> None:
        try:
            await self._carry_out(self._client, effect)
        except RegistryError as error:
            if error.refused:
                raise EffectRefused(str(error)) from error
            raise EffectFailed(str(error)) from error


def executors(client: MlflowClient) -> dict[type, Executor]:
    """The executors of all registry effects, by the type of effect."""
    return {
        EnsureRun: RegistryExecutor(client, ensure_run),
        CloseRun: RegistryExecutor(client, close_run),
        CloseOpenRuns: RegistryExecutor(client, close_open_runs),
        RegisterVersion: RegistryExecutor(client, register_version),
        SetAlias: RegistryExecutor(client, set_alias),
        TagVersion: RegistryExecutor(client, tag_version),
        TagRun: RegistryExecutor(client, tag_run),
    }
