"""Rows from where the task says they are, in a fixed order, typed; and a revision that changes when a source does.

May know the store and the capture tables; knows nothing of expectations or splits.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv

from bucle.contracts.canonical import short_hash
from bucle.contracts.manifest import SPLITS
from bucle.contracts.table import TableSchema
from bucle.contracts.task import Csv, DatasetSource, FeedbackSource, SourceItem, UriSource
from bucle.podkit import store
from bucle.podkit.frames import typed_table
from bucle.podkit.program import bad_configuration
from bucle.podkit.versions import read_manifest, read_split


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
    names = [column.name for column in schema.columns] + [schema.target.name]
    tables = []
    for file in files:
        if source.csv is None:
            tables.append(typed_table(_parquet(file.uri, names), schema))
        else:
            tables.append(typed_table(_csv(file.uri, source.csv, names), schema))
    revision = short_hash([[file.uri, file.size, file.modified_ns] for file in files], 16)
    return Read(pa.concat_tables(tables), revision)


def _parquet(uri: str, names: list[str]) -> pa.Table:
    table = store.read_parquet(uri, names)
    if table.num_columns < len(names):
        # The refusal lists what the file has, and the column that was misspelt in the schema is one not asked for.
        return store.read_parquet(uri)
    return table


def _csv(uri: str, options: Csv, names: list[str]) -> pa.Table:
    """Every cell is read as text, so that the schema alone decides types, not the first block of the file."""
    data = store.read_bytes(uri)
    named = {} if options.header == "Present" else {"column_names": names}
    try:
        parse = pa_csv.ParseOptions(delimiter=options.delimiter)
        reader = pa_csv.open_csv(pa.BufferReader(data), pa_csv.ReadOptions(**named), parse)
        columns = reader.schema.names
        return pa_csv.read_csv(
            pa.BufferReader(data),
            read_options=pa_csv.ReadOptions(**named),
            parse_options=parse,
            convert_options=pa_csv.ConvertOptions(
                column_types={name: pa.string() for name in columns},
                null_values=list(options.nulls),
                strings_can_be_null=True,
            ),
        )
    except ValueError as error:  # ArrowInvalid is one; a delimiter outside ASCII raises it plainly
        # The parser's words quote the row it stumbled over, which may be personal data.
        raise bad_configuration(
            "WrongType", f"{uri} is not readable as text delimited by {options.delimiter!r}: correct `csv` or the file"
        ) from error


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
