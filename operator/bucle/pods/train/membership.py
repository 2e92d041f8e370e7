"""What a champion has learnt from, by the record of its own dataset version: never by the present splits.

A seed or a share that was edited since moves rows between the splits, and a model looks well on rows it has learnt.
May know versions, groups and rows; knows no model.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from bucle.contracts.manifest import SPLITS, DatasetManifest
from bucle.podkit.splits import groups_of
from bucle.podkit.versions import read_manifest, read_split

LEARNT = ("train", "validation")


@dataclass(frozen=True, slots=True)
class Membership:
    """Per row of a table: whether the champion's version had it (or its group), and whether the champion learnt it."""

    known: NDArray[np.bool_]
    learnt: NDArray[np.bool_]
    grouped: bool


def membership(table: pa.Table, location: str) -> Membership:
    """Raises ProgramError of the store, or DigestMismatch (78), when the champion's version cannot be read."""
    manifest = read_manifest(location)
    by = manifest.group_by
    if by is not None and by.column in table.column_names:
        splits = [manifest.groups.get(name) for name in groups_of(table.column(by.column), by).to_pylist()]
        known = np.array([split is not None for split in splits], dtype=np.bool_)
        learnt = [split is not None and SPLITS[split] in LEARNT for split in splits]
        return Membership(known, np.array(learnt, dtype=np.bool_), grouped=True)
    return _by_row(table, location, manifest)


def _by_row(table: pa.Table, location: str, manifest: DatasetManifest) -> Membership:
    ids = [column.name for column in manifest.table.with_role("Id") if column.name in table.column_names]
    names = ids or [name for name in table.column_names if name in _columns(manifest)]
    mine = _keys(table, names)
    of_split = {split: _keys(read_split(location, manifest, split), names) for split in SPLITS}
    learnt = pc.is_in(mine, pa.concat_arrays([of_split[split] for split in SPLITS if split in LEARNT]))
    known = pc.or_(learnt, pc.is_in(mine, of_split["test"]))
    return Membership(np.asarray(known, dtype=np.bool_), np.asarray(learnt, dtype=np.bool_), grouped=False)


def _columns(manifest: DatasetManifest) -> list[str]:
    return [*(column.name for column in manifest.table.columns), manifest.table.target.name]


def _keys(table: pa.Table, names: list[str]) -> pa.Array:
    """One text per row: its Id, or without one all that it says."""
    texts = [pc.fill_null(table.column(name).cast(pa.string()), "\x00").combine_chunks() for name in names]
    return pc.binary_join_element_wise(*texts, "\x1f") if texts else pa.nulls(table.num_rows, pa.string())
