"""Reading one version of a dataset: its manifest and its splits, each believed only after its checksum.

May know the store and the manifest contract.
"""

from __future__ import annotations

import pyarrow as pa
from pydantic import ValidationError

from bucle.contracts.manifest import MANIFEST_FILE, DatasetManifest, SplitName
from bucle.podkit import store
from bucle.podkit.program import bad_configuration


def read_manifest(location: str, digest: str | None = None) -> DatasetManifest:
    """Raises ProgramError (78) DigestMismatch when another version is there, and what the store raises."""
    uri = store.join(location, MANIFEST_FILE)
    try:
        manifest = DatasetManifest.from_json(store.read_bytes(uri))
    except ValidationError as error:
        raise bad_configuration(
            "DigestMismatch", f"{uri} was not made by this release: build the version anew"
        ) from error
    if digest is not None and manifest.digest != digest:
        raise bad_configuration("DigestMismatch", f"{location} holds the version {manifest.digest}, not {digest}")
    return manifest


def read_split(location: str, manifest: DatasetManifest, split: SplitName) -> pa.Table:
    """All rows of a split in their order; raises DigestMismatch (78) when a file is not the one that was written."""
    files = manifest.splits[split].files
    return pa.concat_tables([store.verified_parquet(store.join(location, f.path), f.sha256) for f in files])
