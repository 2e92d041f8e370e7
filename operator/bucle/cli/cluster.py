"""The API server, asked with the rights of whoever types: the user's kubeconfig, reads, the one
annotation by which a person asks something, and errors in words.

The official client does login and transport (certificates, tokens, exec plugins, proxies); answers stay raw JSON, since its
generated models refuse what a newer server may say.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from bucle.cli.errors import Forbidden, NotFound, Unreachable
from bucle.resources.addresses import GROUP, Resource

FIELD_MANAGER = "kubectl-bucle"
MERGE = "application/merge-patch+json"
PAGE = 500
"""As many as kubectl asks for at once."""
NAMESPACE_OF_POD = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
POD = Resource("", "v1", "Pod", "pods")
EVENT = Resource("", "v1", "Event", "events")
NAMESPACE = Resource("", "v1", "Namespace", "namespaces")

Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Login:
    """What kubectl's flags of the same names say."""

    kubeconfig: str | None = None
    context: str | None = None
    namespace: str | None = None
    timeout: float = 30.0


def connect(login: Login) -> Cluster:
    """Unreachable when the kubeconfig leads nowhere."""
    import urllib3
    from kubernetes import client, config

    # What goes wrong is told once, in the error; whether certificates are checked is the kubeconfig's decision.
    logging.getLogger("urllib3").setLevel(logging.ERROR)
    urllib3.disable_warnings()
    settings = client.Configuration()
    settings.retries = urllib3.Retry(0)
    inside = login.kubeconfig is None and login.context is None and not _has_kubeconfig() and NAMESPACE_OF_POD.exists()
    try:
        if inside:
            config.load_incluster_config(client_configuration=settings)
            namespace, user = NAMESPACE_OF_POD.read_text(encoding="utf-8").strip(), "the ServiceAccount of this pod"
        else:
            config.load_kube_config(login.kubeconfig, login.context, client_configuration=settings)
            namespace, user = _of_context(login)
    except Exception as error:
        # The loader raises whatever a wrong file makes it stumble over.
        place = login.kubeconfig or config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION
        context = f", context {login.context}" if login.context else ""
        raise Unreachable(
            f"kubeconfig {place}{context} does not lead to an API server: {_words(error)}. "
            "Correct it, or name another by --kubeconfig, --context or $KUBECONFIG"
        ) from error
    return Cluster(client.ApiClient(settings), login.namespace or namespace, user, login.timeout)


def contexts(login: Login) -> list[str]:
    """Names of all contexts of the kubeconfig, for completion; none when it cannot be read."""
    from kubernetes import config

    try:
        found, _ = config.list_kube_config_contexts(login.kubeconfig)
    except (config.ConfigException, OSError, ValueError, TypeError):
        return []
    return sorted(str(context["name"]) for context in found)


class Cluster:
    """`namespace` is the one that is meant where none is named; `user` says who asks."""

    def __init__(self, api: Any, namespace: str, user: str, timeout: float) -> None:
        self._api, self._timeout = api, timeout
        self.namespace, self.user = namespace, user

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._api.rest_client.pool_manager.clear()

    def get(self, resource: Resource, namespace: str, name: str) -> Json:
        """NotFound, Forbidden or Unreachable."""
        return self._ask("get", resource, namespace, name, [])

    def annotate(self, resource: Resource, namespace: str, name: str, annotation: str, value: str) -> Json:
        """Sets that annotation and nothing else; the server notes this program as the one that did."""
        body = {"metadata": {"annotations": {annotation: value}}}
        return self._ask("patch", resource, namespace, name, [("fieldManager", FIELD_MANAGER)], body)

    def list_all(
        self,
        resource: Resource,
        namespace: str | None,
        labels: Mapping[str, str] | None = None,
        fields: Mapping[str, str] | None = None,
    ) -> list[Json]:
        """All of them, page by page; `namespace` None asks for all namespaces."""
        chosen = [
            (name, ",".join(f"{key}={value}" for key, value in pairs.items()))
            for name, pairs in (("labelSelector", labels), ("fieldSelector", fields))
            if pairs
        ]
        items: list[Json] = []
        query = [*chosen, ("limit", str(PAGE))]
        while True:
            try:
                answer = self._ask("list", resource, namespace, "", query)
            except _Expired:
                # What the first page was read from is compacted by now: all at once is the only list that is whole.
                items, query = [], chosen
                continue
            items += answer.get("items") or []
            token = (answer.get("metadata") or {}).get("continue")
            if not token:
                return items
            query = [*chosen, ("limit", str(PAGE)), ("continue", str(token))]

    def _ask(
        self,
        verb: str,
        resource: Resource,
        namespace: str | None,
        name: str,
        query: list[tuple[str, str]],
        body: Json | None = None,
    ) -> Json:
        tried = _tried(verb, resource, namespace, name)
        try:
            prepared = self._api.param_serialize(
                method="GET" if body is None else "PATCH",
                resource_path=_path(resource, namespace, name),
                query_params=query,
                header_params={"Accept": "application/json"} | ({"Content-Type": MERGE} if body is not None else {}),
                body=body,
                auth_settings=["BearerToken"],
            )
            answer = self._api.call_api(*prepared, _request_timeout=self._timeout)
            code, text = int(answer.status), (answer.read() or b"").decode("utf-8", "replace")
        except Exception as error:
            # urllib3, ssl and the client each have errors of their own, and a proxy setting may raise any of them.
            server = self._api.configuration.host
            raise Unreachable(
                f"to {tried}: {server} does not answer: {_words(error)}. Is the cluster up, and is this the right --context?"
            ) from error
        told = _json(text)
        if code == 200 and told is not None:
            return told
        raise self._refusal(code, told or {}, text, tried, resource, name, query)

    def _refusal(
        self,
        code: int,
        told: Json,
        text: str,
        tried: str,
        resource: Resource,
        name: str,
        query: list[tuple[str, str]],
    ) -> Exception:
        words = " ".join(str(told.get("message") or text[:300] or "no words").split())
        if code == 401:
            return Forbidden(f"to {tried}: the API server does not know {self.user}: {words}. Log in again")
        if code == 403:
            role = "edit" if tried.startswith("patch") else "view"
            cure = f"Ask for the role `{role}` in this namespace" if resource.group == GROUP else "It is left out"
            return Forbidden(f"{self.user} may not {tried}: {words}. {cure}")
        if code == 404 and name and (f'"{name}"' in words or f"'{name}'" in words):
            # Where the whole kind is not served, the words do not name the object.
            return NotFound(f"{resource.kind}/{name} does not exist: tried to {tried}")
        if code == 404:
            return NotFound(
                f"to {tried}: this cluster does not serve {resource.plural}.{resource.group}/{resource.version}. "
                "Install Bucle there, or use the kubectl-bucle of its release"
            )
        if code == 410 and ("continue" in dict(query)):
            return _Expired(words)
        return Unreachable(f"to {tried}: the API server answers {code}: {words}")


class _Expired(Exception):
    """The server can no longer continue a list that was begun."""


def _has_kubeconfig() -> bool:
    from kubernetes.config import kube_config as own

    places = own.KUBE_CONFIG_DEFAULT_LOCATION.split(own.ENV_KUBECONFIG_PATH_SEPARATOR)
    return any(Path(place).expanduser().exists() for place in places if place)


def _of_context(login: Login) -> tuple[str, str]:
    """The namespace and the user that the context names."""
    from kubernetes import config

    found, active = config.list_kube_config_contexts(login.kubeconfig)
    chosen = next((one for one in found if one["name"] == login.context), active)
    settings = chosen["context"]
    user = f"user {settings.get('user', '(none)')} of context {chosen['name']}"
    return str(settings.get("namespace") or "default"), user


def _path(resource: Resource, namespace: str | None, name: str) -> str:
    root = f"/apis/{resource.group}/{resource.version}" if resource.group else f"/api/{resource.version}"
    scope = f"/namespaces/{namespace}" if namespace else ""
    return f"{root}{scope}/{resource.plural}" + (f"/{name}" if name else "")


def _tried(verb: str, resource: Resource, namespace: str | None, name: str) -> str:
    where = f"in namespace {namespace}" if namespace else "in all namespaces"
    return f"{verb} {resource.plural}{f' {name}' if name else ''} {where}"


def _json(text: str) -> Json | None:
    """None for what is no JSON object: something between us and the API server answered in its place."""
    try:
        found = json.loads(text)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def _words(error: BaseException) -> str:
    """What went wrong at the bottom of it, in one line."""
    reason = getattr(error, "reason", None)
    inner = reason if isinstance(reason, BaseException) else error
    # The client's own words for a wrong kubeconfig are sentences; of other libraries the name says more than the words.
    name = "" if type(inner).__name__ == "ConfigException" else f"{type(inner).__name__}: "
    return " ".join(f"{name}{inner}".split())[:500].rstrip(".")
