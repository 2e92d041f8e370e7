"""The CEL rules of Experiment, each tried both ways."""

from __future__ import annotations

from tests.support.rules.objects import REMOVED
from tests.support.rules.rule_case import FREE_ALIAS, TIME_LIMIT, RuleCase, one_of

STARTED = [
    RuleCase(
        "Experiment",
        "",
        "a started Experiment must not change unless `run` is changed in the same edit; "
        "`limits.maxTrials` alone may be changed",
        accepted,
        {field: value},
        started=True,
    )
    for accepted in ({"spec.limits.maxTrials": 5}, {"spec.run": 2, "spec.objective.metric": "brier"}, {"spec.run": 0})
    for field, value in (
        ("spec.objective.metric", "brier"),
        ("spec.trainer.sklearn.estimator.params.max_iter", "300"),
        ("spec.champion", REMOVED),
        ("spec.pod", {"serviceAccountName": "trainer"}),
        ("spec.limits.parallelTrials", 2),
    )
] + [
    RuleCase(
        "Experiment",
        "",
        "`limits.maxTrials` must not be lower than the number of trials that have begun, unless `run` is changed",
        {"spec.limits.maxTrials": accepted},
        {"spec.limits.maxTrials": 1},
        started=True,
    )
    for accepted in (5, 3, 2)
]

_PARAMETER = "spec.parameters.0."
EXPERIMENT = [
    *(
        RuleCase("Experiment", f".spec.{owner}.alias", FREE_ALIAS, {f"spec.{owner}.alias": "v1-beta"}, refused)
        for owner, refused in (
            ("champion", {"spec.champion.alias": "v1"}),
            ("register", {"spec.register.alias": "Latest"}),
        )
    ),
    *(
        RuleCase("Experiment", f".spec.limits.{name}", TIME_LIMIT, {f"spec.limits.{name}": "1s"}, refused)
        for name, refused in (
            ("trialTimeout", {"spec.limits.trialTimeout": "0s"}),
            ("maxDuration", {"spec.limits.maxDuration": "99999h"}),
        )
    ),
    RuleCase(
        "Experiment",
        ".spec",
        "`register` must be set when `champion` is set",
        {"spec.register": REMOVED, "spec.champion": REMOVED},
        {"spec.register": REMOVED},
    ),
    RuleCase(
        "Experiment",
        ".spec",
        "`champion.confidence` must lie between 0.5 and 1",
        {"spec.champion.confidence": "0.9"},
        {"spec.champion.confidence": "1"},
    ),
    RuleCase(
        "Experiment",
        ".spec",
        "`champion.margin` must not be negative",
        {"spec.champion.margin": "0"},
        {"spec.champion.margin": "-0.1"},
    ),
    RuleCase(
        "Experiment",
        ".spec.trainer.sklearn.preprocessing[]",
        "exactly one of `types` and `columns` must be listed",
        {
            "spec.trainer.sklearn.preprocessing.0.types": REMOVED,
            "spec.trainer.sklearn.preprocessing.0.columns": ["hour"],
        },
        {"spec.trainer.sklearn.preprocessing.0.columns": ["hour"]},
    ),
    RuleCase(
        "Experiment",
        ".spec.parameters[]",
        one_of("float", "int"),
        {"spec.parameters.1": {"name": "b", "int": {"min": 1, "max": 2}}},
        {_PARAMETER + "int": {"min": 1, "max": 2}},
    ),
    RuleCase(
        "Experiment",
        ".spec.parameters[].float",
        "`min` must be less than `max`",
        {_PARAMETER + "float.min": "9"},
        {_PARAMETER + "float.min": "10"},
    ),
    RuleCase(
        "Experiment",
        ".spec.parameters[].float",
        "`min` must be greater than 0 when `scale` is Log",
        {_PARAMETER + "float.min": "1e-9"},
        {_PARAMETER + "float.min": "0"},
    ),
    RuleCase(
        "Experiment",
        ".spec.parameters[].int",
        "`min` must be less than `max`",
        {"spec.parameters.1": {"name": "b", "int": {"min": -1, "max": 0}}},
        {"spec.parameters.1": {"name": "b", "int": {"min": 2, "max": 2}}},
    ),
    RuleCase(
        "Experiment",
        ".spec.parameters[].int",
        "`min` must be greater than 0 when `scale` is Log",
        {"spec.parameters.1": {"name": "b", "int": {"min": 1, "max": 2, "scale": "Log"}}},
        {"spec.parameters.1": {"name": "b", "int": {"min": 0, "max": 2, "scale": "Log"}}},
    ),
    RuleCase(
        "Experiment",
        ".spec.search",
        one_of("tpe", "random"),
        {"spec.search": {"random": {}, "seed": 7}},
        {"spec.search": {"random": {}, "tpe": {}}},
    ),
    RuleCase(
        "Experiment",
        ".spec.limits",
        "`parallelTrials` must not be greater than `maxTrials`",
        {"spec.limits.parallelTrials": 4},
        {"spec.limits.parallelTrials": 5},
    ),
    RuleCase(
        "Experiment",
        ".spec.gates[]",
        one_of("minimum", "maximum"),
        {"spec.gates.0": {"metric": "accuracy", "minimum": "0.8"}},
        {"spec.gates.0": {"metric": "accuracy"}},
    ),
]
