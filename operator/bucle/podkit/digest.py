"""Content digest, format v1: what a table says, whatever file, chunking or library version it came from.

May know pyarrow and the table contract. The byte form is part of the contract (docs/contracts/digest.md); a change
needs a new format name.

- A column is sha256 over `<name>\\n<type>\\n<rows>\\n` and then the hex digests of its parts, each ended by `\\n`:
  `valid` (one byte per row: 1 a value, 0 null), for texts `lengths` (bytes of the UTF-8 form as int64, 0 for null)
  and `bytes` (all of them, one after the other), for other types `values` with null as zero.
- Values: Integer int64, Number IEEE 754 binary64 with every NaN as 0x7ff8000000000000, Timestamp int64 microseconds
  since 1970 UTC, all little-endian; Boolean one byte, 0 or 1.
- A split is the digest of the JSON list of [name, type, hex] of its columns and target, in the schema's order.
- A version is the digest of the JSON object {format, table, splits}, with `table` the whole schema.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from bucle.contracts.canonical import digest as digest_of
from bucle.contracts.manifest import SplitName
from bucle.contracts.table import ColumnType, TableSchema
from bucle.podkit.frames import ARROW, target_type

FORMAT = "v1"
BLOCK_ROWS = 65_536
_NAN = np.uint64(0x7FF8000000000000)


def column_digest(name: str, type_: ColumnType, values: pa.ChunkedArray) -> str:
    """64 hex digits over one column, which must have the Arrow type of `type_`; read block by block."""
    text = type_ in ("Category", "Text")
    parts = {part: hashlib.sha256() for part in (("valid", "lengths", "bytes") if text else ("valid", "values"))}
    for block in _blocks(values):
        valid = np.asarray(block.is_valid())
        parts["valid"].update(valid.astype(np.uint8).tobytes())
        if text:
            lengths, data = _text_bytes(block)
            parts["lengths"].update(lengths)
            parts["bytes"].update(data)
        else:
            parts["values"].update(_fixed_bytes(block, type_))
    whole = hashlib.sha256(f"{name}\n{type_}\n{len(values)}\n".encode())
    for part in parts.values():
        whole.update(f"{part.hexdigest()}\n".encode())
    return whole.hexdigest()


def split_digest(table: pa.Table, schema: TableSchema) -> str:
    """`sha256:<hex>` over the rows of one split, in their order."""
    types: list[tuple[str, ColumnType]] = [(column.name, column.type) for column in schema.columns]
    types.append((schema.target.name, target_type(schema.target)))
    return digest_of([[name, type_, column_digest(name, type_, table.column(name))] for name, type_ in types])


def version_digest(schema: TableSchema, splits: Mapping[SplitName, str]) -> str:
    """`sha256:<hex>` of a dataset version from its schema and the digests of its splits."""
    return digest_of({"format": FORMAT, "table": schema.as_json(), "splits": dict(splits)})


def _blocks(values: pa.ChunkedArray) -> Iterator[pa.Array]:
    for chunk in values.chunks:
        for start in range(0, len(chunk), BLOCK_ROWS):
            yield chunk.slice(start, BLOCK_ROWS)


def _text_bytes(block: pa.Array) -> tuple[bytes, bytes]:
    filled = pc.fill_null(block.cast(pa.large_string()), "")
    offsets = np.frombuffer(filled.buffers()[1], dtype=np.int64)[filled.offset : filled.offset + len(filled) + 1]
    data = filled.buffers()[2]
    content = b"" if data is None else data[int(offsets[0]) : int(offsets[-1])].to_pybytes()
    return np.diff(offsets).astype("<i8").tobytes(), content


def _fixed_bytes(block: pa.Array, type_: ColumnType) -> bytes:
    if type_ == "Boolean":
        return np.asarray(pc.fill_null(block, False)).astype(np.uint8).tobytes()
    if type_ == "Number":
        numbers = pc.fill_null(block, 0.0).to_numpy(zero_copy_only=False)
        bits = numbers.view(np.uint64).copy()
        bits[np.isnan(numbers)] = _NAN
        return bytes(bits.astype("<u8").tobytes())
    whole = pc.fill_null(block.cast(ARROW[type_]).cast(pa.int64()), 0).to_numpy(zero_copy_only=False)
    return bytes(whole.astype("<i8").tobytes())
