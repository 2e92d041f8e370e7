"""The content digest: fixed for ever on golden tables, blind to chunks and files, awake to every value."""

from __future__ import annotations

import hashlib
import io
import itertools
import struct
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bucle.contracts.table import Column, ColumnType, TableSchema, Target
from bucle.podkit.digest import column_digest, split_digest, version_digest
from bucle.podkit.frames import ARROW


def digest(type_: ColumnType, values: list[Any], cuts: tuple[int, ...] = ()) -> str:
    edges = [0, *sorted(cuts), len(values)]
    chunks = [pa.array(values[a:b], ARROW[type_]) for a, b in itertools.pairwise(edges)]
    return column_digest("c", type_, pa.chunked_array(chunks, ARROW[type_]))


def by_hand(head: bytes, *parts: bytes) -> str:
    lines = b"".join(hashlib.sha256(part).hexdigest().encode() + b"\n" for part in parts)
    return hashlib.sha256(head + lines).hexdigest()


@pytest.mark.parametrize(
    ("type_", "values", "parts"),
    [
        ("Integer", [1, None, -1], (b"\x01\x00\x01", struct.pack("<3q", 1, 0, -1))),
        ("Number", [0.5, None], (b"\x01\x00", struct.pack("<2d", 0.5, 0.0))),
        ("Number", [float("nan")], (b"\x01", b"\x00\x00\x00\x00\x00\x00\xf8\x7f")),
        ("Boolean", [True, None, False], (b"\x01\x00\x01", b"\x01\x00\x00")),
        ("Text", ["é", None, ""], (b"\x01\x00\x01", struct.pack("<3q", 2, 0, 0), "é".encode())),
        ("Timestamp", [1_000_000], (b"\x01", struct.pack("<q", 1_000_000))),
    ],
)
def test_the_byte_form_is_the_documented_one(type_: ColumnType, values: list[Any], parts: tuple[bytes, ...]) -> None:
    assert digest(type_, values) == by_hand(f"c\n{type_}\n{len(values)}\n".encode(), *parts)


SCHEMA = TableSchema(
    target=Target(name="y", task="Binary", positive="1"),
    columns=(Column(name="n", type="Number", nullable="Allowed"), Column(name="c", type="Category")),
)
TABLE = pa.table({"n": [0.5, None, -2.0], "c": ["a", "b", "é"], "y": ["0", "1", "1"]})


def test_golden_digests_never_change_within_v1() -> None:
    split = split_digest(TABLE, SCHEMA)
    assert split == "sha256:4e0e2736b447ccfbccc6783a687f91aa10bd770a60c3c27a7a67adcaeb393e38"
    assert (
        version_digest(SCHEMA, {"train": split})
        == "sha256:0ef60fb2aea25b04aa5095da4f9a5c0367ee62e542d5d50c53ca6318d625dc32"
    )


def test_a_parquet_file_in_between_changes_nothing() -> None:
    file = io.BytesIO()
    pq.write_table(TABLE, file, row_group_size=1, compression="gzip")
    assert split_digest(pq.read_table(file), SCHEMA) == split_digest(TABLE, SCHEMA)


texts = st.lists(st.none() | st.text(max_size=4), max_size=12)


@given(texts, st.data())
def test_chunks_do_not_matter(values: list[str | None], data: st.DataObject) -> None:
    cuts = data.draw(st.lists(st.integers(0, len(values)), max_size=3))
    assert digest("Text", values, tuple(cuts)) == digest("Text", values)


@given(texts, texts)
def test_other_content_has_another_digest(one: list[str | None], other: list[str | None]) -> None:
    assert (digest("Text", one) == digest("Text", other)) == (one == other)


def test_order_null_and_schema_matter() -> None:
    assert digest("Integer", [1, 2]) != digest("Integer", [2, 1])
    assert digest("Integer", [0]) != digest("Integer", [None])
    assert digest("Integer", [1]) != digest("Timestamp", [1])
    narrower = SCHEMA.model_copy(update={"columns": (SCHEMA.columns[0], Column(name="c", type="Category", role="Id"))})
    assert version_digest(narrower, {"train": "sha256:x"}) != version_digest(SCHEMA, {"train": "sha256:x"})
