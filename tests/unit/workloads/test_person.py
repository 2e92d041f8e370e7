"""What is kept of a person's request: who wrote it, what came of it, and that it was answered."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from bucle.contracts import telemetry
from bucle.contracts.names import ANNOTATION_ACTION
from bucle.contracts.person import Outcome
from bucle.contracts.reasons import REASONS
from bucle.resources.base import Condition, ObjectMeta
from bucle.resources.person_status import PersonAction
from bucle.workloads.person import (
    EVENTS,
    KEPT,
    Waits,
    conditions,
    done,
    happenings,
    refused,
    remembered,
    unanswered,
)

NOW = datetime(2026, 3, 1, 12, 0, 5, 250_000, tzinfo=UTC)
OWNED: dict[str, Any] = {"f:metadata": {"f:annotations": {f"f:{ANNOTATION_ACTION}": {}}}}


def meta(text: str | None = "approve/x/1", *managed: dict[str, Any]) -> ObjectMeta:
    annotations = {} if text is None else {ANNOTATION_ACTION: text}
    return ObjectMeta.model_validate({"name": "n", "annotations": annotations, "managedFields": list(managed)})


def answered(text: str, *, known: tuple[PersonAction, ...] = (), no: bool = False) -> tuple[PersonAction, ...]:
    said = unanswered(meta(text), known)
    assert said is not None
    return remembered(meta(text), known, said, refused("no: x") if no else done("yes: x"), NOW)


@pytest.mark.parametrize(
    ("text", "new"),
    [
        ("approve/x/1", False),
        (" approve/x/1 ", False),
        ("approve/x/2", True),
        ("reject/x/1", True),
        ("approve/y/1", True),
        (None, False),
        ("nonsense", True),
    ],
)
def test_what_was_answered_is_not_asked_again(text: str | None, new: bool) -> None:
    assert (unanswered(meta(text), answered("approve/x/1")) is not None) is new


def test_a_mistake_is_told_once() -> None:
    assert unanswered(meta("nonsense"), answered("nonsense", no=True)) is None


def test_the_newest_answers_are_kept_and_the_one_that_stands_is_among_them() -> None:
    known: tuple[PersonAction, ...] = ()
    for number in range(KEPT + 5):
        known = answered(f"approve/x/{number}", known=known)
    assert len(known) == KEPT
    assert unanswered(meta(f"approve/x/{KEPT + 4}"), known) is None
    assert known[0].nonce == str(KEPT + 4)


@pytest.mark.parametrize(
    ("managed", "by", "asked_at"),
    [
        ((), None, None),
        (({"manager": "kubectl-annotate", "time": "2026-03-01T11:59:00Z", "fieldsV1": OWNED},), "kubectl-annotate", 65),
        (
            ({"manager": "kubectl", "fieldsV1": {"f:spec": {}}}, {"manager": "argocd", "fieldsV1": OWNED}),
            "argocd",
            None,
        ),
        (({"manager": "m", "time": "yesterday", "fieldsV1": OWNED},), "m", None),
        (({"manager": "m", "fieldsV1": {"f:metadata": None}}, {"manager": "other"}), None, None),
    ],
    ids=["nobody noted it", "who annotates", "one of two", "a time that is none", "books that say nothing"],
)
def test_who_wrote_it_is_told_as_the_servers_books_have_it(
    managed: tuple[dict[str, Any], ...], by: str | None, asked_at: int | None
) -> None:
    (said,) = (unanswered(meta("approve/x/1", *managed), ()),)
    assert said is not None
    (line,) = remembered(meta("approve/x/1", *managed), (), said, done("yes"), NOW)
    assert line.by == by
    assert line.at == NOW.replace(microsecond=0)
    assert line.asked_at == (None if asked_at is None else line.at - timedelta(seconds=asked_at))


YES, NO = answered("approve/x/1"), answered("approve/x/1", no=True)
STORED = (Condition(type="ActionRefused", status="True", reason="ActionRefused"),)
WAITS = Waits("RegistryUnavailable", "MLflow is down")


@pytest.mark.parametrize(
    ("text", "known", "waits", "stored", "expected"),
    [
        (None, (), None, (), []),
        ("approve/x/1", YES, None, (), []),
        ("approve/x/1", NO, None, (), [("True", "ActionRefused", "no: x")]),
        ("approve/x/2", answered("approve/x/2", known=NO), None, STORED, [("False", "ActionDone", "")]),
        (None, NO, None, STORED, [("False", "ActionDone", "")]),
        (
            "retrain/x/1",
            (),
            WAITS,
            (),
            [("Unknown", "RegistryUnavailable", "retrain/x/1 waits: MLflow is down")],
        ),
    ],
    ids=["nothing asked", "done", "refused", "another one was done", "taken away", "nobody can tell yet"],
)
def test_a_refusal_stands_in_a_condition_as_long_as_the_annotation_asks_for_it(
    text: str | None,
    known: tuple[PersonAction, ...],
    waits: Waits | None,
    stored: tuple[Condition, ...],
    expected: list[tuple[str, str, str]],
) -> None:
    found = conditions(meta(text), known, waits, stored)
    assert [(said.status, said.reason, said.message) for said in found] == expected
    assert all(said.type == "ActionRefused" for said in found)


def test_each_answer_is_an_event_of_its_own_and_counted() -> None:
    known = answered("approve/x/2", known=answered("approve/y/1", no=True))
    assert {(found.labels, found.message) for found in happenings(known)} == {
        (("ActionDone",), "yes: x"),
        (("ActionRefused",), "no: x"),
    }
    assert happenings((PersonAction(verb="approve", outcome="Postponed"),)) == frozenset(), "of another release"


def test_events_are_called_by_reasons_of_the_table() -> None:
    assert set(EVENTS) == set(Outcome)
    assert set(EVENTS.values()) == set(telemetry.PERSON_ACTIONS.labels[-1].values) <= REASONS.keys()
