"""Which cell of a profile each value of a column falls into, and what is no value of it.

May know pyarrow, numpy and the types of columns. No column is refused: what does not fit is counted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from bucle.contracts.table import ColumnType
from bucle.podkit.column_values import ARROW, WrongValues, typed

Codes = NDArray[np.int64]
MISFITS_TRIED = 4
"""A column may hold several sorts of misfits; each try sets one sort aside."""
UNKNOWN = -1


@dataclass(frozen=True, slots=True)
class Values:
    """The usable values, in the order of the rows; how many rows have none, and how many have a misfit."""

    usable: pa.Array
    nulls: int
    invalid: int


def number_cells(values: NDArray[np.float64], edges: NDArray[np.float64]) -> Codes:
    """Below the first edge 0, at it 1, between it and the second 2, at the second 3, and so on."""
    at = np.searchsorted(edges, values, side="left")
    return np.asarray(2 * at + (np.append(edges, np.nan)[at] == values), dtype=np.int64)


def category_cells(values: pa.DictionaryArray, known: Sequence[str], seen: pa.Array) -> Codes:
    """The place among the known values; after them one cell for other ones that training saw, and one for new ones."""
    texts = values.dictionary
    place = pc.fill_null(pc.index_in(texts, value_set=pa.array(known, pa.string())), UNKNOWN)
    codes = np.array(place, dtype=np.int64)
    new = codes == UNKNOWN
    codes[new] = len(known) + 1 - np.asarray(pc.is_in(texts, value_set=seen), dtype=np.int64)[new]
    return np.asarray(codes[np.asarray(values.indices)], dtype=np.int64)


def usable_numbers(array: pa.Array, type_: ColumnType) -> Values:
    values = _usable(array, type_)
    numbers = values.usable.cast(pa.float64(), safe=False)
    finite = pc.is_finite(numbers)
    lost = len(numbers) - (pc.sum(finite).as_py() or 0)
    if not lost:
        return Values(numbers, values.nulls, values.invalid)
    nans = pc.sum(pc.is_nan(numbers)).as_py() or 0
    return Values(numbers.filter(finite), values.nulls + nans, values.invalid + lost - nans)


def usable_categories(array: pa.Array, type_: ColumnType) -> Values:
    """As a dictionary, whose texts are looked at once each."""
    if pa.types.is_nested(array.type):
        return Values(pa.nulls(0, pa.string()).dictionary_encode(), array.null_count, len(array) - array.null_count)
    encoded = array if pa.types.is_dictionary(array.type) else array.dictionary_encode()
    texts, misfit = _fitting(encoded.dictionary, type_)
    if not (encoded.null_count or texts.null_count or pc.count_distinct(texts).as_py() < len(texts)):
        return Values(pa.DictionaryArray.from_arrays(encoded.indices, texts), 0, 0)
    indices = np.asarray(pc.fill_null(encoded.indices.cast(pa.int64()), UNKNOWN))
    null = indices == UNKNOWN
    empty = np.append(np.asarray(texts.is_null(), dtype=np.bool_), True)[indices]
    wrong = np.append(misfit, False)[indices]
    again = texts.dictionary_encode()  # two ways of writing one category are one
    places = np.asarray(pc.fill_null(again.indices.cast(pa.int64()), UNKNOWN))[indices[~empty]]
    usable = pa.DictionaryArray.from_arrays(pa.array(places), again.dictionary)
    return Values(usable, int((null | (empty & ~wrong)).sum()), int(wrong.sum()))


def _usable(array: pa.Array, type_: ColumnType) -> Values:
    """Values of that Arrow type, or of one whose numbers are the same."""
    if array.type == ARROW[type_] or (pa.types.is_float64(array.type) and type_ == "Number"):
        return Values(array.drop_null(), array.null_count, 0)
    fitting, misfit = _fitting(array, type_)
    invalid = int(misfit.sum())
    return Values(fitting.drop_null(), fitting.null_count - invalid, invalid)


def _fitting(array: pa.Array, type_: ColumnType) -> tuple[pa.Array, NDArray[np.bool_]]:
    """The column with its type, null where a value is none of it, and which those are."""
    misfit = np.zeros(len(array), dtype=np.bool_)
    for _ in range(MISFITS_TRIED):
        try:
            return typed(array, type_), misfit
        except WrongValues as error:
            misfit = misfit | error.wrong
            array = pc.if_else(pa.array(error.wrong), pa.scalar(None, array.type), array)
        except (pa.ArrowException, TypeError, ValueError):
            break
    return pa.nulls(len(array), ARROW[type_]), misfit | np.asarray(array.is_valid(), dtype=np.bool_)
