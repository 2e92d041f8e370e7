"""Text files as tables: every cell stays text, so that the schema alone decides types, and a refusal says where.

May know pyarrow and the task's CSV options; is given bytes, and knows no store. Refusals name the file, the row or
the line, and never a value.
"""

from __future__ import annotations

import codecs
import re

import pyarrow as pa
import pyarrow.csv as pa_csv

from bucle.contracts.task import Csv
from bucle.podkit.frames import columns_by_name
from bucle.podkit.program import ProgramError, bad_configuration

BLOCK_BYTES = 16 << 20
"""A row must fit into one block; a longer one makes the blocks as long as the file."""
LONGEST_BLOCK_GIB = 2
LONGEST_BLOCK = (LONGEST_BLOCK_GIB << 30) - 1

# The longer marks first: that of UTF-16 is how that of UTF-32 begins.
_MARKS = {
    codecs.BOM_UTF32_LE: "UTF-32",
    codecs.BOM_UTF32_BE: "UTF-32",
    codecs.BOM_UTF16_LE: "UTF-16",
    codecs.BOM_UTF16_BE: "UTF-16",
}


PACKED = {
    "gzip": rb"\x1f\x8b",
    "zip": rb"PK\x03\x04",
    "zstd": rb"\x28\xb5\x2f\xfd",
    "bzip2": rb"BZh[1-9]1AY&SY",
    "xz": rb"\xfd7zXZ",
}
"""How files begin that are no text yet; a header may begin with some of the same letters."""


def read_csv(uri: str, data: bytes, options: Csv, wanted: list[str]) -> pa.Table:
    """The wanted columns if the file has them all, else all that it has, as text; raises WrongType (78)."""
    _require_text(uri, data)
    _require_utf8_marks(uri, data)
    if not data.strip():
        raise _unreadable(uri, options, "it is empty")
    try:
        return _read(uri, data, options, wanted)
    except ValueError as error:  # ArrowInvalid is one; a delimiter outside ASCII raises it plainly
        # The parser's words quote the row it stumbled over, which may be personal data.
        raise _explained(uri, data, options, str(error)) from error


def _require_text(uri: str, data: bytes) -> None:
    packed = next((name for name, mark in PACKED.items() if re.match(mark, data)), None)
    if packed is not None:
        raise bad_configuration(
            "WrongType", f"{uri} is compressed with {packed}: unpack it, text files are read as they are"
        )
    if data.startswith(b"PAR1") and data.endswith(b"PAR1"):
        raise bad_configuration(
            "WrongType", f"{uri} is a Parquet file: write `parquet: {{}}` instead of `csv` for this source"
        )


def _read(uri: str, data: bytes, options: Csv, wanted: list[str]) -> pa.Table:
    source = pa.BufferReader(data)
    block = min(BLOCK_BYTES, LONGEST_BLOCK)
    named = {} if options.header == "Present" else {"column_names": wanted}
    wrong: list[str] = []

    def refuse(row: pa_csv.InvalidRow) -> str:
        first = 1 if options.header == "Present" else 0
        at = "a row" if row.number is None else f"row {row.number - first}"
        wrong.append(f"{at} has {row.actual_columns} cells, where {row.expected_columns} are columns")
        return "error"

    parse = pa_csv.ParseOptions(delimiter=options.delimiter, newlines_in_values=True, invalid_row_handler=refuse)
    for size in (block, max(block, min(len(data) + 1, LONGEST_BLOCK))):
        read = pa_csv.ReadOptions(**named, block_size=size, use_threads=False)
        try:
            source.seek(0)
            columns = pa_csv.open_csv(source, read, parse, _as_text([])).schema.names
            # Only what the schema wants is converted; of a file that lacks something all names are told.
            kept = _kept(columns, wanted)
            source.seek(0)
            return pa_csv.read_csv(source, read, parse, _as_text(columns, kept, options.nulls))
        except ValueError as error:
            if wrong:
                raise _unreadable(uri, options, wrong[0]) from error
            if "straddl" not in str(error) or size >= len(data):
                raise
    raise _unreadable(uri, options, f"one of its rows is longer than {LONGEST_BLOCK_GIB} GiB")


def _kept(columns: list[str], wanted: list[str]) -> list[str] | None:
    found = columns_by_name(columns)
    places = [found.get(key, []) for key in columns_by_name(wanted)]
    if not all(len(at) == 1 for at in places):
        return None
    return [columns[at[0]] for at in places]


def _as_text(columns: list[str], kept: list[str] | None = None, nulls: tuple[str, ...] = ()) -> pa_csv.ConvertOptions:
    return pa_csv.ConvertOptions(
        column_types={name: pa.string() for name in columns},
        include_columns=kept,
        null_values=list(nulls),
        strings_can_be_null=True,
    )


def _explained(uri: str, data: bytes, options: Csv, words: str) -> ProgramError:
    if "UTF8" in words or "utf8" in words:
        line = _line_not_utf8(data)
        if line is not None:
            return _unreadable(
                uri, options, f"line {line} is not UTF-8, it may be Latin-1 or Windows-1252: save it as UTF-8"
            )
    if data.count(b'"') % 2:
        return _unreadable(uri, options, "a quote is opened and never closed")
    return _unreadable(uri, options, "see the program's log")


def _line_not_utf8(data: bytes) -> int | None:
    try:
        data.decode("utf-8")
    except UnicodeDecodeError as error:
        return data.count(b"\n", 0, error.start) + 1
    return None


def _require_utf8_marks(uri: str, data: bytes) -> None:
    """Two bytes per character are told by their mark, or by a zero at every second place of the first line."""
    name = next((name for mark, name in _MARKS.items() if data.startswith(mark)), None)
    start = data[:200]
    if name is None and len(start) > 3 and (not any(start[1::2]) or not any(start[0::2])):
        name = "UTF-16"
    if name is not None:
        raise bad_configuration("WrongType", f"{uri} is encoded as {name} from line 1 on: save it as UTF-8")


def _unreadable(uri: str, options: Csv, why: str) -> ProgramError:
    return bad_configuration(
        "WrongType",
        f"{uri} is not readable as text delimited by {options.delimiter!r}: {why}; correct `csv` or the file",
    )
