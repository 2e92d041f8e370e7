"""Rules of the house that no linter knows: sizes, and that CONTRIBUTING names tests that exist."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SOURCES = sorted(path for folder in ("operator", "hack", "tests") for path in (ROOT / folder).rglob("*.py"))
LINES_OF_A_FILE = 400
LINES_OF_A_FUNCTION = 50


def functions(path: Path) -> Iterator[tuple[str, int]]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name, (node.end_lineno or node.lineno) - node.lineno + 1


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


def test_a_file_is_read_in_one_sitting() -> None:
    long = {named(path) for path in SOURCES if len(path.read_text(encoding="utf-8").splitlines()) > LINES_OF_A_FILE}
    assert long == set(), f"more than {LINES_OF_A_FILE} lines: find a better cut"


def test_a_function_is_seen_at_once() -> None:
    long = [(named(path), *found) for path in SOURCES for found in functions(path) if found[1] > LINES_OF_A_FUNCTION]
    assert long == [], f"more than {LINES_OF_A_FUNCTION} lines: find a better cut"


def test_no_module_of_tests_is_a_library() -> None:
    """What several tests need stands in tests/support."""
    imported = re.compile(
        r"^(?:from|import) tests\.(?!support|conformance|cluster)[\w.]+|tests\.[\w.]*\.test_\w+", re.M
    )
    asked = {named(path): imported.findall(path.read_text(encoding="utf-8")) for path in SOURCES}
    assert {path: found for path, found in asked.items() if found and path != named(Path(__file__))} == {}


def test_only_its_adapter_its_client_and_the_choice_of_router_name_envoy() -> None:
    """Another router is one more module beside them: nobody else would have to be read."""
    allowed = ("externals/envoy/", "kinds/modeldeployment/traffic/", "app.py")
    package = ROOT / "operator/bucle"
    naming = {str(p.relative_to(package)) for p in package.rglob("*.py") if "envoy" in p.read_text("utf-8").lower()}
    assert sorted(path for path in naming if not path.startswith(allowed)) == []


def test_units_are_found_where_their_source_is() -> None:
    rooms = {
        path.relative_to(ROOT / "operator/bucle") for path in (ROOT / "operator/bucle").rglob("*") if path.is_dir()
    }
    beside = {Path("chart"), Path("docs"), Path("hack")}
    folders = {path.parent.relative_to(ROOT / "tests/unit") for path in (ROOT / "tests/unit").rglob("test_*.py")}
    strays = {folder for folder in folders - beside - {Path()} if folder not in rooms and folder.parent not in rooms}
    assert strays == set(), "a folder of tests/unit is called as the one of operator/bucle that it is about"


def test_every_rule_in_contributing_is_held_by_a_test_that_exists() -> None:
    page = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    held = re.findall(r"`(tests/[\w/]+\.py)::(test_\w+)`", page)
    assert held
    missing = [
        f"{file}::{test}"
        for file, test in held
        if not (ROOT / file).is_file() or test not in dict(functions(ROOT / file))
    ]
    assert missing == []
    rows = [line for line in page.partition("## Rules")[2].partition("## ")[0].splitlines() if line.startswith("| ")]
    assert [row for row in rows[1:] if "::test_" not in row and "import-linter" not in row] == []


def test_whoever_wants_to_change_something_is_sent_to_files_that_exist() -> None:
    page = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
    table = page.partition("## To change")[2].partition("\n## ")[0]
    rows = dict(re.findall(r"^\| (.+?) \| (`.+`) \|$", table, re.M))
    named = {change: re.findall(r"`([^`]+)`", files) for change, files in rows.items()}
    assert len(named) >= 30
    gone = {file for files in named.values() for file in files if not (ROOT / "operator/bucle" / file).is_file()}
    assert gone == set(), "the page sends its readers to files that moved"


def test_the_glossary_has_thirty_words_in_order() -> None:
    page = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    words = re.findall(r"^\| ([a-z]+) \| ", page.partition("## Words")[2].partition("## ")[0], re.M)[1:]
    assert len(words) >= 30
    assert words == sorted(words)


KINDS = ROOT / "operator/bucle/kinds"
TOLD_ELSEWHERE = {
    "plan": "the order of decisions is what stories and random stories tell",
    "world": "what is asked and gathered is what the stories of each kind answer",
    "children": "manifests are golden files, which the stories make",
    "traffic/envoy": "Envoy's documents are golden files, and tests/wire shows them to a real Envoy",
}
"""By the name of a file or folder of a kind: why what it decides has no table in tests/unit."""


def decides(path: Path) -> bool:
    """A module with a function of its own, unless what it makes is told elsewhere."""
    inside = path.relative_to(KINDS).with_suffix("").parts[1:]
    if path.name == "__init__.py" or {inside[0], "/".join(inside)} & set(TOLD_ELSEWHERE):
        return False
    return any(isinstance(node, ast.FunctionDef) for node in ast.parse(path.read_text(encoding="utf-8")).body)


def imported(path: Path) -> set[str]:
    """Every module, and every name that may be one, that a file imports."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module is not None:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


def has_a_table(path: Path) -> bool:
    """Or a property, which is a table that writes itself."""
    text = path.read_text(encoding="utf-8")
    return "parametrize(" in text or "@given(" in text


def test_every_decision_of_a_kind_has_a_table_beside_it() -> None:
    """Whole stories find a mistake late: each module that decides is asked directly, in the unit folder of its kind."""
    missing = []
    for kind in sorted(path for path in KINDS.iterdir() if (path / "__init__.py").exists()):
        tables = [path for path in (ROOT / "tests/unit/kinds" / kind.name).rglob("test_*.py") if has_a_table(path)]
        asked = set().union(*(imported(path) for path in tables))
        for path in sorted(kind.rglob("*.py")):
            module = ".".join(path.relative_to(ROOT / "operator").with_suffix("").parts)
            if decides(path) and module not in asked:
                missing.append(module)
    assert missing == []


def test_what_is_told_elsewhere_is_still_there() -> None:
    found = {part for kind in KINDS.iterdir() for part in TOLD_ELSEWHERE if list(kind.glob(f"{part}*"))}
    assert found == set(TOLD_ELSEWHERE)
