"""Rows from where the task says they are, in a fixed order, typed; and a revision that changes when a source does.

May know the store and the capture tables; knows nothing of expectations or splits.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pc

from bucle.contracts.canonical import short_hash
from bucle.contracts.manifest import SPLITS
from bucle.contracts.table import TableSchema
from bucle.contracts.task import DatasetSource, FeedbackSource, SourceItem, UriSource
from bucle.podkit import globs, store
from bucle.podkit.frames import typed_table, wanted_columns
from bucle.podkit.program import bad_configuration
from bucle.podkit.versions import read_manifest, read_split
from bucle.pods.data.csv_files import read_csv
from bucle.pods.data.feedback import read_feedback

PARQUET_ENDINGS = (".parquet", ".pq", ".parq")
CSV_ENDINGS = (".csv", ".tsv", ".txt")


@dataclass(frozen=True, slots=True)
class Read:
    """Typed rows of all sources, a text that says of which state of the sources, and what was left out by reason."""

    table: pa.Table
    revision: str
    set_aside: Counter[str] = field(default_factory=Counter)


def read_sources(items: Sequence[SourceItem], schema: TableSchema) -> Read:
    """All rows, concatenated in order. Raises ProgramError of the store and of `typed_table`."""
    others = {at: _read(item, schema) for at, item in enumerate(items) if item.feedback is None}
    known = _classes([read.table for read in others.values()], schema)
    reads = [
        _from_feedback(item.feedback, schema, known) if item.feedback is not None else others[at]
        for at, item in enumerate(items)
    ]
    return Read(
        pa.concat_tables([read.table for read in reads]),
        short_hash([read.revision for read in reads], 16),
        sum((read.set_aside for read in reads), Counter[str]()),
    )


def _read(item: SourceItem, schema: TableSchema) -> Read:
    if item.uri is not None:
        return _from_files(item.uri, schema)
    if item.dataset is not None:
        return _from_dataset(item.dataset, schema)
    raise bad_configuration("SpecInvalid", "a source must have one of uri, feedback and dataset")


def _classes(tables: Sequence[pa.Table], schema: TableSchema) -> tuple[str, ...]:
    """The classes of a target as the sources that are no feedback have them."""
    if schema.target.task == "Regression":
        return ()
    found = {value for table in tables for value in pc.unique(table.column(schema.target.name)).to_pylist()}
    return tuple(sorted(found - {None}))


def _from_files(source: UriSource, schema: TableSchema) -> Read:
    endings = PARQUET_ENDINGS if source.csv is None else CSV_ENDINGS
    files = globs.find(source.location, endings)
    reads = store.read_all([file.uri for file in files], lambda uri: _file(uri, source, schema))
    revision = short_hash([[file.uri, state] for file, (_, state) in zip(files, reads, strict=True)], 16)
    return Read(pa.concat_tables([table for table, _ in reads]), revision)


def _file(uri: str, source: UriSource, schema: TableSchema) -> tuple[pa.Table, str]:
    """The typed rows of one file, and what the store calls the state of it that was read."""
    data, state = store.read_unchanged(uri)
    wanted = list(wanted_columns(schema))
    of_path = globs.partitions(uri)
    if source.csv is not None:
        table = read_csv(uri, data, source.csv, [name for name in wanted if name not in of_path])
    else:
        table = store.parquet_table(uri, data, wanted)
        if not set(wanted) <= {*table.column_names, *of_path}:
            # A refusal lists what the file has, and a name may stand there in another form of Unicode.
            table = store.parquet_table(uri, data)
    for name, value in of_path.items():
        if name in wanted and name not in table.column_names:
            table = table.append_column(name, pa.array([value] * table.num_rows, pa.string()))
    return typed_table(table, schema, uri), state


def _from_feedback(source: FeedbackSource, schema: TableSchema, known: tuple[str, ...]) -> Read:
    usable = read_feedback(source, schema, known)
    return Read(usable.table, short_hash(source.as_json(), 16), usable.set_aside)


def _from_dataset(source: DatasetSource, schema: TableSchema) -> Read:
    manifest = read_manifest(source.location, source.digest)
    tables = [typed_table(read_split(source.location, manifest, name), schema) for name in SPLITS]
    return Read(pa.concat_tables(tables), manifest.digest)


def with_target(table: pa.Table, schema: TableSchema) -> pa.Table:
    """Rows whose target is known."""
    return table.filter(pc.is_valid(table.column(schema.target.name)))
