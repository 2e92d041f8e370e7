"""What an Envoy router can be told and asked. Pure values; the documents are built in `documents`, HTTP lives in `client`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from bucle.externals.answers import AnswerCounts


@dataclass(frozen=True, slots=True)
class Backend:
    """One revision behind the router: the host name (a Service) and port where its pods answer."""

    revision: str
    host: str
    port: int = 8080


@dataclass(frozen=True, slots=True)
class Mirror:
    """Copies of that percentage of prediction requests go to the revision; their answers are thrown away."""

    revision: str
    percent: int


@dataclass(frozen=True, slots=True)
class Routes:
    """What one ModelDeployment's router is told. `name` is the model's name in the paths.

    `weights` are percentages of prediction requests by revision, adding up to 100 (or empty: 503 for everyone).
    `stable` answers as role `stable` and takes everything that is not a prediction; others answer as `candidate`.
    A backend without a weight is known to the router and checked for health, but gets no request.
    """

    name: str
    revisions: tuple[Backend, ...]
    stable: str | None
    weights: Mapping[str, int] = field(default_factory=dict)
    mirror: Mirror | None = None


@dataclass(frozen=True, slots=True)
class RouteVersions:
    """`version_info` of the two dynamic documents, each a hash of its content."""

    cds: str
    rds: str


@dataclass(frozen=True, slots=True)
class RouterPod:
    """One living router pod. `silent` says why it could not be asked; then versions are None and the rest empty.

    `healthy` and `counts` are by cluster: a revision, or `contracts.names.shadow_of(revision)`.
    """

    uid: str
    name: str
    cds_version: str | None = None
    rds_version: str | None = None
    healthy: frozenset[str] = frozenset()
    counts: Mapping[str, AnswerCounts] = field(default_factory=dict)
    silent: str | None = None

    def shows(self, versions: RouteVersions) -> bool:
        return (self.cds_version, self.rds_version) == (versions.cds, versions.rds)


@dataclass(frozen=True, slots=True)
class RouterStatus:
    """All living router pods, by name. Empty when there is none: nothing is programmed then."""

    pods: tuple[RouterPod, ...]


# --- reads and effects ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class RouterRead:
    """Answers RouterStatus of the router pods of the ModelDeployment with that uid."""

    namespace: str
    owner_uid: str

    def __str__(self) -> str:
        return f"asking the router pods of a ModelDeployment in {self.namespace} for their status"


@dataclass(frozen=True, slots=True)
class TouchRouters:
    """Annotates every router pod, which makes its kubelet look at the ConfigMap at once.

    `stamp` makes each touch another one to the kubelet. It is the same effect all the same: what is refused again and
    again would otherwise never be counted, and never be told.
    """

    namespace: str
    owner_uid: str
    version: str
    stamp: str = field(compare=False)

    @property
    def annotation(self) -> str:
        return f"{self.version}-{self.stamp}"
