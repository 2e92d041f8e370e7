"""The CRDs as documents: structural, bounded, described, small, and the same as the committed files."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml
from pydantic import BaseModel
from tests.support.rules.rule_cases import RULE_CASES

from bucle.__main__ import main
from bucle.resources import KINDS
from bucle.resources.base import Model, Resource
from bucle.resources.crd import crd_document, expected_hashes, root_schema, schema_hash
from bucle.resources.files import plain_files, template_files

ROOT = Path(__file__).parents[3]
ALLOWED = {
    "type", "format", "description", "enum", "pattern", "minLength", "maxLength", "minimum", "maximum", "minItems",
    "maxItems", "maxProperties", "required", "anyOf", "default", "items", "properties", "additionalProperties",
    "x-kubernetes-validations", "x-kubernetes-list-type", "x-kubernetes-list-map-keys",
    "x-kubernetes-preserve-unknown-fields",
}  # fmt: skip
kinds = pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)


def nodes(schema: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    yield path, schema
    for name, child in schema.get("properties", {}).items():
        yield from nodes(child, f"{path}.{name}")
    if "items" in schema:
        yield from nodes(schema["items"], f"{path}[]")
    if "additionalProperties" in schema:
        yield from nodes(schema["additionalProperties"], f"{path}{{}}")


def models(model: type[BaseModel], path: str) -> Iterator[tuple[str, type[Model]]]:
    """The type and all types of its fields, spec only."""
    if issubclass(model, Model):
        yield path, model
    for name, field in model.model_fields.items():
        if name not in ("status", "metadata"):
            for inner in parts(field.annotation):
                yield from models(inner, f"{path}.{name}")


def parts(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from parts(argument)


def own_nodes(kind: type[Resource]) -> list[tuple[str, dict[str, Any]]]:
    return [(path, node) for path, node in nodes(root_schema(kind)) if path != ".metadata"]


def is_quantity(node: dict[str, Any]) -> bool:
    return "x-kubernetes-preserve-unknown-fields" in node


def unbounded(node: dict[str, Any]) -> bool:
    """Whether a value of this node may be of any size."""
    if is_quantity(node):
        return not {"maxLength", "pattern", "minimum", "maxItems", "maxProperties"} <= set(node)
    if node["type"] == "string":
        return "maxLength" not in node and "enum" not in node
    if node["type"] == "array":
        return "maxItems" not in node
    return "additionalProperties" in node and "maxProperties" not in node


@kinds
def test_only_words_that_a_structural_schema_takes(kind: type[Resource]) -> None:
    assert {word for _, node in own_nodes(kind) for word in node} <= ALLOWED


@kinds
def test_every_node_has_a_known_type_and_no_floats(kind: type[Resource]) -> None:
    types = {path: node.get("type") for path, node in own_nodes(kind) if not is_quantity(node)}
    assert set(types.values()) <= {"object", "array", "string", "integer", "boolean"}


@kinds
def test_every_field_is_described_in_a_sentence(kind: type[Resource]) -> None:
    silent = [path for path, node in own_nodes(kind) if not node.get("description", "").endswith((".", "..."))]
    assert silent == []


@kinds
def test_everything_is_bounded(kind: type[Resource]) -> None:
    free = [path for path, node in own_nodes(kind) if path not in (".apiVersion", ".kind") and unbounded(node)]
    assert free == []


@kinds
def test_every_list_says_how_it_is_merged(kind: type[Resource]) -> None:
    lists = {path: node.get("x-kubernetes-list-type") for path, node in own_nodes(kind) if node.get("type") == "array"}
    assert set(lists.values()) <= {"atomic", "set", "map"}
    assert lists[".status.conditions"] == "map"


@kinds
def test_git_sees_no_default_that_nobody_wrote(kind: type[Resource]) -> None:
    """The server writes a default into each item of a list: `kubectl apply` then sees another list than the file's, and
    a tool that applies server-side sees a difference for ever. Such a default belongs into the type alone."""
    inside = [
        f"{path}{deeper}"
        for path, node in own_nodes(kind)
        for below in ("items", "additionalProperties")
        if below in node
        for deeper, item in nodes(node[below])
        if "default" in item
    ]
    assert inside == []


@kinds
def test_the_server_drops_nothing_of_the_crd(kind: type[Resource]) -> None:
    """An empty `properties: {}` is not stored: the CRD would differ from its own file for ever."""
    dropped = [
        (path, word)
        for path, node in own_nodes(kind)
        for word, value in node.items()
        if value in ({}, [], None) and word != "default"
    ]
    assert dropped == []


@kinds
def test_whole_numbers_that_a_person_writes_are_the_same_in_json_and_parquet(kind: type[Resource]) -> None:
    whole = {path: node for path, node in own_nodes(kind) if path.startswith(".spec") and node.get("type") == "integer"}
    wide = [path for path, n in whole.items() if abs(n.get("minimum", -(2**63))) >= 2**53]
    wide += [path for path, n in whole.items() if n.get("maximum", 2**63) >= 2**53]
    assert wide == []


@kinds
def test_a_rule_knows_what_an_absent_field_means(kind: type[Resource]) -> None:
    """The other half of a default that is not stored: the CEL rule names the same one as the type."""
    for path, model in models(kind, ""):
        for rule in model.rules:
            for owner, name, default in re.findall(r"has\((\w+)\.(\w+)\) \? \1\.\2 : '?([^')]*)'?\)", rule.rule):
                owners = (
                    [model] if owner == "self" else [part for _, part in models(model, path) if rule not in part.rules]
                )
                fields = [field for part in owners for field in part.model_fields.values() if field.alias == name]
                assert [str(field.default) for field in fields] == [default], f"{path}: {rule.rule}"


@kinds
def test_patterns_are_anchored_and_need_no_look_around(kind: type[Resource]) -> None:
    patterns = [node["pattern"] for _, node in own_nodes(kind) if "pattern" in node]
    assert all(p.startswith("^") and p.endswith("$") and not re.search(r"\(\?[=!<]", p) for p in patterns)


@kinds
def test_no_name_that_yaml_reads_as_something_else(kind: type[Resource]) -> None:
    """kubectl reads YAML 1.1, where a bare `on`, `yes` or `n` is a boolean."""
    written = [node for path, node in own_nodes(kind) if path.startswith(".spec")]
    names = {name for node in written for name in (*node.get("properties", ()), *node.get("enum", ()))}
    assert [name for name in names if yaml.safe_load(name) != name or name.lower() in ("y", "n")] == []


@kinds
def test_small_enough_for_client_side_apply(kind: type[Resource]) -> None:
    assert len(json.dumps(crd_document(kind), separators=(",", ":"))) < 200 * 1024


@kinds
def test_printer_columns_end_with_the_reason_and_the_age(kind: type[Resource]) -> None:
    names = [column["name"] for column in crd_document(kind)["spec"]["versions"][0]["additionalPrinterColumns"]]
    assert (names[0], *names[-2:]) == ("Ready", "Reason", "Age")


def test_every_rule_says_must_and_is_tried_both_ways() -> None:
    rules = [
        (kind.kind_name, path, rule["message"])
        for kind in KINDS.values()
        for path, node in nodes(root_schema(kind))
        for rule in node.get("x-kubernetes-validations", ())
    ]
    assert all(" must " in message for _, _, message in rules)
    assert len(rules) == len(set(rules)), "two rules with one message at one place cannot be told apart"
    assert set(rules) == {(case.kind, case.path, case.message) for case in RULE_CASES}


def test_the_schema_hash_stands_in_the_annotation_and_follows_the_schema() -> None:
    documents = [crd_document(kind) for kind in KINDS.values()]
    found = {d["metadata"]["name"]: d["metadata"]["annotations"]["bucle.dev/schema-hash"] for d in documents}
    assert found == expected_hashes()
    assert len(set(found.values())) == 4
    assert schema_hash(KINDS["Dataset"]) == schema_hash(KINDS["Dataset"])


def test_committed_files_are_what_the_types_say(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["crds", "--check", "--output-dir", str(ROOT / "crds")]) == 0, capsys.readouterr().err


def test_templates_hold_the_same_documents_and_outlive_the_release() -> None:
    plain = plain_files()
    for name, text in template_files().items():
        first, *body, last = text.splitlines()
        assert (first, last) == ("{{- if .Values.crds.enabled }}", "{{- end }}")
        document = yaml.load("\n".join(body).replace('{{ "{{" }}', "{{"), Loader=yaml.CSafeLoader)
        assert document["metadata"]["annotations"].pop("helm.sh/resource-policy") == "keep"
        assert document == yaml.load(plain[name], Loader=yaml.CSafeLoader)


def test_a_page_keeps_its_words_and_is_checked_with_the_crds(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "docs" / "reference" / "experiment.md"
    page.parent.mkdir(parents=True)
    page.write_text("# Experiment\n\nWritten by hand.\n\n")
    assert main(["crds", "--output-dir", str(tmp_path / "crds")]) == 0
    assert page.read_text().startswith("# Experiment\n\nWritten by hand.\n")
    assert "| `limits.maxTrials` | integer 1 to 500 | `10` |" in page.read_text()
    page.write_text(page.read_text().replace("500", "501"))
    assert main(["crds", "--check", "--output-dir", str(tmp_path / "crds")]) == 1
    assert str(page) in capsys.readouterr().err


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with every generated file, which the check finds as they are."""
    folder = tmp_path_factory.mktemp("written")
    assert main(["crds", "--output-dir", str(folder / "crds")]) == 0
    assert main(["crds", "--check", "--output-dir", str(folder / "crds")]) == 0
    return folder


@pytest.mark.parametrize("spoil", ["changed", "missing", "stray"])
def test_check_names_each_file_that_differs(
    spoil: str, written: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(written, tmp_path, dirs_exist_ok=True)
    out = tmp_path / "crds"
    path = {"changed": out / "datasets.yaml", "missing": tmp_path / "templates/crds/experiments.yaml"}.get(spoil)
    if spoil == "changed":
        (out / "datasets.yaml").write_text("kind: Other\n")
    elif path:
        path.unlink()
    else:
        path = out / "stray.yaml"
        path.write_text("")
    assert main(["crds", "--check", "--output-dir", str(out)]) == 1
    error = capsys.readouterr().err
    assert str(path) in error
    assert error.count("\n") == 1
