"""Rows from where the task says they are, in a fixed order, typed; and a revision that changes when a source does.

May know the store and the capture tables; knows nothing of expectations or splits.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import pyarrow as pa
import pyarrow.compute as pc

from bucle.contracts.canonical import short_hash
from bucle.contracts.manifest import SPLITS
from bucle.contracts.table import TableSchema
from bucle.contracts.task import DatasetSource, FeedbackSource, SourceItem, UriSource
from bucle.podkit import store
from bucle.podkit.frames import typed_table, wanted_columns
from bucle.podkit.program import bad_configuration
from bucle.podkit.versions import read_manifest, read_split
from bucle.pods.data.csv_files import read_csv


@dataclass(frozen=True, slots=True)
class Read:
    """Typed rows of all sources, and a text that says of which state of the sources."""

    table: pa.Table
    revision: str


def read_sources(items: Sequence[SourceItem], schema: TableSchema) -> Read:
    """All rows, concatenated in order. Raises ProgramError of the store and of `typed_table`."""
    reads = [_read(item, schema) for item in items]
    return Read(pa.concat_tables([read.table for read in reads]), short_hash([read.revision for read in reads], 16))


def _read(item: SourceItem, schema: TableSchema) -> Read:
    if item.uri is not None:
        return _from_files(item.uri, schema)
    if item.feedback is not None:
        return _from_feedback(item.feedback, schema)
    if item.dataset is not None:
        return _from_dataset(item.dataset, schema)
    raise bad_configuration("SpecInvalid", "a source must have one of uri, feedback and dataset")


def _from_files(source: UriSource, schema: TableSchema) -> Read:
    files = store.glob(source.location)
    tables = [typed_table(_file(file.uri, source, schema), schema, file.uri) for file in files]
    revision = short_hash([[file.uri, file.size, file.modified_ns] for file in files], 16)
    return Read(pa.concat_tables(tables), revision)


def _file(uri: str, source: UriSource, schema: TableSchema) -> pa.Table:
    if source.csv is not None:
        return read_csv(uri, store.read_bytes(uri), source.csv, schema)
    wanted = list(wanted_columns(schema))
    table = store.read_parquet(uri, wanted)
    # A refusal lists what the file has, and a name may stand there in another form of Unicode.
    return table if table.num_columns >= len(wanted) else store.read_parquet(uri)


def _from_feedback(source: FeedbackSource, schema: TableSchema) -> Read:
    from bucle.podkit.tables import labelled_rows

    rows = labelled_rows(
        source.location,
        table=schema,
        labels=source.labels,
        received_before=datetime.fromisoformat(source.received_before),
        labels_received_before=datetime.fromisoformat(source.labels_received_before),
        newest=source.rows,
        role="stable",
    )
    return Read(typed_table(rows, schema), short_hash(source.as_json(), 16))


def _from_dataset(source: DatasetSource, schema: TableSchema) -> Read:
    manifest = read_manifest(source.location, source.digest)
    tables = [typed_table(read_split(source.location, manifest, name), schema) for name in SPLITS]
    return Read(pa.concat_tables(tables), manifest.digest)


def with_target(table: pa.Table, schema: TableSchema) -> pa.Table:
    """Rows whose target is known."""
    return table.filter(pc.is_valid(table.column(schema.target.name)))
