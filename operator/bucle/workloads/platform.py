"""What a kind must know of the installation to build children: images, store, identity. Pure values."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Platform:
    """`store_uri` has no trailing slash, e.g. `s3://bucle`. `cluster_name` is a setting, not a uid that a rebuild changes."""

    cluster_name: str
    store_uri: str
    storage_secret: str
    image_worker: str
    image_serve: str
    image_router: str
    image_pull_policy: str = "IfNotPresent"
    image_pull_secrets: tuple[str, ...] = ()
    """Names of Secrets looked for in the namespace of each object, as the pods are."""
