"""One column of a source as the type that the schema says: the same values, or the same refusal, whatever form it
came in (text of a CSV file, a Parquet type, JSON).

May know pyarrow, pandas and what a row is (`contracts.row_rules`). Refusals hold counts and row numbers, never values:
values can be personal data.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from bucle.contracts.row_rules import (
    EXACT_FLOATS_END,
    INTEGER_HIGHEST,
    INTEGER_LOWEST,
    NUMBER_LABEL_LIMIT,
    TIME_BEFORE,
    TIME_FROM,
    Fault,
    Refused,
    category_text,
    text_of,
    time_of,
)
from bucle.contracts.table import ColumnType

ARROW: dict[ColumnType, pa.DataType] = {
    "Integer": pa.int64(),
    "Number": pa.float64(),
    "Boolean": pa.bool_(),
    "Category": pa.string(),
    "Text": pa.string(),
    "Timestamp": pa.timestamp("us", tz="UTC"),
}
NOT_WHOLE = "are not whole numbers"
NOT_64_BITS = "do not fit into 64 bits"
NOT_NUMBERS = "are not numbers"
NOT_FINITE = "are not finite"
NOT_A_TARGET = f"are not between -{NUMBER_LABEL_LIMIT:g} and {NUMBER_LABEL_LIMIT:g}, as the numbers of a target must be"
NOT_TRUTHS = "are neither true nor false"
NOT_TEXTS = "are neither text nor numbers"
TWO_WAYS = "are a number that other rows write in another way, as 3.1 and 3.10"
NOT_TIMES = "are not ISO 8601 times"
NOT_NEAR_TIMES = f"are not times from {TIME_FROM.year} to {TIME_BEFORE.year - 1}"

_TRUE, _FALSE = ("true", "1", "1.0"), ("false", "0", "0.0")
_NUMBER = r"^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?$"
_INFINITE = r"^[+-]?inf(inity)?$"
_SHORT_WHOLE = r"^-?[0-9]{1,18}$"
_PLAIN_TIME = (
    r"^(1[7-9][0-9]{2}|20[0-9]{2}|21[0-9]{2}|22[0-5][0-9])-[0-9]{2}-[0-9]{2}"
    r"[T ][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?(Z|[+-][0-9]{2}:[0-9]{2})?$"
)
_MAYBE_OTHER_TEXT = r"^(-?[0-9].*[.eE]|True$|False$)"
"""Texts that `category_text` may write in another way: no other needs a look."""


class WrongValues(ValueError):
    """`count` values of one column do not have the wanted type, the first of them in row `first` (from 1)."""

    def __init__(self, wrong: NDArray[np.bool_], problem: str) -> None:
        super().__init__(problem)
        self.wrong = wrong
        self.count = int(wrong.sum())
        self.first = int(wrong.argmax()) + 1
        self.problem = problem


def typed(values: pa.Array | pa.ChunkedArray, type_: ColumnType) -> pa.Array:
    """The column with the Arrow type of `type_`, NaN as null; raises WrongValues with the number of misfits."""
    array = values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values
    if isinstance(array, pa.ChunkedArray):
        array = pa.concat_arrays(array.chunks)
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    if pa.types.is_null(array.type):
        return pa.nulls(len(array), ARROW[type_])
    array = _plain(array)
    if type_ == "Category" or type_ == "Text":
        return _texts(array, category_text if type_ == "Category" else text_of)
    if type_ == "Timestamp":
        return _times(array)
    if pa.types.is_string(array.type):
        return _PARSED[type_](pc.utf8_trim_whitespace(array))
    return _NUMERIC[type_](array)


def require_label_numbers(numbers: pa.Array) -> None:
    """Raises WrongValues for numbers that no label may be (see LabelContract): what comes true of them is refused, and
    squares of errors are no longer finite."""
    _refuse(pc.less(pc.abs(numbers), NUMBER_LABEL_LIMIT), NOT_A_TARGET)


def _plain(array: pa.Array) -> pa.Array:
    """One Arrow type per kind: text is string, a short float is what its own digits say, NaN is null."""
    if pa.types.is_large_string(array.type) or pa.types.is_string_view(array.type):
        return array.cast(pa.string())
    if pa.types.is_decimal(array.type):
        return array
    if pa.types.is_float16(array.type) or pa.types.is_float32(array.type):
        # 0.1 in 32 bits is 0.1 in a text file, and 0.10000000149011612 by a plain cast.
        array = array.cast(pa.float32()).cast(pa.string()).cast(pa.float64())
    if pa.types.is_floating(array.type):
        return pc.if_else(pc.is_nan(array), None, array)
    return array


def _texts(array: pa.Array, one_text: Callable[[Any], str]) -> pa.Array:
    if pa.types.is_string(array.type):
        return array if one_text is text_of else _categories(array)
    if pa.types.is_boolean(array.type) or pa.types.is_integer(array.type):
        return array.cast(pa.string())
    if not (pa.types.is_floating(array.type) or pa.types.is_decimal(array.type)):
        raise WrongValues(_known(array), NOT_TEXTS)
    if pa.types.is_floating(array.type):
        _refuse(pc.is_finite(array), NOT_TEXTS)
    return _mapped(array, one_text)


def _categories(array: pa.Array) -> pa.Array:
    odd = pc.or_(pc.match_substring_regex(array, _MAYBE_OTHER_TEXT), pc.invert(pc.string_is_ascii(array)))
    if not pc.any(odd).as_py():
        return array
    encoded = array.dictionary_encode()
    names = [category_text(text) for text in encoded.dictionary.to_pylist()]
    # 3.1 and 3.10 may be two versions of something: told, rather than made one in silence.
    seen: dict[str, list[int]] = {}
    for at, name in enumerate(names):
        seen.setdefault(name, []).append(at)
    _refuse_codes(encoded.indices, {at for name, all_ in seen.items() if "." in name for at in all_[1:]}, TWO_WAYS)
    return pc.take(pa.array(names, pa.string()), encoded.indices)


def _mapped(array: pa.Array, one_text: Callable[[Any], str]) -> pa.Array:
    """Each distinct value is looked at once."""
    encoded = array.dictionary_encode()
    texts = pa.array([one_text(value) for value in encoded.dictionary.to_pylist()], pa.string())
    return pc.take(texts, encoded.indices)


def _times(array: pa.Array) -> pa.Array:
    if pa.types.is_date(array.type):
        array = array.cast(pa.timestamp("s")) if pa.types.is_date32(array.type) else array.cast(pa.timestamp("ms"))
    if pa.types.is_timestamp(array.type):
        return _near(array)
    if not pa.types.is_string(array.type):
        raise WrongValues(_known(array), NOT_TIMES)
    texts = pc.utf8_trim_whitespace(array)
    plain = pc.all(pc.match_substring_regex(texts, _PLAIN_TIME)).as_py()
    if plain is not False:
        parsed = pd.to_datetime(texts.to_pandas(), utc=True, errors="coerce", format="ISO8601")
        if int(parsed.isna().sum()) == array.null_count:
            return _near(pa.Array.from_pandas(parsed))
    return _times_one_by_one(texts)


def _near(times: pa.Array) -> pa.Array:
    """Microseconds in UTC; a time that pandas cannot hold in nanoseconds is refused here rather than later."""
    unit = times.type.unit
    per_second = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}[unit]
    low, high = (int(bound.timestamp()) * per_second for bound in (TIME_FROM, TIME_BEFORE))
    whole = times.cast(pa.int64())
    _refuse(pc.and_(pc.greater_equal(whole, _bounded(low)), pc.less(whole, _bounded(high))), NOT_NEAR_TIMES)
    if unit == "ns":
        # Towards the past on both sides of 1970, as a text with nine digits is read.
        whole = pa.array(np.floor_divide(np.asarray(whole.fill_null(0)), 1000), mask=np.asarray(whole.is_null()))
        return whole.cast(ARROW["Timestamp"])
    return times.cast(pa.timestamp("us", tz=times.type.tz)).cast(ARROW["Timestamp"])


def _bounded(value: int) -> pa.Scalar:
    return pa.scalar(max(INTEGER_LOWEST, min(INTEGER_HIGHEST, value)), pa.int64())


def _times_one_by_one(texts: pa.Array) -> pa.Array:
    encoded = texts.dictionary_encode()
    problems: dict[int, str] = {}
    times: list[Any] = []
    for at, text in enumerate(encoded.dictionary.to_pylist()):
        try:
            times.append(time_of(text))
        except Refused as refused:
            times.append(None)
            problems[at] = NOT_NEAR_TIMES if refused.fault == Fault.OUT_OF_RANGE else NOT_TIMES
    for problem in (NOT_TIMES, NOT_NEAR_TIMES):
        _refuse_codes(encoded.indices, {at for at, found in problems.items() if found == problem}, problem)
    return pc.take(pa.array(times, ARROW["Timestamp"]), encoded.indices)


def _parsed_boolean(texts: pa.Array) -> pa.Array:
    texts = _without_nan(texts)
    lower = pc.utf8_lower(texts)
    true = pc.is_in(lower, pa.array(_TRUE))
    known = pc.or_(true, pc.is_in(lower, pa.array(_FALSE)))
    _refuse(pc.or_(known, pc.is_null(texts)), NOT_TRUTHS)
    return pc.if_else(pc.is_null(texts), pa.scalar(None, pa.bool_()), true)


def _parsed_number(texts: pa.Array) -> pa.Array:
    texts = _without_nan(texts)
    infinite = pc.match_substring_regex(texts, _INFINITE, ignore_case=True)
    _refuse(pc.or_(infinite, pc.match_substring_regex(texts, _NUMBER)), NOT_NUMBERS)
    _refuse(pc.invert(infinite), NOT_FINITE)
    try:
        numbers = texts.cast(pa.float64())
    except pa.ArrowInvalid:  # its grammar lacks a form or two that ours has
        numbers = pa.array([None if text is None else float(text) for text in texts.to_pylist()], pa.float64())
    return _finite(numbers)


def _parsed_integer(texts: pa.Array) -> pa.Array:
    texts = _without_nan(texts)
    if pc.all(pc.match_substring_regex(texts, _SHORT_WHOLE)).as_py() is not False:
        return texts.cast(pa.int64())
    encoded = texts.dictionary_encode()
    found = [_whole(text) for text in encoded.dictionary.to_pylist()]
    for problem in (NOT_WHOLE, NOT_64_BITS):
        _refuse_codes(encoded.indices, {at for at, value in enumerate(found) if value == problem}, problem)
    return pc.take(pa.array(found, pa.int64()), encoded.indices)


def _whole(text: str) -> int | str:
    """The integer, or what is wrong with it. One written as a float must be one that a float holds exactly."""
    if re.fullmatch(r"[+-]?[0-9]+", text) and len(text) <= 40:
        value = int(text)
        return value if INTEGER_LOWEST <= value <= INTEGER_HIGHEST else NOT_64_BITS
    if not re.fullmatch(_NUMBER, text):
        return NOT_WHOLE
    number = float(text)
    if not math.isfinite(number) or not number.is_integer():
        return NOT_WHOLE
    return int(number) if abs(number) < EXACT_FLOATS_END else NOT_64_BITS


def _without_nan(texts: pa.Array) -> pa.Array:
    """A number that is none, written as text, is a null as it is in a column of floats."""
    return pc.if_else(pc.equal(pc.utf8_lower(texts), "nan"), pa.scalar(None, pa.string()), texts)


def _numeric_number(array: pa.Array) -> pa.Array:
    if pa.types.is_decimal(array.type):
        return _parsed_number(array.cast(pa.string()))
    _require_numbers(array, NOT_NUMBERS)
    return _finite(array.cast(pa.float64(), safe=False))


def _numeric_integer(array: pa.Array) -> pa.Array:
    if pa.types.is_decimal(array.type):
        return _parsed_integer(array.cast(pa.string()))
    _require_numbers(array, NOT_WHOLE)
    if pa.types.is_floating(array.type):
        _refuse(pc.and_(pc.is_finite(array), pc.equal(pc.floor(array), array)), NOT_WHOLE)
        _refuse(pc.less(pc.abs(array), float(EXACT_FLOATS_END)), NOT_64_BITS)
    elif pa.types.is_uint64(array.type):
        _refuse(pc.less_equal(array, pa.scalar(INTEGER_HIGHEST, pa.uint64())), NOT_64_BITS)
    return array.cast(pa.int64())


def _numeric_boolean(array: pa.Array) -> pa.Array:
    if pa.types.is_boolean(array.type):
        return array
    if pa.types.is_decimal(array.type):
        array = array.cast(pa.float64())
    _require_numbers(array, NOT_TRUTHS)
    numbers = array.cast(pa.float64(), safe=False)
    _refuse(pc.or_(pc.equal(numbers, 0.0), pc.equal(numbers, 1.0)), NOT_TRUTHS)
    return pc.equal(numbers, 1.0)


_PARSED: dict[ColumnType, Callable[[pa.Array], pa.Array]] = {
    "Boolean": _parsed_boolean,
    "Number": _parsed_number,
    "Integer": _parsed_integer,
}
_NUMERIC: dict[ColumnType, Callable[[pa.Array], pa.Array]] = {
    "Boolean": _numeric_boolean,
    "Number": _numeric_number,
    "Integer": _numeric_integer,
}


def _require_numbers(array: pa.Array, problem: str) -> None:
    if not (pa.types.is_integer(array.type) or pa.types.is_floating(array.type)):
        raise WrongValues(_known(array), problem)


def _finite(numbers: pa.Array) -> pa.Array:
    _refuse(pc.is_finite(numbers), NOT_FINITE)
    return numbers


def _known(array: pa.Array) -> NDArray[np.bool_]:
    return np.asarray(array.is_valid(), dtype=bool)


def _refuse(good: pa.Array, problem: str) -> None:
    """Raises WrongValues where `good` is false; a null is good."""
    if pc.all(good).as_py() is False:
        raise WrongValues(~np.asarray(good.fill_null(True), dtype=bool), problem)


def _refuse_codes(codes: pa.Array, wrong: set[int], problem: str) -> None:
    if wrong:
        raise WrongValues(np.isin(np.asarray(codes.fill_null(-1)), list(wrong)), problem)
