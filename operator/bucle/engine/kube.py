"""What the engine asks of the Kubernetes API: one protocol of raw dicts, and the few ways it can fail.

Knows no client library. `kube_client` implements it on HTTP, `tests/support/fakes/kube.py` in memory; the same
conformance tests run against both.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from bucle.engine.objects import JsonObject
from bucle.resources.addresses import Resource

FIELD_MANAGER = "bucle"
API_SERVER = "the API server"


class KubeError(Exception):
    """The API server did not do what was asked. `str()` is for people: what was tried, on what, why not."""


class NotFound(KubeError):
    """The object, or its whole kind, does not exist."""


class Conflict(KubeError):
    """A precondition (resourceVersion or uid) does not hold: somebody wrote in between. Read again, decide again."""


class AlreadyExists(KubeError):
    """An object of that name exists."""


class Invalid(KubeError):
    """The object is wrong and stays wrong until somebody changes it."""


class Forbidden(KubeError):
    """A right, a quota or a policy is in the way."""


class Unavailable(KubeError):
    """The API server did not answer, or asked to come back later."""


class Kube(Protocol):
    """Reads have a deadline of 2 s and writes of 10 s; every method raises KubeError and nothing else.

    An empty `namespace` addresses a cluster-scoped object, or lists over all namespaces.
    """

    async def get(self, resource: Resource, namespace: str, name: str) -> JsonObject:
        """The live object. NotFound."""

    async def list(
        self,
        resource: Resource,
        namespace: str,
        labels: Mapping[str, str] | None = None,
        at_most: int | None = None,
        fields: Mapping[str, str] | None = None,
    ) -> list[JsonObject]:
        """All objects whose labels, and the fields that the API server selects by, equal the given ones, or the first few; items carry no apiVersion and kind.

        Asked for in pages, each with a read's deadline: how long the whole may take is for the caller to say.
        """

    async def create(self, resource: Resource, manifest: JsonObject) -> JsonObject:
        """POST. AlreadyExists, Invalid, Forbidden."""

    async def apply(self, resource: Resource, manifest: JsonObject) -> JsonObject:
        """Server-side apply, forced. A uid or resourceVersion in its metadata is a precondition: Conflict."""

    async def merge(self, resource: Resource, manifest: JsonObject) -> JsonObject:
        """Merge patch: maps field by field (null takes one away), lists as a whole, which no apply does to what others added.
        A uid or resourceVersion in its metadata is a precondition: Conflict. NotFound."""

    async def replace(self, resource: Resource, obj: JsonObject) -> JsonObject:
        """PUT of the whole object with the resourceVersion that was read. Conflict."""

    async def replace_status(self, resource: Resource, obj: JsonObject) -> JsonObject:
        """PUT of `/status` with the resourceVersion that was read; all but `status` is ignored. Conflict, Invalid."""

    async def patch_annotations(
        self, resource: Resource, namespace: str, name: str, annotations: Mapping[str, str]
    ) -> JsonObject:
        """Merge patch of annotations alone. NotFound."""

    async def delete(self, resource: Resource, namespace: str, name: str, uid: str) -> None:
        """Delete in the background exactly the object with that uid. NotFound; Conflict when the uid is another's."""
