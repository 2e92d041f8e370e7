"""The closed list of reasons: nothing is said that is not on it, nothing is on it that nobody says."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import bucle
from bucle.contracts import reasons, reasons_doc
from bucle.contracts.reasons import REASONS, Event, Fault, Reason, Retry
from bucle.contracts.reasons_dataset import DATASET
from bucle.contracts.reasons_driftpolicy import DRIFTPOLICY
from bucle.contracts.reasons_experiment import EXPERIMENT
from bucle.contracts.reasons_modeldeployment import MODELDEPLOYMENT
from bucle.contracts.reasons_shared import SHARED

HERE = Path(bucle.__file__).parent
WORD = re.compile(r"(?:[A-Z][a-z]+)+")
EVERYONE = ("kinds/dataset", "kinds/experiment", "kinds/modeldeployment", "kinds/driftpolicy", "workloads", "pods")
SHARED_BY_ALL = ("engine", "podkit")
PAIRED = {"Pass", "Fail", "Test", "Newest", "Waiting"}
"""Verdicts and outcomes that functions return beside a text, as reasons are."""

OUTCOMES_PASSED_ON = {"GateNotPassed", "Promoted", "Replaced"}
"""How a rollout ended, which a DriftPolicy tells of its retrain in the words of the ModelDeployment."""


@cache
def trees() -> dict[Path, ast.Module]:
    paths = sorted(p for p in HERE.rglob("*.py") if not p.name.startswith("reasons"))
    return {path: ast.parse(path.read_text()) for path in paths}


@cache
def parameters() -> dict[str, list[tuple[str, ...]]]:
    """The names of the arguments of everything that can be called, by its name."""
    found: dict[str, list[tuple[str, ...]]] = {}
    for node in (node for tree in trees().values() for node in ast.walk(tree)):
        if isinstance(node, ast.FunctionDef):
            given = tuple(argument.arg for argument in node.args.args if argument.arg not in ("self", "cls"))
            found.setdefault(node.name, []).append(given)
        elif isinstance(node, ast.ClassDef):
            fields = [s.target.id for s in node.body if isinstance(s, ast.AnnAssign) and isinstance(s.target, ast.Name)]
            made = [s for s in node.body if isinstance(s, ast.FunctionDef) and s.name == "__init__"]
            members = [a.arg for a in made[0].args.args[1:]] if made else fields
            found.setdefault(node.name, []).append(tuple(members))
    return found


def words(node: ast.expr | None) -> Iterator[str]:
    """What an expression that stands for a reason can be, as far as it is written there."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str) and WORD.fullmatch(node.value):
        yield node.value
    elif isinstance(node, ast.IfExp):
        yield from words(node.body)
        yield from words(node.orelse)
    elif isinstance(node, ast.BoolOp):
        for value in node.values:
            yield from words(value)


def said_in(tree: ast.Module) -> Iterator[str]:
    """Every literal that is passed, assigned or returned as a reason."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            name = str(getattr(node.func, "id", None) or getattr(node.func, "attr", ""))
            for known in parameters().get(name, []):
                for parameter, value in zip(known, node.args, strict=False):
                    if parameter == "reason":
                        yield from words(value)
            for keyword in node.keywords:
                if keyword.arg == "reason":
                    yield from words(keyword.value)
        elif (
            isinstance(node, ast.Assign) and any(getattr(target, "id", "") == "reason" for target in node.targets)
        ) or (isinstance(node, ast.AnnAssign) and getattr(node.target, "id", "") == "reason"):
            yield from words(node.value)
        elif isinstance(node, ast.Return) and isinstance(node.value, ast.Tuple) and len(node.value.elts) == 2:
            first, second = node.value.elts
            if not isinstance(second, ast.Constant) or " " in str(second.value):
                yield from (word for word in words(first) if word not in PAIRED)


def said(folder: str) -> set[str]:
    return {word for path, tree in trees().items() if path.is_relative_to(HERE / folder) for word in said_in(tree)}


@pytest.mark.parametrize("folder", [*EVERYONE, *SHARED_BY_ALL])
def test_every_reason_that_is_said_is_on_the_list(folder: str) -> None:
    assert len(said(folder)) >= 2, "the way of finding what is said has gone blind"
    assert said(folder) <= REASONS.keys()


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("dataset", DATASET),
        ("experiment", EXPERIMENT),
        ("modeldeployment", MODELDEPLOYMENT),
        ("driftpolicy", DRIFTPOLICY),
    ],
)
def test_a_reason_is_found_in_the_file_of_the_kind_that_says_it(kind: str, words: dict[str, Reason]) -> None:
    passed_on = OUTCOMES_PASSED_ON if kind == "driftpolicy" else set()
    assert said(f"kinds/{kind}") - words.keys() - SHARED.keys() - passed_on == set(), (
        "in its file, or in the shared one"
    )


def test_every_reason_on_the_list_is_said_by_someone() -> None:
    literals = {
        node.value
        for tree in trees().values()
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    assert sorted(REASONS.keys() - literals) == []


def test_whatever_a_pod_or_a_job_fails_with_says_whose_fault_it_is() -> None:
    failing = said("pods") | said("podkit") | said("workloads")
    failing -= {"Building"}  # evidence that a judge still computes: asked for again, no failure
    assert sorted(word for word in failing if word in REASONS and REASONS[word].fault is None) == []


def test_nobody_keeps_a_list_of_reasons_of_their_own() -> None:
    """Two reasons side by side in a set or tuple are a question that the table answers."""
    faults = {name for name, reason in REASONS.items() if reason.fault}
    kept = {}
    for path, tree in trees().items():
        types = {id(node.slice) for node in ast.walk(tree) if isinstance(node, ast.Subscript)}
        # A, B = "One", "Other" gives two words a name each.
        types |= {
            id(n.value) for n in ast.walk(tree) if isinstance(n, ast.Assign) and isinstance(n.targets[0], ast.Tuple)
        }
        for node in ast.walk(tree):
            if isinstance(node, ast.Set | ast.List | ast.Tuple) and len(node.elts) > 1 and id(node) not in types:
                found = {e.value for e in node.elts if isinstance(e, ast.Constant)}
                if len(found) == len(node.elts) and found <= faults:
                    kept[f"{path.relative_to(HERE)}:{node.lineno}"] = found
    assert kept == {}


def test_every_reason_has_a_cause_and_a_cure() -> None:
    assert [name for name, reason in REASONS.items() if not reason.cause.endswith(".") or not reason.cure] == []


def test_whatever_is_somebodys_fault_has_a_cure_that_one_can_act_on() -> None:
    """Whoever reads `Wait.` or `Nothing.` under a failure is left alone with it, unless it passes by itself."""
    idle = re.compile(r"(Wait|Nothing)\.?$")
    assert [name for name, reason in REASONS.items() if reason.fault and idle.match(reason.cure)] == []


def test_what_is_tried_without_end_is_never_the_users_or_a_models_own_doing() -> None:
    endless = {name for name, reason in REASONS.items() if reason.retry is Retry.WAIT}
    assert {REASONS[name].fault for name in endless} <= {Fault.EXTERNAL, Fault.OPERATOR}


@pytest.mark.parametrize(
    ("question", "yes", "no"),
    [
        (reasons.condemns, ("DigestMismatch", "OutOfMemory", "LoadFailed"), ("SecretMissing", "ProgramFailed")),
        (reasons.is_external, ("PodsRefused", "Unschedulable", "AccessDenied", "Queued"), ("LoadFailed", "WrongType")),
        (reasons.heals, ("SecretMissing", "StoreUnavailable", "ModelMissing"), ("UnknownColumn", "ProgramFailed")),
        (reasons.needs_someone, ("BucketMissing", "SourceMissing"), ("StoreUnavailable", "Disrupted")),
        (reasons.ends_unregistered, ("NotBetter", "GateFailed", "NotRegistered"), ("Registered", "Failed")),
    ],
)
def test_questions_about_a_reason(question: object, yes: tuple[str, ...], no: tuple[str, ...]) -> None:
    assert callable(question)
    assert [word for word in yes if not question(word)] == []
    assert [word for word in no if question(word)] == []


def test_what_a_pod_of_another_release_says_is_a_failure_of_its_program() -> None:
    assert (reasons.known("FromTomorrow").fault, reasons.known("FromTomorrow").retry) == (Fault.USER, Retry.BUDGET)


def test_an_event_is_quiet_normal_or_a_warning() -> None:
    told = [reasons.event_of(word) for word in ("Watching", "Registered", "ChildRefused")]
    assert told == [Event.QUIET, Event.NORMAL, Event.WARNING]


def test_the_page_of_reasons_is_the_list() -> None:
    page = (HERE.parents[1] / "docs" / "reasons.md").read_text()
    assert page == reasons_doc.page(), "run `python -m bucle.contracts.reasons_doc`"
