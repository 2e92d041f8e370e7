"""Answers reads on the registry. An outage is `Unavailable`, never `Absent`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from functools import partial
from typing import Any

from bucle.engine.reads import Absent, Known, Observation, Source, Unavailable
from bucle.externals.registry.client import MISSING, MlflowClient, RegistryError
from bucle.externals.registry.values import (
    ModelVersion,
    Run,
    RunsByTag,
    VersionByAlias,
    VersionByNumber,
    VersionsByTag,
    pairs,
)
from bucle.externals.slow_answers import Kept

PAGE = 100
"""Each page has its own two seconds: 501 runs of 20 parameters in one answer never came in time."""
PAGES = 50


def quoted(value: str) -> str:
    """A value inside a filter. MLflow's grammar has no escape for the quote, so a value with one cannot be asked for."""
    if "'" in value:
        raise RegistryError(f"{value!r} holds a quote and cannot be searched for in MLflow")
    return f"'{value}'"


def version_of(raw: dict[str, Any]) -> ModelVersion:
    return ModelVersion(
        model=raw["name"],
        version=int(raw["version"]),
        source=raw.get("source", ""),
        run_id=raw.get("run_id") or None,
        aliases=tuple(sorted(raw.get("aliases") or ())),
        tags=_tags(raw),
    )


def run_of(raw: dict[str, Any]) -> Run:
    info = raw["info"]
    return Run(info["run_id"], info.get("run_name", ""), info["status"], _tags(raw.get("data") or {}))


def _tags(raw: dict[str, Any]) -> tuple[tuple[str, str], ...]:
    found = {tag["key"]: tag.get("value", "") for tag in raw.get("tags") or ()}
    return pairs({key: value for key, value in found.items() if not key.startswith("mlflow.")})


async def experiment_id(client: MlflowClient, name: str) -> str:
    """The id of that experiment; RegistryError (`missing`) when there is none, or when it was deleted."""
    found = (await client.get("experiments/get-by-name", {"experiment_name": name}))["experiment"]
    if found.get("lifecycle_stage") == "deleted":
        raise RegistryError(
            f"MLflow's experiment {name!r} was deleted, and MLflow never gives such a name away again: "
            f"restore it with `mlflow experiments restore -x {found['experiment_id']}`"
        )
    return str(found["experiment_id"])


async def find_runs(client: MlflowClient, read: RunsByTag) -> tuple[Run, ...]:
    try:
        ids = [await experiment_id(client, read.experiment)]
    except RegistryError as error:
        if error.missing:
            return ()
        raise
    body: dict[str, Any] = {
        "experiment_ids": ids,
        "filter": f"tags.`{read.key}` = {quoted(read.value)}",
        "max_results": PAGE,
        "order_by": ["attributes.start_time ASC", "attributes.run_id ASC"],
    }
    return tuple(run_of(raw) for raw in await _pages(partial(client.post, "runs/search", seconds=2.0), body, "runs"))


async def find_versions(client: MlflowClient, read: VersionsByTag) -> tuple[ModelVersion, ...]:
    query = {
        "filter": f"name = {quoted(read.model)} and tags.`{read.key}` = {quoted(read.value)}",
        "max_results": str(PAGE),
    }
    versions = [
        version_of(raw) for raw in await _pages(partial(client.get, "model-versions/search"), query, "model_versions")
    ]
    return tuple(sorted(versions, key=lambda version: version.version))


async def _pages(
    ask: Callable[[dict[str, Any]], Awaitable[dict[str, Any]]], question: dict[str, Any], part: str
) -> list[dict[str, Any]]:
    """All items of an answer that MLflow gives page by page."""
    items: list[dict[str, Any]] = []
    for _ in range(PAGES):
        found = await ask(question)
        items += found.get(part) or ()
        token = found.get("next_page_token")
        if not token:
            return items
        question = {**question, "page_token": token}
    raise RegistryError(f"MLflow has more than {PAGE * PAGES} {part} for one question: delete old ones there")


async def version_by_alias(client: MlflowClient, read: VersionByAlias) -> ModelVersion:
    try:
        found = await client.get("registered-models/alias", {"name": read.model, "alias": read.alias})
    except RegistryError as error:
        # MLflow calls an alias that an existing model does not have a wrong parameter, not a missing resource.
        if error.code == "INVALID_PARAMETER_VALUE" and "not found" in str(error):
            raise RegistryError(str(error), MISSING) from error
        raise
    return version_of(found["model_version"])


async def version_by_number(client: MlflowClient, read: VersionByNumber) -> ModelVersion:
    found = await client.get("model-versions/get", {"name": read.model, "version": str(read.version)})
    return version_of(found["model_version"])


class RegistrySource:
    """One type of read, answered by one function."""

    def __init__(self, client: MlflowClient, answer: Callable[[MlflowClient, Any], Awaitable[Any]]) -> None:
        self._client = client
        self._answer = answer

    @property
    def place(self) -> str:
        return self._client.place

    async def _found(self, read: Any) -> Any:
        return await self._answer(self._client, read)

    async def read(self, read: Any) -> Observation[Any]:
        try:
            return Known(await self._found(read), datetime.now(UTC))
        except RegistryError as error:
            return Absent(datetime.now(UTC)) if error.missing else Unavailable(str(error))


class PagedSource(RegistrySource):
    """An answer of many pages takes longer than a look: it is kept for the look after the one that asked."""

    def __init__(self, client: MlflowClient, answer: Callable[[MlflowClient, Any], Awaitable[Any]]) -> None:
        super().__init__(client, answer)
        self._kept: Kept[Any] = Kept()

    async def _found(self, read: Any) -> Any:
        return await self._kept.answer(read, partial(super()._found, read))


def sources(client: MlflowClient) -> dict[type, Source]:
    """The sources of all registry reads, by the type of read."""
    return {
        VersionByAlias: RegistrySource(client, version_by_alias),
        VersionByNumber: RegistrySource(client, version_by_number),
        VersionsByTag: PagedSource(client, find_versions),
        RunsByTag: PagedSource(client, find_runs),
    }
