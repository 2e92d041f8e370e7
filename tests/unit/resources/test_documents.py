"""Objects in and out of the types: round trips, unknown fields, problems with their paths, agreement with contracts."""

from __future__ import annotations

from typing import Any, Literal, get_args, get_origin

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from tests.support.rules.objects import REMOVED, valid
from tests.support.rules.rule_case import FREE_ALIAS, TIME_LIMIT

from bucle.contracts import expectations, table
from bucle.resources import KINDS, Dataset, Experiment, InvalidResource, ModelDeployment, parse, to_dict
from bucle.resources import dataset as dataset_types
from bucle.resources.base import GroupBy, Model
from bucle.resources.crd import root_schema

KEEPS = {TIME_LIMIT: ("1s", "90m", "1h30m"), FREE_ALIAS: ("champion", "v1-beta")}
"""Values that keep the rule of a scalar, by its message; the rules of objects are tried in `rule_cases`."""


def values(schema: dict[str, Any]) -> st.SearchStrategy[Any]:
    """Any value a schema takes; defaults and the CEL rules of objects aside."""
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    for rule in schema.get("x-kubernetes-validations", ()):
        if rule["message"] in KEEPS:
            return st.sampled_from(KEEPS[rule["message"]])
    if "x-kubernetes-preserve-unknown-fields" in schema:
        return st.sampled_from(["500m", "2Gi", "1", ".5", "1e3"])
    if schema["type"] == "object" and "additionalProperties" in schema:
        keys = st.text("abcxyz", min_size=1, max_size=4)
        return st.dictionaries(keys, values(schema["additionalProperties"]), max_size=2)
    if schema["type"] == "object":
        fields = {name: values(child) for name, child in schema.get("properties", {}).items()}
        required = {name: fields.pop(name) for name in schema.get("required", ())}
        return st.fixed_dictionaries(required, optional=fields)
    if schema["type"] == "array":
        return st.lists(values(schema["items"]), min_size=schema.get("minItems", 0), max_size=2)
    if schema["type"] == "integer":
        return st.integers(schema.get("minimum", -(2**31)), schema.get("maximum", 2**31))
    if schema["type"] == "boolean":
        return st.booleans()
    if schema.get("format") == "date-time":
        return st.sampled_from(["2026-01-01T00:00:00Z", "2026-11-24T12:34:56.789000Z"])
    if "pattern" in schema:
        matching = st.from_regex(schema["pattern"], fullmatch=True, alphabet=st.characters(codec="ascii"))
        return matching.filter(lambda text: len(text) <= schema["maxLength"] and "\n" not in text)
    return st.text("abc -_/:", min_size=schema.get("minLength", 0), max_size=min(8, schema["maxLength"]))


def contained(part: Any, whole: Any) -> bool:
    """Whether all that `part` says stands in `whole` too, defaults and empty things aside."""
    if isinstance(part, dict):
        return all(contained(value, whole.get(key, {} if value == {} else None)) for key, value in part.items())
    if isinstance(part, list):
        return len(part) == len(whole) and all(map(contained, part, whole))
    return bool(part == whole)


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=15, deadline=None, derandomize=True)
@given(data=st.data())
def test_what_the_schema_takes_the_types_read_and_write_back(kind: str, data: st.DataObject) -> None:
    properties = root_schema(KINDS[kind])["properties"]
    obj = {
        **valid(kind),
        "spec": data.draw(values(properties["spec"])),
        "status": data.draw(values(properties["status"])),
    }
    read = parse(kind, obj)
    assert contained({"spec": obj["spec"], "status": obj["status"]}, to_dict(read))
    assert parse(kind, to_dict(read)) == read


@pytest.mark.parametrize("kind", KINDS)
def test_defaults_of_the_schema_are_defaults_of_the_types(kind: str) -> None:
    def filled(value: Any, schema: dict[str, Any]) -> Any:
        if isinstance(value, list):
            return [filled(item, schema["items"]) for item in value]
        if not isinstance(value, dict) or "properties" not in schema:
            return value
        properties = schema["properties"]
        whole = {**{name: child["default"] for name, child in properties.items() if "default" in child}, **value}
        return {name: filled(item, properties[name]) for name, item in whole.items()}

    obj = valid(kind)
    stored = {**obj, "spec": filled(obj["spec"], root_schema(KINDS[kind])["properties"]["spec"])}
    assert stored != obj
    assert parse(kind, stored) == parse(kind, obj)


def test_unknown_fields_of_a_newer_schema_are_passed_over() -> None:
    assert parse(Dataset, valid("Dataset", {"spec.refresh": {"schedule": "@daily"}})) == parse(
        Dataset, valid("Dataset")
    )


def test_types_are_frozen() -> None:
    with pytest.raises(ValidationError):
        parse(Experiment, valid("Experiment")).spec.run = 3  # type: ignore[misc]


@pytest.mark.parametrize(
    ("kind", "changes", "path"),
    [
        ("Dataset", {"spec.sources.0.uri.location": 3}, "spec.sources[0].uri.location"),
        ("Dataset", {"spec.schema": REMOVED}, "spec.schema"),
        ("Experiment", {"spec.limits": {"maxTrials": 0}}, "spec.limits.maxTrials"),
        ("Experiment", {"spec.trainer.sklearn.estimator.class": "nodots"}, "spec.trainer.sklearn.estimator.class"),
        ("ModelDeployment", {"spec.rollout.onNoData": "Maybe"}, "spec.rollout.onNoData"),
        ("DriftPolicy", {"spec": REMOVED}, "spec"),
    ],
)
def test_problems_name_the_field_as_it_stands_in_yaml(kind: str, changes: dict[str, Any], path: str) -> None:
    with pytest.raises(InvalidResource) as caught:
        parse(kind, valid(kind, changes))
    assert [problem.path for problem in caught.value.problems] == [path]
    assert f"{kind} flights cannot be read: {path}: " in str(caught.value)


def test_all_problems_are_told_at_once() -> None:
    with pytest.raises(InvalidResource) as caught:
        parse("DriftPolicy", {"spec": {"windows": {"rows": 0}}})
    assert {p.path for p in caught.value.problems} >= {"spec.target", "spec.signals", "spec.windows.rows"}


def test_a_dump_leaves_out_what_is_absent_and_keeps_empty_members_of_unions() -> None:
    spec = to_dict(parse(ModelDeployment, valid("ModelDeployment")).spec)
    assert "feedback" in spec
    assert "artifact" not in spec["model"]
    random = to_dict(parse(Experiment, valid("Experiment", {"spec.search": {"random": {}}})).spec)
    assert random["search"]["random"] == {}


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (dataset_types.TableColumn, table.Column),
        (dataset_types.Target, table.Target),
        (dataset_types.Expectation, expectations.Expectation),
        (dataset_types.Splits, table.Splits),
        (dataset_types.Deduplicate, table.Deduplicate),
        (GroupBy, table.GroupBy),
    ],
)
def test_what_a_person_writes_is_what_a_pod_is_told(ours: type[Model], theirs: Any) -> None:
    def choices(annotation: Any) -> set[Any]:
        if get_origin(annotation) is Literal:
            return set(get_args(annotation))
        return {choice for part in get_args(annotation) for choice in choices(part)}

    def fields(model: Any) -> dict[str, set[Any]]:
        return {field.alias: choices(field.annotation) for field in model.model_fields.values()}

    assert fields(ours) == fields(theirs)
