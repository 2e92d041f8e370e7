"""The sketch of rows in files: memory is that of some columns of a row group, whatever the width and the length of the files.

May know the store and sketches.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pyarrow as pa

from bucle.contracts.sketch import WindowSketch
from bucle.podkit import store
from bucle.podkit.sketches import Sketcher, joined

COLUMNS_AT_ONCE = 24
BATCH_ROWS = 65_536


def sketch_files(sketcher: Sketcher, uris: Sequence[str]) -> WindowSketch:
    """Of all rows of Parquet files, one file after the other. Raises what the store raises."""
    return joined([part.of_batches(_batches(part, uris)) for part in sketcher.parts(COLUMNS_AT_ONCE)])


def _batches(part: Sketcher, uris: Sequence[str]) -> Iterator[pa.RecordBatch]:
    for uri in uris:
        yield from store.parquet_batches(uri, part.columns, part.texts, BATCH_ROWS)
