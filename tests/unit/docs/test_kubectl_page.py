"""docs/kubectl.md shows what the plugin prints, and lists every field and every exit code. UPDATE_GOLDEN=1 writes the answers anew."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator

import pytest
from pydantic import BaseModel
from tests.support.pages import ROOT

from bucle.cli.documents import Explanation, Gates, Loop, Signals
from bucle.cli.errors import Exit
from bucle.resources.base import wire_name

PAGE = ROOT / "docs/kubectl.md"
SHOWN = re.compile(r"<!-- ([a-z-]+) -->\n```text\n(.*?)```\n", re.S)


def test_the_answers_on_the_page_are_those_that_are_given() -> None:
    page = PAGE.read_text()

    def answer(name: str) -> str:
        return (ROOT / f"tests/golden/cli/{name}.txt").read_text()

    current = SHOWN.sub(lambda found: f"<!-- {found[1]} -->\n```text\n{answer(found[1])}```\n", page)
    if os.environ.get("UPDATE_GOLDEN"):
        PAGE.write_text(current)
    assert len(SHOWN.findall(page)) == page.count("```text") == 4
    assert page == current or os.environ.get("UPDATE_GOLDEN"), "run again with UPDATE_GOLDEN=1"


def fields(model: type[BaseModel], seen: set[type[BaseModel]]) -> Iterator[str]:
    """Names of all fields of a document and of all that is in it."""
    if model in seen:
        return
    seen.add(model)
    for name, field in model.model_fields.items():
        yield wire_name(name)
        for inner in (field.annotation, *getattr(field.annotation, "__args__", ())):
            if isinstance(inner, type) and issubclass(inner, BaseModel):
                yield from fields(inner, seen)


@pytest.mark.parametrize("document", [Loop, Explanation, Gates, Signals])
def test_every_field_of_a_document_is_on_the_page_and_no_other(document: type[BaseModel]) -> None:
    section = PAGE.read_text().partition("## For programs")[2].partition("\n## ")[0]
    named = set(re.findall(r"`(\w+)`", section))
    assert set(fields(document, set())) <= named
    known = {name for one in (Loop, Explanation, Gates, Signals) for name in fields(one, set())}
    assert named - known == {"Loop", "Explanation", "Gates", "Signals"}


def test_every_exit_code_is_on_the_page() -> None:
    codes = re.findall(r"^\| (\d+) \|", PAGE.read_text().partition("## Exit codes")[2], re.M)
    assert [int(code) for code in codes] == list(Exit)
