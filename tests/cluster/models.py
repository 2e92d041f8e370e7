"""Real models for the bad days of serving: made by Experiments from flights, good or spoilt, and moved about in MLflow.

What is spoilt is the data alone; a spoilt model is searched, fitted and registered like any other.
"""

from __future__ import annotations

import json
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass
from typing import Any

import pandas as pd
from hack.demo.install import SYSTEM, Installation
from tests.cluster.scene import JsonObject, Scene, ready, sample

MODEL = "flights"
TRAINED = "trained"
"""Alias that Experiments set; what is served follows another one, which a test moves when it is its turn."""
FOLLOWED = "challenger"
MLFLOW_HOST = "bucle-mlflow:5000"
WHOLE_DAY = {"minimum": "0", "maximum": "23"}


def labels_shuffled(frame: pd.DataFrame) -> pd.DataFrame:
    """Every flight with the outcome of another one."""
    return frame.assign(late=frame["late"].sample(frac=1, random_state=7).to_numpy())


def columns_swapped(frame: pd.DataFrame) -> pd.DataFrame:
    """The hour where the weekday belongs, and the other way round."""
    return frame.assign(hour=frame["weekday"], weekday=frame["hour"])


@dataclass(frozen=True)
class Version:
    """A registered version as the registry knows it. `model` is the registry's name, with the namespace."""

    model: str
    number: int
    uri: str
    digest: str


@dataclass(frozen=True)
class Recipe:
    """One Dataset and one Experiment of the same name; a wide weekday lets swapped columns through the schema."""

    name: str
    rows: pd.DataFrame
    iterations: int = 100
    wide_weekday: bool = False

    @property
    def location(self) -> str:
        return f"s3://bucle/raw/rollout/{self.name}.parquet"

    def manifests(self) -> tuple[JsonObject, JsonObject]:
        dataset = sample("Dataset", self.name, {"spec.sources.0.uri.location": self.location})
        if self.wide_weekday:
            weekday = next(c for c in dataset["spec"]["schema"]["columns"] if c["name"] == "weekday")
            weekday.update(WHOLE_DAY)
        experiment = sample(
            "Experiment",
            self.name,
            {
                "spec.dataset.name": self.name,
                "spec.trainer.sklearn.estimator.params.max_iter": str(self.iterations),
                "spec.parameters": None,
                "spec.champion": None,
                "spec.gates": None,
                "spec.limits": {"maxTrials": 1, "parallelTrials": 1, "maxFailedTrials": 0, "trialTimeout": "5m"},
                "spec.register": {"model": MODEL, "alias": TRAINED},
            },
        )
        return dataset, experiment


def upload(installation: Installation, recipe: Recipe) -> None:
    store = installation.object_store()
    with store.open_output_stream(recipe.location.removeprefix("s3://")) as sink:
        recipe.rows.drop(columns=["month", "day"]).to_parquet(sink, index=False)


def train(stage: Scene, *recipes: Recipe) -> list[Version]:
    """Their versions, trained side by side: all under one registered name, none of them followed yet."""
    for recipe in recipes:
        upload(stage.installation, recipe)
        stage.apply(*recipe.manifests())
    return [version_of(stage.until("experiments", r.name, ready("Registered"), within=420)) for r in recipes]


def version_of(experiment: JsonObject) -> Version:
    model = experiment["status"]["final"]["model"]
    return Version(model["name"], int(model["version"]), model["uri"], model["digest"])


@dataclass(frozen=True)
class Registry:
    """MLflow by its REST interface, asked from outside the cluster."""

    address: str

    @classmethod
    def of(cls, installation: Installation) -> Registry:
        return cls(f"http://{installation.service_ip(f'bucle-mlflow.{SYSTEM}')}:5000/api/2.0/mlflow")

    def follow(self, version: Version) -> None:
        """What the ModelDeployments that follow the challenger will load next."""
        body = {"name": version.model, "alias": FOLLOWED, "version": str(version.number)}
        self._ask("POST", "registered-models/alias", body)

    def alias(self, model: str, alias: str) -> int:
        query = urllib.parse.urlencode({"name": model, "alias": alias})
        return int(self._ask("GET", f"registered-models/alias?{query}")["model_version"]["version"])

    def tags(self, version: Version) -> dict[str, str]:
        query = urllib.parse.urlencode({"name": version.model, "version": version.number})
        found = self._ask("GET", f"model-versions/get?{query}")["model_version"]
        return {tag["key"]: tag["value"] for tag in found.get("tags", [])}

    def register(self, model: str, uri: str, digest: str) -> Version:
        """A version made by hand, as a person or another pipeline would."""
        tags = [{"key": "bucle.dev/model-digest", "value": digest}]
        made = self._ask("POST", "model-versions/create", {"name": model, "source": uri, "tags": tags})
        return Version(model, int(made["model_version"]["version"]), uri, digest)

    def _ask(self, method: str, path: str, body: JsonObject | None = None) -> dict[str, Any]:
        request = urllib.request.Request(  # the server answers to its own names only
            f"{self.address}/{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Host": MLFLOW_HOST, "Content-Type": "application/json"},
        )
        try:
            with urllib.request.urlopen(request, timeout=15) as answer:
                found: dict[str, Any] = json.load(answer)
                return found
        except urllib.error.HTTPError as error:
            raise AssertionError(f"MLflow refused {method} {path}: {error.read()[:400]!r}") from error


def deployment(name: str, changes: dict[str, Any] | None = None) -> JsonObject:
    """The demo's ModelDeployment under another name, following the challenger of MODEL."""
    return sample(
        "ModelDeployment", name, {"spec.model.registered": {"name": MODEL, "alias": FOLLOWED}, **(changes or {})}
    )


@dataclass(frozen=True)
class Trained:
    """Two honest small models of the same flights, the second with fewer trees, and a month of flights to call them with."""

    scene: Scene
    registry: Registry
    first: Version
    second: Version
    days: pd.DataFrame
