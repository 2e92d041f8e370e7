"""Smallest valid object of each kind, and a way to change one thing in it."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

REFERENCE = Path(__file__).parents[3] / "docs" / "reference"

JsonObject = dict[str, Any]

REMOVED = object()
"""As a new value: the field is taken out."""

DIGEST = "sha256:" + "a" * 64

_SPECS: dict[str, JsonObject] = {
    "Dataset": {
        "sources": [{"uri": {"location": "s3://bucle/raw/flights.parquet", "parquet": {}}}],
        "schema": {
            "target": {"name": "late", "task": "Binary", "positive": "1"},
            "columns": [
                {"name": "hour", "type": "Integer"},
                {"name": "flight_id", "type": "Text", "role": "Id"},
                {"name": "time_hour", "type": "Timestamp", "role": "Time"},
            ],
        },
        "expectations": [{"name": "filled", "dimension": "Completeness", "nulls": {"column": "hour", "maxPercent": 1}}],
        "splits": {"hash": {"key": "flight_id"}},
    },
    "Experiment": {
        "dataset": {"name": "flights"},
        "objective": {"metric": "log_loss"},
        "trainer": {
            "sklearn": {
                "estimator": {"class": "sklearn.linear_model.LogisticRegression", "params": {"max_iter": "200"}},
                "preprocessing": [
                    {"types": ["Category"], "steps": [{"class": "sklearn.preprocessing.OrdinalEncoder"}]}
                ],
            }
        },
        "parameters": [{"name": "estimator__C", "float": {"min": "0.01", "max": "10", "scale": "Log"}}],
        "gates": [{"metric": "log_loss", "maximum": "0.65"}],
        "champion": {"metric": "log_loss"},
        "register": {"model": "flights"},
        "limits": {"maxTrials": 4},
        "run": 1,
    },
    "ModelDeployment": {
        "model": {"registered": {"name": "flights", "alias": "challenger"}},
        "promote": {"alias": "champion"},
        "rollout": {
            "steps": [
                {"shadow": {"until": {"samples": 100, "groups": 5}, "gates": ["errors", "quality"]}},
                {"weight": {"percent": 10, "until": {"samples": 100}, "gates": ["errors"]}},
                {"weight": {"percent": 50, "gates": ["errors"]}},
            ],
            "soak": {"gates": ["errors"]},
        },
        "gates": [
            {"name": "errors", "errorRate": {"maxIncrease": "0.005"}},
            {"name": "quality", "quality": {"metric": "log_loss", "margin": "0.005"}},
        ],
    },
    "DriftPolicy": {
        "target": {"modelDeployment": "flights"},
        "windows": {"rows": 5000},
        "signals": [{"name": "loss", "performance": {"metric": "log_loss", "maxDegradation": "0.03"}}],
        "actions": [{"when": ["loss"], "do": "Retrain"}],
        "retrain": {"experiment": "flights", "training": {"feedback": {"rows": 25000}}},
    },
}


def valid(kind: str, changes: Mapping[str, Any] | None = None) -> JsonObject:
    """The kind's smallest object, changed at dotted paths such as `spec.sources.0.uri.csv`."""
    result: JsonObject = {
        "apiVersion": "bucle.dev/v1alpha1",
        "kind": kind,
        "metadata": {"name": "flights"},
        "spec": copy.deepcopy(_SPECS[kind]),
    }
    for path, value in (changes or {}).items():
        *parents, last = path.split(".")
        node: Any = result
        for part in parents:
            node = node[int(part)] if isinstance(node, list) else node[part]
        if value is REMOVED:
            del node[last]
        elif isinstance(node, list) and int(last) == len(node):
            node.append(value)
        else:
            node[int(last) if isinstance(node, list) else last] = value
    return result


def example_in_the_reference(kind: str) -> JsonObject:
    """The example that a reader of the kind's page copies."""
    page = (REFERENCE / f"{kind.lower()}.md").read_text(encoding="utf-8")
    example: JsonObject = yaml.safe_load(page.split("```yaml\n", 1)[1].split("```", 1)[0])
    return example
