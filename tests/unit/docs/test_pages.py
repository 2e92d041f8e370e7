"""Pages tell the truth as far as files can show it: links, paths, samples, tables and values exist and are valid."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.support.pages import PAGES, ROOT, Block, blocks, name, prose, words

from bucle.contracts.export import DOCUMENTS
from bucle.contracts.metrics import METRICS
from bucle.contracts.reasons import REASONS
from bucle.contracts.row_rules import LabelContract
from bucle.contracts.table import Column
from bucle.podkit.request_check import Door
from bucle.pods.serve import protocol
from bucle.pods.serve.feedback import LabelRules, feedback_rows
from bucle.resources import KINDS, parse

SAMPLES = sorted(p for p in ROOT.glob("manifests/samples/**/*.yaml") if p.name != "kustomization.yaml")
BLOCKS = [block for page in PAGES for block in blocks(page)]
LINK = re.compile(r"\]\((?!https?://)([^)#]*)(?:#([^)]+))?\)")
SOURCES = (ROOT, ROOT / "operator/bucle", ROOT / "operator", ROOT / "docs/contracts")
# Words of conditions, verdicts and answers that stand in backticks like reasons do.
ALSO_WORDS = {"Ready", "Reconciling", "Stalled", "Error", "NoData", "Inconclusive", "Healthy", "RequestId"}


def anchors(page: Path) -> set[str]:
    """The anchors that a page's headings get."""
    titles = re.findall(r"^#+ (.*)$", prose(page), flags=re.M)
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_link_leads_to_a_file_and_to_a_heading(page: Path) -> None:
    for target, anchor in LINK.findall(page.read_text()):
        path = page.parent / target if target else page
        assert path.exists(), target
        assert not anchor or anchor in anchors(path), f"{target}#{anchor}"


def test_every_page_can_be_reached_from_the_readme() -> None:
    seen, todo = set(), [ROOT / "README.md"]
    while todo:
        page = todo.pop()
        if page in seen or page.suffix != ".md":
            continue
        seen.add(page)
        todo += [(page.parent / target).resolve() for target, _ in LINK.findall(page.read_text()) if target]
    assert set(PAGES) - seen == set()


def test_every_page_that_a_source_sends_its_reader_to_exists() -> None:
    sources = [path for folder in ("operator", "hack", "templates") for path in (ROOT / folder).rglob("*.*")]
    texts = {path: path.read_text() for path in sources if path.suffix in (".py", ".yaml", ".tpl", ".txt")}
    named = {page for text in texts.values() for page in re.findall(r"docs/[\w/.-]+\.md", text)}
    assert named
    assert {page for page in named if not (ROOT / page).is_file()} == set()


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_path_that_is_named_exists(page: Path) -> None:
    other = r"bucle\.dev/|[A-Z][a-z]+/[A-Z]"  # tags, time zones
    named = [word for word in words(page) if re.fullmatch(r"[\w.-]+/[\w./-]*", word) and not re.match(other, word)]
    missing = [word for word in named if not any((source / word).exists() for source in (*SOURCES, page.parent))]
    assert missing == []


@pytest.mark.parametrize("block", [b for b in BLOCKS if b.label == "yaml"], ids=lambda b: name(b.page))
def test_every_yaml_block_is_a_valid_object(block: Block) -> None:
    for document in yaml.safe_load_all(block.text):
        parse(document["kind"], document)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_has_a_page_that_begins_with_an_example(kind: str) -> None:
    page = ROOT / f"docs/reference/{kind.lower()}.md"
    assert [yaml.safe_load(block.text)["kind"] for block in blocks(page)] == [kind]


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda p: p.name)
def test_every_sample_is_a_valid_object(sample: Path) -> None:
    for document in yaml.safe_load_all(sample.read_text()):
        typed = parse(document["kind"], document)
        assert typed.metadata.name == "flights"


def test_the_kustomization_names_every_sample() -> None:
    kustomization = yaml.safe_load((ROOT / "manifests/samples/flights/kustomization.yaml").read_text())
    assert sorted(kustomization["resources"]) == [sample.name for sample in SAMPLES]


def flights_columns() -> tuple[Column, ...]:
    """The columns of the sample, which is what the pages call."""
    spec = yaml.safe_load((ROOT / "manifests/samples/flights/dataset.yaml").read_text())["spec"]
    return tuple(Column.model_validate(column) for column in spec["schema"]["columns"])


def test_every_json_block_is_what_a_model_server_takes() -> None:
    taken = {"v2": protocol.v2_request, "invocations": protocol.invocations_request}
    door = Door(flights_columns(), {})
    rules = LabelRules(LabelContract("Binary", ("0", "1")), next(c for c in flights_columns() if c.role == "Id"))
    found = [block for block in BLOCKS if block.label.startswith("json")]
    for block in found:
        body, kind = block.text.encode(), block.label.split()[1]
        if kind == "feedback":
            assert len(feedback_rows(body, rules)) == len(json.loads(body)["rows"])
            continue
        asked = taken[kind](body)
        admitted = door.admitted(asked.columns)
        assert (admitted.rows, admitted.incomplete) == (asked.rows, {}), "a row of the page is one to train on"
        assert set(asked.columns) <= {column.name for column in flights_columns()}
    assert {block.label for block in found} == {"json v2", "json invocations", "json feedback"}


def values_paths(values: Mapping[str, Any], above: str = "") -> set[str]:
    found = set()
    for key, value in values.items():
        found |= {above + key} | (values_paths(value, f"{above}{key}.") if isinstance(value, dict) else set())
    return found


@pytest.mark.parametrize("page", ["README.md", "docs/install.md", "docs/security.md", "docs/troubleshooting.md"])
def test_every_value_of_the_chart_that_is_named_exists(page: str) -> None:
    """`store.enabled=false`, `storage.credentials.*` and the like."""
    values = yaml.safe_load((ROOT / "values.yaml").read_text())
    named = {match[0] for word in words(ROOT / page) if (match := re.match(r"[a-zA-Z]+(\.[a-zA-Z]+)+", word))}
    assert {path for path in named if path.partition(".")[0] in values} <= values_paths(values)


def test_the_page_for_trouble_uses_words_that_the_operator_says() -> None:
    said = {word for word in words(ROOT / "docs/troubleshooting.md") if re.fullmatch(r"([A-Z][a-z]+){2,}", word)}
    assert said <= REASONS.keys() | ALSO_WORDS


def test_every_document_and_every_metric_is_in_the_page_of_contracts() -> None:
    page = ROOT / "docs/contracts/README.md"
    assert {target for target, _ in LINK.findall(page.read_text()) if target.endswith(".json")} == {
        f"{document}.schema.json" for document in DOCUMENTS
    }
    rows = [re.findall(r"[^|`]+", line) for line in prose(page).split("## Metrics")[1].splitlines() if "| `" in line]
    told = {tuple(cell.strip() for cell in row if cell.strip()) for row in rows}
    assert {(row[0], row[1], row[2], row[3].partition(":")[0]) for row in told} == {
        (m.name, m.direction, ", ".join(sorted(m.tasks)), "yes" if m.per_row else "no") for m in METRICS.values()
    }


def test_decisions_are_numbered_without_a_gap_and_listed() -> None:
    folder = ROOT / "docs/adr"
    pages = sorted(path for path in folder.glob("*.md") if path.name != "README.md")
    assert [int(path.name[:4]) for path in pages] == list(range(1, len(pages) + 1))
    for number, path in enumerate(pages, 1):
        assert path.read_text().startswith(f"# {number}. ")
    assert [target for target, _ in LINK.findall((folder / "README.md").read_text())] == [path.name for path in pages]
