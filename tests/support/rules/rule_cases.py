"""For every CEL rule of the CRDs one object it accepts and one it refuses, as few changes to a valid one as will do."""

from __future__ import annotations

from tests.support.rules.cases_dataset import DATASET
from tests.support.rules.cases_experiment import EXPERIMENT, STARTED
from tests.support.rules.cases_serving import DEPLOYMENT, POLICY
from tests.support.rules.rule_case import RuleCase

NAME_MESSAGE = (
    "`metadata.name` must be at most 38 characters: lower-case letters, digits and hyphens, "
    "starting with a letter and ending with a letter or digit"
)

_NAMES = [
    RuleCase(kind, "", NAME_MESSAGE, {"metadata.name": "a" * 38}, {"metadata.name": name})
    for kind, name in (
        ("Dataset", "a" * 39),
        ("Experiment", "1st"),
        ("ModelDeployment", "with.dot"),
        ("DriftPolicy", "9-lives"),
    )
]

RULE_CASES = (*_NAMES, *DATASET, *STARTED, *EXPERIMENT, *DEPLOYMENT, *POLICY)
