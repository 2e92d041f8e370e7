"""A request is judged by the contract of rows, and what passes is what training gave the model."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bucle.contracts.row_rules import Fault, Refused, cell_of
from bucle.contracts.table import Column, TableSchema, Target
from bucle.podkit.frames import model_frame, typed_table
from bucle.podkit.request_check import FEW, Door, InvalidRequest, cells_of, frame_of

SCHEMA = TableSchema(
    target=Target(name="y", task="Binary", positive="1"),
    columns=(
        Column(name="n", type="Number", nullable="Allowed"),
        Column(name="c", type="Category", nullable="Allowed"),
        Column(name="k", type="Integer", maximum="9007199254740992"),
        Column(name="b", type="Boolean"),
        Column(name="at", type="Timestamp", role="Time"),
        Column(name="id", type="Text", role="Id"),
        Column(name="strict", type="Category", nullable="Allowed", unknown="Error"),
    ),
)
FEATURES = SCHEMA.with_role("Feature")
DOOR = Door(SCHEMA.columns, {"strict": frozenset({"x"})})
GOOD: dict[str, Any] = {"n": [1.0], "c": ["a"], "k": [1], "b": [True], "strict": [None]}

rows = st.lists(
    st.tuples(
        st.none() | st.floats(allow_nan=False, allow_infinity=False),
        st.none() | st.text(max_size=5),
        st.integers(-(2**53), 2**53),
        st.booleans(),
    ),
    min_size=1,
    max_size=20,
)


@given(rows)
def test_a_request_gives_the_model_what_training_gave_it(given_rows: list[tuple[Any, ...]]) -> None:
    columns = dict(zip(("n", "c", "k", "b"), (list(values) for values in zip(*given_rows, strict=True)), strict=True))
    schema = SCHEMA.model_copy(update={"columns": SCHEMA.columns[:4]})
    stored = pa.table({**columns, "y": ["0"] * len(given_rows)})
    trained = model_frame(typed_table(stored, schema), schema.columns)
    asked = frame_of([Door(schema.columns, {}).admitted(columns).features], schema.columns)
    assert list(trained.dtypes) == list(asked.dtypes)
    for name in trained.columns:
        assert [repr(v) for v in trained[name].tolist()] == [repr(v) for v in asked[name].tolist()]


@pytest.mark.parametrize(
    ("change", "column", "fault", "problem"),
    [
        ({"n": None}, "n", Fault.MISSING, "is missing"),
        ({"k": [None]}, "k", Fault.NULL, "must not be null (row 0)"),
        ({"k": [1.5]}, "k", Fault.WRONG_TYPE, "whole number (row 0)"),
        ({"k": [2**63]}, "k", Fault.OUT_OF_RANGE, "64 bits (row 0)"),
        ({"k": [2**60]}, "k", Fault.OUT_OF_RANGE, "at most 9007199254740992"),
        ({"n": ["1"]}, "n", Fault.WRONG_TYPE, "must be a number"),
        ({"b": ["true"]}, "b", Fault.WRONG_TYPE, "true or false"),
        ({"c": [["a"]]}, "c", Fault.WRONG_TYPE, "must be a text"),
        ({"k": [1, 2]}, "n", Fault.MISSING, "has 1 values where other columns have 2"),
        ({"at": ["noon"]}, "at", Fault.NOT_A_TIME, "ISO 8601"),
        ({"at": [1767225600]}, "at", Fault.NOT_A_TIME, "ISO 8601"),
        ({"id": [""]}, "id", Fault.TOO_LONG, "1 to 512 characters"),
        ({"strict": ["z"]}, "strict", Fault.UNKNOWN_CATEGORY, "never saw (row 0)"),
    ],
)
def test_what_may_not_enter_is_refused_with_column_rule_and_row(
    change: dict[str, Any], column: str, fault: Fault, problem: str
) -> None:
    with pytest.raises(InvalidRequest) as caught:
        DOOR.admitted({name: values for name, values in (GOOD | change).items() if values is not None})
    assert (caught.value.column, caught.value.fault) == (column, fault) and problem in caught.value.problem


def test_a_row_without_its_time_or_id_is_answered_and_counted_as_none_to_train_on() -> None:
    admitted = DOOR.admitted({name: values * 3 for name, values in GOOD.items()} | {"id": ["a", None, "c"]})
    assert admitted.rows == 3
    assert admitted.incomplete == {("at", Fault.MISSING): 3, ("id", Fault.NULL): 1}


def test_a_row_of_another_century_is_answered_and_counted_as_none_to_train_on() -> None:
    far = GOOD | {"at": ["2199-01-01T00:00:00Z"], "id": ["a"]}
    admitted = DOOR.admitted(far, datetime(2026, 1, 1, tzinfo=UTC))
    assert (admitted.rows, admitted.incomplete) == (1, {("at", Fault.IN_FUTURE): 1})
    assert not DOOR.admitted(far, datetime(2199, 1, 1, tzinfo=UTC)).incomplete


def test_a_category_sent_as_a_number_is_the_category_that_training_had() -> None:
    door = Door((Column(name="c", type="Category"),), {})
    assert door.admitted({"c": [1, 1.0, "1.50", True]}).features.columns["c"] == ["1", "1", "1.5", "true"]


def test_a_name_in_other_unicode_letters_is_the_same_name() -> None:
    composed, decomposed = "caf\u00e9", "cafe\u0301"
    for schema_name, sent in ((composed, decomposed), (decomposed, composed)):
        door = Door((Column(name=schema_name, type="Number"),), {})
        assert list(door.admitted({sent: [1.0]}).cells) == [schema_name]


VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**66), 2**66),
    st.floats(),
    st.text(max_size=4),
    st.just("1.0"),
    st.just("True"),
)


@given(
    st.sampled_from([*SCHEMA.columns, Column(name="w", type="Number", role="Weight", minimum="-1")]),
    st.one_of(
        *(
            st.lists(of, min_size=FEW + 1, max_size=FEW + 4)
            for of in (
                st.booleans(),
                st.integers(-(2**66), 2**66),
                st.floats(),
                st.text("1.0eETrue\u00e9", max_size=4),
                VALUES,
            )
        )
    ),
)
def test_many_values_at_once_are_judged_as_one_by_one(column: Column, values: list[Any]) -> None:
    try:
        expected: list[Any] | None = [cell_of(column, value) for value in values]
    except Refused:
        expected = None
    try:
        found: list[Any] | None = list(cells_of(column, values))
    except InvalidRequest:
        found = None
    assert repr(found) == repr(expected)
