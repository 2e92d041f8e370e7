"""The documents between operator and pods: schemas on file are those of the code, and every example reads, checks and writes back."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest

from bucle.contracts.export import DOCUMENTS, main, stale, write
from bucle.contracts.names import RESULT_LIMIT_BYTES, TASK_LIMIT_BYTES
from bucle.contracts.task import parse_task

FOLDER = Path(__file__).parents[2] / "docs" / "contracts"
EXAMPLES = sorted((FOLDER / "examples").glob("*.json"))


def document_of(path: Path) -> str:
    """`result.data.json` is an example of `result`; a task has one document per program."""
    return path.stem if path.stem in DOCUMENTS else path.stem.partition(".")[0]


def test_the_schemas_on_file_are_those_of_the_code() -> None:
    assert stale(FOLDER) == [], "run python -m bucle.contracts.export"


def test_check_tells_a_changed_a_missing_and_a_foreign_file(tmp_path: Path) -> None:
    write(tmp_path)
    assert main(["--check", "--folder", str(tmp_path)]) == 0
    (tmp_path / "result.schema.json").write_text("{}")
    (tmp_path / "watermark.schema.json").unlink()
    (tmp_path / "other.schema.json").write_text("{}")
    assert stale(tmp_path) == ["other.schema.json", "result.schema.json", "watermark.schema.json"]
    assert main(["--check", "--folder", str(tmp_path)]) == 1


def test_every_document_has_an_example() -> None:
    assert {document_of(path) for path in EXAMPLES} == set(DOCUMENTS)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_is_valid_and_survives_reading_and_writing(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    schema = json.loads((FOLDER / f"{document_of(path)}.schema.json").read_text(encoding="utf-8"))
    jsonschema.validate(json.loads(text), schema)
    document = DOCUMENTS[document_of(path)].from_json(text)
    assert DOCUMENTS[document_of(path)].from_json(document.canonical()) == document


@pytest.mark.parametrize("path", [p for p in EXAMPLES if p.stem.startswith("task.")], ids=lambda path: path.stem)
def test_a_task_is_found_by_its_program_and_fits_an_annotation(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    task = parse_task(json.loads(text)["program"], text)
    assert type(task) is DOCUMENTS[path.stem]
    assert len(task.canonical()) <= TASK_LIMIT_BYTES


@pytest.mark.parametrize("path", [p for p in EXAMPLES if p.stem.startswith("result.")], ids=lambda path: path.stem)
def test_a_result_fits_a_termination_message(path: Path) -> None:
    assert len(DOCUMENTS["result"].from_json(path.read_text()).canonical()) <= RESULT_LIMIT_BYTES
