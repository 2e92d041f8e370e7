"""`manifest.json` of one dataset version: its content, its files with checksums, and which group fell into which split."""

from __future__ import annotations

from typing import Literal

from bucle.contracts.base import Document
from bucle.contracts.table import GroupBy, Splits, TableSchema

SplitName = Literal["train", "validation", "test"]
SPLITS: tuple[SplitName, ...] = ("train", "validation", "test")


class DataFile(Document):
    path: str
    sha256: str
    bytes: int
    rows: int


class SplitManifest(Document):
    rows: int
    digest: str
    files: tuple[DataFile, ...]


class DatasetManifest(Document):
    """`digest` is over canonical content (format v1), never over Parquet bytes, whose footer names the writer.

    `groups`: group → index into SPLITS of the split that has all its rows; empty without `group_by`.
    `rule`: how the rows were split, so that whoever has other rows can tell which split they would have been in: an
    edited seed must not make a model be judged on rows that it was trained on.
    """

    format: Literal["v1"] = "v1"
    digest: str
    table: TableSchema
    rows: int
    splits: dict[SplitName, SplitManifest]
    group_by: GroupBy | None = None
    groups: dict[str, int] = {}
    rule: Splits | None = None


MANIFEST_FILE = "manifest.json"
