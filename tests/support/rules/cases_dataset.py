"""The CEL rules of Dataset, each tried both ways."""

from __future__ import annotations

from tests.support.rules.objects import DIGEST
from tests.support.rules.rule_case import RuleCase, one_of

_COLUMN = "spec.schema.columns.0."

OWN_COLUMNS = "a column's name must not begin with `bucle_`: such columns are Bucle's own"

DATASET = [
    RuleCase(
        "Dataset",
        ".spec",
        "`splits.hash.group.column` must be one of `schema.columns`, of type Timestamp when `unit` is set",
        {"spec.splits.hash.group": {"column": "time_hour", "unit": "Day"}},
        {"spec.splits.hash.group": {"column": "hour", "unit": "Day"}},
    ),
    RuleCase(
        "Dataset",
        ".spec",
        "`splits.hash.key` must be one of `schema.columns`",
        {"spec.splits.hash.key": "hour"},
        {"spec.splits.hash.key": "late"},
    ),
    RuleCase(
        "Dataset",
        ".spec",
        "`deduplicate.keys` must be columns of the schema",
        {"spec.deduplicate": {"keys": ["flight_id", "late"]}},
        {"spec.deduplicate": {"keys": ["flight_id", "absent"]}},
    ),
    RuleCase(
        "Dataset",
        ".spec.sources[]",
        one_of("uri", "feedback", "dataset"),
        {"spec.sources.1": {"feedback": {"modelDeployment": "flights", "window": {"rows": 1}}}},
        {"spec.sources.0.dataset": {"name": "base", "digest": DIGEST}},
    ),
    RuleCase(
        "Dataset",
        ".spec.sources[].uri",
        one_of("parquet", "csv"),
        {"spec.sources.0.uri": {"location": "s3://bucle/a.csv", "csv": {"delimiter": ";"}}},
        {"spec.sources.0.uri": {"location": "s3://bucle/a.csv"}},
    ),
    RuleCase(
        "Dataset",
        ".spec.schema",
        "the column named by `target` must not be listed among `columns` as well",
        {"spec.schema.target.name": "Hour"},
        {"spec.schema.target.name": "hour"},
    ),
    RuleCase(
        "Dataset",
        ".spec.schema",
        "`columns` must have at least one of role Feature",
        {_COLUMN + "role": "Feature"},
        {_COLUMN + "role": "Group"},
    ),
    RuleCase(
        "Dataset",
        ".spec.schema",
        "the roles Id, Time and Weight must each be given to one column at most",
        {
            "spec.schema.columns.3": {"name": "g1", "type": "Text", "role": "Group"},
            "spec.schema.columns.4": {"name": "g2", "type": "Text", "role": "Group"},
        },
        {"spec.schema.columns.3": {"name": "id2", "type": "Text", "role": "Id"}},
    ),
    RuleCase(
        "Dataset",
        ".spec.schema.target",
        "`positive` must be set for Binary and for no other task",
        {"spec.schema.target": {"name": "delay", "task": "Regression"}},
        {"spec.schema.target": {"name": "late", "task": "Binary"}},
    ),
    RuleCase(
        "Dataset",
        ".spec.schema.target",
        "`classes` must list at least two for MultiClass and none for another task",
        {"spec.schema.target": {"name": "kind", "task": "MultiClass", "classes": ["a", "b"]}},
        {"spec.schema.target": {"name": "kind", "task": "MultiClass", "classes": ["a"]}},
    ),
    RuleCase(
        "Dataset",
        ".spec.schema.target.name",
        OWN_COLUMNS,
        {"spec.schema.target.name": "bucle"},
        {"spec.schema.target.name": "bucle_label"},
    ),
    RuleCase(
        "Dataset",
        ".spec.schema.columns[].name",
        OWN_COLUMNS,
        {_COLUMN + "name": "known"},
        {_COLUMN + "name": "bucle_id"},
    ),
    RuleCase(
        "Dataset",
        ".spec.schema.columns[]",
        "`minimum` and `maximum` must only be set on columns of type Integer or Number",
        {_COLUMN + "minimum": "0"},
        {_COLUMN + "minimum": "0", _COLUMN + "type": "Category"},
    ),
    RuleCase(
        "Dataset",
        ".spec.schema.columns[]",
        "`minimum` must not be greater than `maximum`",
        {_COLUMN + "minimum": "9", _COLUMN + "maximum": "23"},
        {_COLUMN + "minimum": "23", _COLUMN + "maximum": "9"},
    ),
    RuleCase(
        "Dataset",
        ".spec.schema.columns[]",
        "`unknown: Error` must only be set on columns of type Category",
        {_COLUMN + "type": "Category", _COLUMN + "unknown": "Error"},
        {_COLUMN + "type": "Integer", _COLUMN + "unknown": "Error"},
    ),
    RuleCase(
        "Dataset",
        ".spec.schema.columns[]",
        "a column of role Time must be of type Timestamp",
        {"spec.schema.columns.2.type": "Timestamp"},
        {"spec.schema.columns.2.type": "Integer"},
    ),
    RuleCase(
        "Dataset",
        ".spec.schema.columns[]",
        "a column of type Timestamp must have a role other than Feature",
        {"spec.schema.columns.2.role": "Group"},
        {"spec.schema.columns.2.role": "Feature"},
    ),
    RuleCase(
        "Dataset",
        ".spec.schema.columns[]",
        "a column of role Weight must be of type Integer or Number",
        {"spec.schema.columns.3": {"name": "w", "type": "Number", "role": "Weight"}},
        {"spec.schema.columns.3": {"name": "w", "type": "Text", "role": "Weight"}},
    ),
    RuleCase(
        "Dataset",
        ".spec.schema.columns[]",
        "a column of role Id must be of type Integer, Text or Category",
        {"spec.schema.columns.1.type": "Integer"},
        {"spec.schema.columns.1.type": "Number"},
    ),
    RuleCase(
        "Dataset",
        ".spec.expectations[]",
        one_of("range", "nulls", "unique", "allowed"),
        {"spec.expectations.1": {"name": "one", "dimension": "Consistency", "unique": {"columns": ["flight_id"]}}},
        {"spec.expectations.0.unique": {"columns": ["flight_id"]}},
    ),
    RuleCase(
        "Dataset",
        ".spec.expectations[].range",
        "at least one of `minimum` and `maximum` must be set",
        {"spec.expectations.0": {"name": "r", "dimension": "Accuracy", "range": {"column": "hour", "minimum": "0"}}},
        {"spec.expectations.0": {"name": "r", "dimension": "Accuracy", "range": {"column": "hour"}}},
    ),
    RuleCase(
        "Dataset",
        ".spec.expectations[].range",
        "`minimum` must not be greater than `maximum`",
        {
            "spec.expectations.0": {
                "name": "r",
                "dimension": "Accuracy",
                "range": {"column": "hour", "minimum": "-1e3", "maximum": "-1e3"},
            }
        },
        {
            "spec.expectations.0": {
                "name": "r",
                "dimension": "Accuracy",
                "range": {"column": "hour", "minimum": "10", "maximum": "9"},
            }
        },
    ),
    RuleCase(
        "Dataset",
        ".spec.splits",
        "`train`, `validation` and `test` must add up to 100",
        {"spec.splits.train": 60, "spec.splits.test": 25},
        {"spec.splits.train": 60},
    ),
]
