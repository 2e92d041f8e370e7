"""The CEL rules of ModelDeployment and DriftPolicy, each tried both ways."""

from __future__ import annotations

from typing import Any

from tests.support.rules.objects import DIGEST, REMOVED
from tests.support.rules.rule_case import FREE_ALIAS, TIME_LIMIT, RuleCase, one_of

_STEP = "spec.rollout.steps."
_QUALITY = "spec.gates.1.quality"
_BY_DAY = {"metric": "mae", "groupBy": {"column": "day", "unit": "Day"}}

DEPLOYMENT = [
    *(
        RuleCase("ModelDeployment", f".spec.{owner}.alias", FREE_ALIAS, {f"spec.{owner}.alias": "next"}, refused)
        for owner, refused in (
            ("promote", {"spec.promote.alias": "latest"}),
            ("model.registered", {"spec.model.registered.alias": "V12"}),
        )
    ),
    RuleCase(
        "ModelDeployment",
        ".spec.serving.loadTimeout",
        TIME_LIMIT,
        {"spec.serving": {"builtin": {}, "loadTimeout": "90s"}},
        {"spec.serving": {"builtin": {}, "loadTimeout": "0s"}},
    ),
    RuleCase(
        "ModelDeployment",
        ".spec.feedback.horizon",
        TIME_LIMIT,
        {"spec.feedback": {"horizon": "720h"}},
        {"spec.feedback": {"horizon": "0s"}},
    ),
    RuleCase(
        "ModelDeployment",
        ".spec.feedback.quarantine",
        "`quarantine` must have at least one of `labelsPerHour`, `sameLabels` and `datedBefore`",
        {"spec.feedback": {"quarantine": {"datedBefore": "1h"}}},
        {"spec.feedback": {"quarantine": {"allow": [{"source": "nightly", "hour": "2026-01-31T09:00:00Z"}]}}},
    ),
    *(
        RuleCase(
            "ModelDeployment",
            f".spec.rollout.steps[].{step}.until.maxDuration",
            TIME_LIMIT,
            {f"spec.rollout.steps.{number}.{step}.until": {"maxDuration": "1m"}},
            {f"spec.rollout.steps.{number}.{step}.until": {"maxDuration": "500ms"}},
        )
        for number, step in ((0, "shadow"), (1, "weight"))
    ),
    RuleCase(
        "ModelDeployment",
        ".spec",
        "`capture.drop` must not list the column of a gate's `groupBy`: its groups would never be seen",
        {"spec.capture": {"drop": ["hour"]}, "spec.gates.1.quality.groupBy": {"column": "day"}},
        {"spec.capture": {"drop": ["day"]}, "spec.gates.1.quality.groupBy": {"column": "day"}},
    ),
    RuleCase(
        "ModelDeployment",
        ".spec",
        "`rollout.steps` must only name gates listed under `gates`",
        {_STEP + "0.shadow.gates": ["quality"]},
        {_STEP + "1.weight.gates": ["absent"]},
    ),
    RuleCase(
        "ModelDeployment",
        ".spec",
        "`rollout.steps` must only name gates listed under `gates`",
        {_STEP + "0.shadow": {"until": {"samples": 100}, "gates": []}},
        {_STEP + "0.shadow.gates": ["absent"]},
    ),
    RuleCase(
        "ModelDeployment",
        ".spec",
        "`rollout.soak.gates` must only name gates listed under `gates`",
        {"spec.rollout.soak": {"duration": "1m"}},
        {"spec.rollout.soak.gates": ["absent"]},
    ),
    RuleCase(
        "ModelDeployment",
        ".spec",
        "a quality gate must only be used in shadow steps: a weight gives no pairs",
        {_STEP + "1.weight.gates": ["errors"]},
        {_STEP + "1.weight.gates": ["quality"]},
    ),
    RuleCase(
        "ModelDeployment",
        ".spec",
        "a quality gate must only be used in shadow steps: a weight gives no pairs",
        {"spec.rollout.soak.gates": ["errors"]},
        {"spec.rollout.soak.gates": ["quality"]},
    ),
    RuleCase(
        "ModelDeployment",
        ".spec",
        "`gates` must have at most one quality gate: the judge answers one question",
        {"spec.gates.2": {"name": "more", "errorRate": {"maxIncrease": "0"}}},
        {"spec.gates.2": {"name": "more", "quality": {"metric": "roc_auc"}}},
    ),
    RuleCase(
        "ModelDeployment",
        ".spec",
        "`until.groups` must only be set in a step with a quality gate: no other gate counts groups",
        {"spec.rollout.steps.0.shadow": {"until": {"samples": 100}, "gates": ["errors"]}},
        {"spec.rollout.steps.0.shadow.gates": ["errors"]},
    ),
    RuleCase(
        "ModelDeployment",
        ".spec",
        "`promote` must only be set with `model.registered`",
        {"spec.model": {"artifact": {"uri": "s3://bucle/m", "digest": DIGEST}}, "spec.promote": REMOVED},
        {"spec.model": {"artifact": {"uri": "s3://bucle/m", "digest": DIGEST}}},
    ),
    RuleCase(
        "ModelDeployment",
        ".spec.gates[].quality",
        "`mix.days` and `mix.referenceDays` must only be set with `groupBy.unit: Day`",
        {_QUALITY: {"metric": "mae", "groupBy": {"column": "day", "unit": "Day"}, "mix": {"referenceDays": 30}}},
        {_QUALITY: {"metric": "mae", "groupBy": {"column": "day", "unit": "Week"}, "mix": {"referenceDays": 30}}},
    ),
    RuleCase(
        "ModelDeployment",
        ".spec.gates[].quality.mix",
        one_of("days", "referenceDays", "classes"),
        {_QUALITY + ".mix": {"classes": {"1": "1"}}},
        {_QUALITY + ".mix": {"classes": {"1": "1"}, "referenceDays": 30}},
    ),
    RuleCase(
        "ModelDeployment",
        ".spec.gates[].quality.mix",
        "`classes` must be shares that add up to 1",
        {_QUALITY + ".mix": {"classes": {"a": "0.1", "b": "0.2", "c": "0.7"}}},
        {_QUALITY + ".mix": {"classes": {"a": "0.5", "b": "0.6", "c": "-0.1"}}},
    ),
    RuleCase(
        "ModelDeployment",
        ".spec.gates[].quality.mix",
        "`classes` must be shares that add up to 1",
        {_QUALITY + ".mix": {"classes": {"a": "0.25", "b": "7.5e-1"}}},
        {_QUALITY + ".mix": {"classes": {"a": "0.25", "b": "0.74"}}},
    ),
    RuleCase(
        "ModelDeployment",
        ".spec.gates[].quality.mix.days",
        "`from` must not be later than `to`",
        {_QUALITY: {**_BY_DAY, "mix": {"days": {"from": "2013-06-01", "to": "2013-06-01"}}}},
        {_QUALITY: {**_BY_DAY, "mix": {"days": {"from": "2013-06-02", "to": "2013-06-01"}}}},
    ),
    RuleCase(
        "ModelDeployment",
        ".spec.model",
        one_of("registered", "artifact"),
        {"spec.model.registered.alias": "next"},
        {"spec.model.artifact": {"uri": "s3://bucle/m", "digest": DIGEST}},
    ),
    RuleCase(
        "ModelDeployment",
        ".spec.model.registered",
        one_of("alias", "version"),
        {"spec.model.registered": {"name": "flights", "version": 3}},
        {"spec.model.registered.version": 3},
    ),
    RuleCase(
        "ModelDeployment",
        ".spec.rollout",
        "shadow steps must come before weight steps, and every weight must be greater than the one before",
        {_STEP + "2.weight.percent": 100},
        {_STEP + "2.weight.percent": 10},
    ),
    RuleCase(
        "ModelDeployment",
        ".spec.rollout",
        "shadow steps must come before weight steps, and every weight must be greater than the one before",
        {"spec.rollout.steps": [{"shadow": {}}, {"shadow": {}}, {"weight": {"percent": 1}}]},
        {"spec.rollout.steps": [{"weight": {"percent": 1}}, {"shadow": {}}]},
    ),
    RuleCase(
        "ModelDeployment",
        ".spec.rollout.steps[]",
        one_of("shadow", "weight"),
        {"spec.rollout.steps": [{"shadow": {}}]},
        {"spec.rollout.steps": [{}]},
    ),
    RuleCase(
        "ModelDeployment",
        ".spec.rollout.steps[].shadow.until",
        "`minDuration` must not be longer than `maxDuration`",
        {_STEP + "0.shadow.until": {"minDuration": "60m", "maxDuration": "1h"}},
        {_STEP + "0.shadow.until": {"minDuration": "61m", "maxDuration": "1h"}},
    ),
    RuleCase(
        "ModelDeployment",
        ".spec.rollout.steps[].weight",
        "`until.groups` must only be set in shadow steps",
        {_STEP + "1.weight.until": {"samples": 5}},
        {_STEP + "1.weight.until": {"groups": 5}},
    ),
    RuleCase(
        "ModelDeployment",
        ".spec.rollout.steps[].weight.until",
        "`minDuration` must not be longer than `maxDuration`",
        {_STEP + "1.weight.until": {"minDuration": "24h"}},
        {_STEP + "1.weight.until": {"minDuration": "24h1ms"}},
    ),
    RuleCase(
        "ModelDeployment",
        ".spec.gates[]",
        one_of("errorRate", "quality"),
        {"spec.gates.2": {"name": "more", "errorRate": {"maxIncrease": "0"}}},
        {"spec.gates.2": {"name": "more"}},
    ),
    RuleCase(
        "ModelDeployment",
        ".spec.gates[].errorRate",
        "`maxIncrease` must be at least 0 and less than 1",
        {"spec.gates.0.errorRate.maxIncrease": "0"},
        {"spec.gates.0.errorRate.maxIncrease": "1"},
    ),
    RuleCase(
        "ModelDeployment",
        ".spec.gates[].quality",
        "`margin` must not be negative",
        {"spec.gates.1.quality.margin": "0.0"},
        {"spec.gates.1.quality.margin": "-0.01"},
    ),
]

_NULLS: dict[str, Any] = {"name": "loss", "dataQuality": {"maxNullPercent": 5}}
_WATCH: list[dict[str, Any]] = [{"when": ["loss"], "do": "Alert"}]


def _served(**kind: dict[str, Any]) -> dict[str, Any]:
    """Changes to a policy that watches by one signal without labels."""
    return {"spec.signals": [{"name": "loss", **kind}], "spec.actions": _WATCH}


POLICY = [
    RuleCase(
        "DriftPolicy",
        ".spec.windows",
        "exactly one of `rows`, `duration` must be set",
        {"spec.windows": {"duration": "24h", "align": "Day"}},
        {"spec.windows": {"rows": 5000, "duration": "24h"}},
    ),
    RuleCase(
        "DriftPolicy",
        ".spec.windows",
        "`align` must only be set with `duration`",
        {"spec.windows": {"duration": "168h", "align": "Week"}},
        {"spec.windows": {"rows": 5000, "align": "Day"}},
    ),
    RuleCase(
        "DriftPolicy",
        ".spec.windows",
        "`duration` must be at least 1m",
        {"spec.windows": {"duration": "1m"}},
        {"spec.windows": {"duration": "59s"}},
    ),
    RuleCase(
        "DriftPolicy",
        ".spec.windows",
        "`duration` must be whole days (24h) to be aligned to days, and whole weeks (168h) to weeks",
        {"spec.windows": {"duration": "48h", "align": "Day"}},
        {"spec.windows": {"duration": "48h", "align": "Week"}},
    ),
    RuleCase(
        "DriftPolicy",
        ".spec.windows.duration",
        TIME_LIMIT,
        {"spec.windows": {"duration": "10h"}},
        {"spec.windows": {"duration": "0s"}},
    ),
    RuleCase(
        "DriftPolicy",
        ".spec.signals[].dataDrift",
        "`minEffect` must lie between 0 and 1",
        _served(dataDrift={"minEffect": "0.2"}),
        _served(dataDrift={"minEffect": "1"}),
    ),
    RuleCase(
        "DriftPolicy",
        ".spec.signals[].dataDrift",
        "`alpha` must lie between 0 and 0.5",
        _served(dataDrift={"alpha": "0.001", "share": 30, "columns": ["hour"]}),
        _served(dataDrift={"alpha": "0"}),
    ),
    RuleCase(
        "DriftPolicy",
        ".spec.signals[].predictionDrift",
        "`minEffect` must lie between 0 and 1",
        _served(predictionDrift={}),
        _served(predictionDrift={"minEffect": "0"}),
    ),
    RuleCase(
        "DriftPolicy",
        ".spec.signals[].predictionDrift",
        "`alpha` must lie between 0 and 0.5",
        _served(predictionDrift={"alpha": "0.05"}),
        _served(predictionDrift={"alpha": "0.5"}),
    ),
    RuleCase(
        "DriftPolicy",
        ".spec.signals[].dataQuality",
        "at least one of `maxNullPercent`, `maxUnknownPercent`, `maxOutOfRangePercent`, `maxInvalidPercent` must be set",
        _served(dataQuality={"maxUnknownPercent": 0}),
        _served(dataQuality={"columns": ["hour"]}),
    ),
    RuleCase(
        "DriftPolicy",
        ".spec",
        "only labels prove that a model is worse: an action that does Retrain must name `performance` signals alone,"
        " or with `match: All` at least one beside others",
        {
            "spec.signals.1": {**_NULLS, "name": "quality"},
            "spec.actions": [{"when": ["loss", "quality"], "match": "All", "do": "Retrain"}],
        },
        {
            "spec.signals.1": {**_NULLS, "name": "quality"},
            "spec.actions": [{"when": ["loss", "quality"], "do": "Retrain"}],
        },
    ),
    RuleCase(
        "DriftPolicy", ".spec.limits.per", TIME_LIMIT, {"spec.limits": {"per": "1h"}}, {"spec.limits": {"per": "0s"}}
    ),
    RuleCase(
        "DriftPolicy",
        ".spec",
        "`retrain` must be set when an action does Retrain",
        {"spec.retrain": REMOVED, "spec.actions.0.do": "Alert"},
        {"spec.retrain": REMOVED},
    ),
    RuleCase(
        "DriftPolicy",
        ".spec.schedule.every",
        TIME_LIMIT,
        {"spec.schedule": {"every": "10s"}},
        {"spec.schedule": {"every": "0s"}},
    ),
    RuleCase(
        "DriftPolicy",
        ".spec.signals[]",
        "exactly one of `performance`, `dataDrift`, `predictionDrift`, `dataQuality` must be set",
        {"spec.signals.0.performance.metric": "brier"},
        {"spec.signals.0.performance": REMOVED},
    ),
    RuleCase(
        "DriftPolicy",
        ".spec.signals[].performance",
        "exactly one of `maxDegradation`, `minimum`, `maximum` must be set",
        {"spec.signals.0.performance": {"metric": "log_loss", "maximum": "0.6"}},
        {"spec.signals.0.performance": {"metric": "log_loss", "maxDegradation": "0.03", "maximum": "0.6"}},
    ),
    RuleCase(
        "DriftPolicy",
        ".spec.signals[].performance",
        "`minimum` must not be set for a metric that is good beyond it: brier, log_loss, mae, mse",
        {"spec.signals.0.performance": {"metric": "accuracy", "minimum": "0.9"}},
        {"spec.signals.0.performance": {"metric": "log_loss", "minimum": "0.9"}},
    ),
    RuleCase(
        "DriftPolicy",
        ".spec.signals[].performance",
        "`maximum` must not be set for a metric that is good beyond it: accuracy, roc_auc",
        {"spec.signals.0.performance": {"metric": "mse", "maximum": "4"}},
        {"spec.signals.0.performance": {"metric": "accuracy", "maximum": "0.9"}},
    ),
    RuleCase(
        "DriftPolicy",
        ".spec",
        "every name in `when` of an action must be the name of one of the `signals`",
        {"spec.actions.1": {"when": ["loss"], "match": "All", "do": "Alert"}},
        {"spec.actions.1": {"when": ["loss", "los"], "match": "All", "do": "Alert"}},
    ),
    RuleCase(
        "DriftPolicy",
        ".spec.signals[].performance",
        "`maxDegradation` must not be negative",
        {"spec.signals.0.performance.maxDegradation": "0"},
        {"spec.signals.0.performance.maxDegradation": "-0.1"},
    ),
    RuleCase(
        "DriftPolicy",
        ".spec.signals[].performance",
        "`confidence` must lie between 0.5 and 1",
        {"spec.signals.0.performance.confidence": "0.99"},
        {"spec.signals.0.performance.confidence": "0.5"},
    ),
    RuleCase(
        "DriftPolicy",
        ".spec.signals[].decision",
        "`breaches` must not be greater than `of`",
        {"spec.signals.0.decision": {"breaches": 3}},
        {"spec.signals.0.decision": {"breaches": 4}},
    ),
]
