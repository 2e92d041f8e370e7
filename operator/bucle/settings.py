"""What an installation sets, read once from the environment. The chart's values are named after these."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field

from bucle.externals.notifications.values import Sink, SinkInvalid, sinks

REQUIRED = ("BUCLE_STORE_URI", "BUCLE_MLFLOW_URI", "BUCLE_IMAGE_WORKER", "BUCLE_IMAGE_SERVE", "BUCLE_IMAGE_ROUTER")


class SettingsInvalid(ValueError):
    """A setting is missing or unreadable; the message names the variable."""


@dataclass(frozen=True, slots=True)
class Settings:
    """`listen_*`: where health and metrics answer. `watch_namespaces` empty: all of them."""

    cluster_name: str
    """Part of every registration key. Two clusters that share one MLflow need two names; a rebuilt cluster keeps its own."""
    store_uri: str
    """Root of all data, e.g. s3://bucle, without a trailing slash."""
    storage_secret: str
    """Name of the Secret with the store's keys, looked for in the namespace of each object."""
    mlflow_uri: str
    """Base address of the MLflow server."""
    image_worker: str
    image_serve: str
    image_router: str
    image_pull_policy: str
    image_pull_secrets: tuple[str, ...]
    """Given to every pod that is made; each namespace with objects needs Secrets of these names."""
    watch_namespaces: tuple[str, ...]
    namespace: str
    """Where the operator itself runs: home of its Lease."""
    pod_name: str
    """Identity in the election."""
    log_format: str
    """json for machines, text for people."""
    listen_host: str
    listen_port: int
    kubeconfig: str | None
    """Only outside a cluster."""
    mlflow_authorization: str = field(default="", repr=False)
    """The whole Authorization header, made of MLflow's own variables; never part of an address, which conditions show."""
    sinks: tuple[Sink, ...] = ()
    """Who is notified without Prometheus."""

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Settings:
        missing = [name for name in REQUIRED if not environment.get(name)]
        if missing:
            raise SettingsInvalid(f"set {', '.join(missing)}: the operator cannot start without them")
        if "@" in environment["BUCLE_MLFLOW_URI"].partition("://")[2].partition("/")[0]:
            raise SettingsInvalid(
                "BUCLE_MLFLOW_URI must not carry a user or a password: set MLFLOW_TRACKING_USERNAME and "
                "MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN, from a Secret"
            )
        host, _, port = environment.get("BUCLE_LISTEN", "0.0.0.0:8080").rpartition(":")
        if not port.isdigit():
            raise SettingsInvalid(f"BUCLE_LISTEN must be <host>:<port>, not {environment['BUCLE_LISTEN']!r}")
        return cls(
            cluster_name=environment.get("BUCLE_CLUSTER_NAME", "default"),
            store_uri=environment["BUCLE_STORE_URI"].rstrip("/"),
            storage_secret=environment.get("BUCLE_STORAGE_SECRET", "bucle-storage"),
            mlflow_uri=environment["BUCLE_MLFLOW_URI"].rstrip("/"),
            image_worker=environment["BUCLE_IMAGE_WORKER"],
            image_serve=environment["BUCLE_IMAGE_SERVE"],
            image_router=environment["BUCLE_IMAGE_ROUTER"],
            image_pull_policy=environment.get("BUCLE_IMAGE_PULL_POLICY", "IfNotPresent"),
            image_pull_secrets=tuple(n for n in environment.get("BUCLE_IMAGE_PULL_SECRETS", "").split(",") if n),
            watch_namespaces=tuple(n for n in environment.get("BUCLE_WATCH_NAMESPACES", "").split(",") if n),
            namespace=environment.get("BUCLE_NAMESPACE", "default"),
            pod_name=environment.get("BUCLE_POD_NAME", "operator"),
            log_format=environment.get("BUCLE_LOG_FORMAT", "json"),
            listen_host=host,
            listen_port=int(port),
            kubeconfig=environment.get("KUBECONFIG"),
            mlflow_authorization=_authorization(environment),
            sinks=_sinks(environment),
        )


def _sinks(environment: Mapping[str, str]) -> tuple[Sink, ...]:
    try:
        return sinks(environment)
    except SinkInvalid as error:
        raise SettingsInvalid(f"notifications: {error}") from None


def _authorization(environment: Mapping[str, str]) -> str:
    """As MLflow's own client does it: a user and a password win over a token."""
    user, password = environment.get("MLFLOW_TRACKING_USERNAME"), environment.get("MLFLOW_TRACKING_PASSWORD")
    if user and password:
        return "Basic " + b64encode(f"{user}:{password}".encode()).decode()
    token = environment.get("MLFLOW_TRACKING_TOKEN")
    return f"Bearer {token}" if token else ""
