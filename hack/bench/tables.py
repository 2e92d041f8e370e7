"""The tables that drift is measured on: two files of Parquet with the same columns, of which five have truly changed.

Knows numpy and pyarrow. A seed gives the same bytes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.random import Generator
from numpy.typing import NDArray

ROW_GROUP = 65_536
SHIFTED = ("n0", "n1", "l0", "c2", "c3")
SIZES = (2, 3, 5, 10, 20, 100, 1_000, 5_000)
"""Values of the columns of categories."""


@dataclass(frozen=True)
class Shape:
    """How large the two tables are; `wide`: so many more columns of 5,000 categories and of numbers, half of each."""

    rows: int
    wide: int = 0

    @property
    def name(self) -> str:
        return f"{self.rows}x{20 + self.wide}"


def write(shape: Shape, folder: Path) -> tuple[Path, Path]:
    """The table of training and that of the window."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = tuple(folder / f"{shape.name}-{which}.parquet" for which in ("reference", "window"))
    for at, path in enumerate(paths):
        if not path.exists():
            fresh = path.with_suffix(".new")
            _written(shape, np.random.default_rng([20130101, at]), at == 1, fresh)
            fresh.replace(path)
    return paths[0], paths[1]


def numbers(shape: Shape) -> list[str]:
    return [*(f"n{i}" for i in range(6)), *(f"l{i}" for i in range(3)), "i0", "i1", "h0", *_wide("w", shape)]


def categories(shape: Shape) -> list[str]:
    return [*(f"c{i}" for i in range(len(SIZES))), *_wide("k", shape)]


def _wide(letter: str, shape: Shape) -> list[str]:
    return [f"{letter}{at}" for at in range(shape.wide // 2)]


def _written(shape: Shape, rng: Generator, shifted: bool, path: Path) -> None:
    """Row group by row group: the wide table would not fit into memory."""
    with pq.ParquetWriter(path, _batch(shape, rng, shifted, 1).schema, compression="zstd") as writer:
        for first in range(0, shape.rows, ROW_GROUP):
            writer.write_table(_batch(shape, rng, shifted, min(ROW_GROUP, shape.rows - first)))


def _batch(shape: Shape, rng: Generator, shifted: bool, rows: int) -> pa.Table:
    def moved(name: str, by: float) -> float:
        return by if shifted and name in SHIFTED else 0.0

    columns: dict[str, pa.Array] = {}
    for at in range(6):
        columns[f"n{at}"] = pa.array(rng.standard_normal(rows) + moved(f"n{at}", 0.5))
    for at in range(3):
        columns[f"l{at}"] = pa.array(np.exp(rng.standard_normal(rows) * 1.5 + moved(f"l{at}", 0.6)))
    columns["i0"] = pa.array(rng.integers(0, 10**9, rows))
    columns["i1"] = pa.array(rng.integers(0, 10**6, rows))
    columns["h0"] = pa.array(rng.standard_normal(rows), mask=rng.random(rows) < 0.05)
    for at, size in enumerate(SIZES):
        columns[f"c{at}"] = _texts(_zipf(rng, rows, size, 1.0 + moved(f"c{at}", 0.8)))
    for at in range(shape.wide // 2):
        columns[f"w{at}"] = pa.array(rng.standard_normal(rows))
        columns[f"k{at}"] = _texts(rng.integers(0, 5_000, rows))
    return pa.table(columns)


def _zipf(rng: Generator, rows: int, size: int, slope: float) -> NDArray[np.int64]:
    shares = 1 / np.arange(1, size + 1) ** slope
    return np.asarray(rng.choice(size, rows, p=shares / shares.sum()), dtype=np.int64)


def _texts(codes: NDArray[np.int64]) -> pa.Array:
    name: Callable[[int], str] = "value-{:05d}".format
    names = pa.array([name(code) for code in range(int(codes.max()) + 1)])
    return pa.DictionaryArray.from_arrays(pa.array(codes, pa.int32()), names).dictionary_decode()
