"""Which model may succeed which: a table of schemas before and after."""

from __future__ import annotations

from typing import Any

import pytest
from tests.support.fakes.small_model import reference

from bucle.contracts.reference import Question, Reference
from bucle.contracts.succession import unfit
from bucle.contracts.table import Column, Target
from bucle.contracts.task import Successor

SERVING = reference()
BASE = {column.name: column for column in SERVING.table.columns}


def candidate(**columns: Column | None) -> Reference:
    """As what serves, but for these columns; None takes one away."""
    wanted = {**BASE, **columns}
    table = SERVING.table.model_copy(update={"columns": tuple(c for c in wanted.values() if c is not None)})
    return SERVING.model_copy(update={"table": table})


def with_type(name: str, **more: Any) -> Column:
    return BASE[name].model_copy(update=more)


@pytest.mark.parametrize(
    ("columns", "says"),
    [
        ({"age": Column(name="age", type="Number")}, "it needs the column age"),
        ({"time_hour": with_type("time_hour", role="Feature")}, "the column time_hour"),
        ({"distance": with_type("distance", nullable="Never")}, "a value of distance in every row"),
        ({"distance": with_type("distance", type="Integer")}, "distance as Integer, not Number"),
        ({"carrier": with_type("carrier", unknown="Error")}, "a category that training saw in carrier"),
        ({"hour": with_type("hour", type="Boolean")}, "hour as Boolean, not Integer"),
        ({f"x{n}": Column(name=f"x{n}", type="Number") for n in range(9)}, "and 4 more"),
    ],
)
def test_a_candidate_that_needs_more_than_callers_send_is_named_by_column(
    columns: dict[str, Column], says: str
) -> None:
    found = unfit(candidate(**columns), SERVING, Successor(of="r1"))
    assert found is not None and found[0] == "OtherInputs" and says in found[1] and "onOtherInputs" in found[1]
    assert unfit(candidate(**columns), SERVING, Successor(of="r1", inputs="Try")) is None


@pytest.mark.parametrize(
    "columns",
    [
        {},
        {"distance": None},
        {"distance": None, "time_hour": None},
        {"hour": with_type("hour", type="Number")},
        {"hour": with_type("hour", type="Category")},
        {"hour": with_type("hour", nullable="Allowed", maximum=None)},
        {"carrier": with_type("carrier", type="Text")},
        {"flight_number": Column(name="flight_number", type="Text", role="Group")},
    ],
    ids=str,
)
def test_a_candidate_that_asks_no_more_of_callers_may_succeed(columns: dict[str, Column | None]) -> None:
    assert unfit(candidate(**columns), SERVING, Successor(of="r1")) is None


@pytest.mark.parametrize(
    ("target", "classes", "says"),
    [
        (Target(name="delay", task="Binary", positive="1"), ("0", "1"), "it predicts Binary delay, not Binary late"),
        (Target(name="late", task="Regression"), (), "it predicts Regression late"),
        (Target(name="late", task="Binary", positive="0"), ("1", "0"), "its positive value of late is 0, not 1"),
        (Target(name="late", task="Binary", positive="1"), ("1", "2"), "it has 2 and lacks 0"),
    ],
)
def test_a_candidate_of_another_question_may_not_succeed_whatever_is_tried(
    target: Target, classes: tuple[str, ...], says: str
) -> None:
    table = SERVING.table.model_copy(update={"target": target})
    other = SERVING.model_copy(update={"table": table, "classes": classes})
    found = unfit(other, SERVING, Successor(of="r1", inputs="Try"))
    assert found is not None and found[0] == "OtherQuestion" and says in found[1]


@pytest.mark.parametrize(
    ("columns", "terms", "says"),
    [
        ({"flight_id": None}, {}, "labels come by the column flight_id"),
        ({"flight_id": with_type("flight_id", role="Group")}, {}, "labels come by the column flight_id"),
        ({"flight_id": None}, {"labels": "RequestId"}, None),
        ({"time_hour": None}, {"group": "time_hour"}, "a gate groups rows by the column time_hour"),
        ({"time_hour": None}, {"group": "elsewhere"}, None),
    ],
)
def test_a_candidate_keeps_the_columns_that_labels_and_gates_go_by(
    columns: dict[str, Column | None], terms: dict[str, Any], says: str | None
) -> None:
    found = unfit(candidate(**columns), SERVING, Successor(of="r1", inputs="Try", **terms))
    assert (found is None) if says is None else (found is not None and says in found[1])


def test_the_words_of_a_question_fit_into_a_tag_and_differ_where_it_does() -> None:
    few = Question(target="late", task="Binary", positive="1", classes=("0", "1"))
    assert few.words() == "Binary late = 1 of 0, 1"
    many = Question(target="kind", task="MultiClass", classes=tuple(f"class {n}" for n in range(500)))
    more = many.model_copy(update={"classes": (*many.classes[:-1], "another")})
    assert len(many.words()) < 200 and many.words() != more.words()
