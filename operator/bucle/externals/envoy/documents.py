"""Routes as the three files Envoy reads: bootstrap, clusters, routes. Pure; JSON, which is YAML as well.

Clusters and routes come from a mounted ConfigMap; Envoy watches the directory, so a change needs no restart.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, TypeAlias

import orjson

from bucle.contracts import names
from bucle.contracts.canonical import short_hash
from bucle.contracts.limits import ROUTER_BODY_LIMIT_BYTES
from bucle.externals.envoy.values import Backend, Mirror, Routes, RouteVersions

Json: TypeAlias = dict[str, Any]

BOOTSTRAP_FILE = "envoy.yaml"
CDS_FILE = "cds.yaml"
RDS_FILE = "rds.yaml"
DIRECTORY = "/etc/bucle-routes"
ROUTE_CONFIG = "bucle"
VIRTUAL_HOST = "models"
OTHER_ROUTE = "other-"
"""With the revision behind it: under this name Envoy counts what goes to that revision and is no prediction."""
ADMIN_PORT = 9901
ADMIN_CLUSTER = "admin"
PREDICTION_TIMEOUT = "30s"
UPSTREAM_IDLE = "30s"
"""Below the servers' keep-alive time: a copy to a shadow is never retried, so it must not meet a closing connection."""

TYPE = "type.googleapis.com/envoy."
HTTP_MANAGER = f"{TYPE}extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
HTTP_ROUTER = f"{TYPE}extensions.filters.http.router.v3.Router"
CLUSTER = f"{TYPE}config.cluster.v3.Cluster"
ROUTE_CONFIGURATION = f"{TYPE}config.route.v3.RouteConfiguration"


@dataclass(frozen=True, slots=True)
class Place:
    """Where one Envoy listens and finds its files; the defaults are those of a router pod."""

    directory: str = DIRECTORY
    address: str = "0.0.0.0"
    http_port: int = names.PORT_HTTP
    status_port: int = names.PORT_ROUTER_STATUS
    admin_port: int = ADMIN_PORT


ROUTER_COMMAND: tuple[str, ...] = (
    "envoy",
    "-c",
    f"{DIRECTORY}/{BOOTSTRAP_FILE}",
    "--service-node",
    "$(BUCLE_POD_NAME)",
    "--service-cluster",
    "bucle-router",
    "--concurrency",
    "2",
    "--disable-hot-restart",
    "--drain-time-s",
    "10",
    "--drain-strategy",
    "immediate",
    "--log-level",
    "warning",
)
"""`$(BUCLE_POD_NAME)` is expanded by the kubelet from the container's environment."""

DRAIN_COMMAND: tuple[str, ...] = (
    "python3",
    "-c",
    "import time, urllib.request as r; "
    f"r.urlopen(r.Request('http://127.0.0.1:{ADMIN_PORT}/drain_listeners?graceful&skip_exit', method='POST'), timeout=5); "
    "time.sleep(10)",
)
"""preStop: SIGTERM alone would cut requests in flight. Answers carry `Connection: close` while Services forget the pod."""


def router_documents(routes: Routes, place: Place = Place()) -> dict[str, str]:
    """The ConfigMap's data by file name. Raises ValueError for routes that contradict themselves."""
    _require_consistent(routes)
    return {
        BOOTSTRAP_FILE: _text(bootstrap(place)),
        CDS_FILE: _text(_versioned(_clusters(routes))),
        RDS_FILE: _text(_versioned([_route_configuration(routes)])),
    }


def route_versions(routes: Routes) -> RouteVersions:
    """The versions that every router pod must show before these routes count as programmed."""
    return RouteVersions(
        cds=_versioned(_clusters(routes))["version_info"],
        rds=_versioned([_route_configuration(routes)])["version_info"],
    )


def bootstrap(place: Place) -> Json:
    """What Envoy starts with and never changes."""
    return {
        "admin": {"address": _address("127.0.0.1", place.admin_port)},
        "dynamic_resources": {"cds_config": _file_source(place, CDS_FILE)},
        "static_resources": {
            "listeners": [_traffic_listener(place), _status_listener(place)],
            "clusters": [_admin_cluster(place)],
        },
    }


def _require_consistent(routes: Routes) -> None:
    known = {backend.revision for backend in routes.revisions}
    mirrored = {routes.mirror.revision} if routes.mirror else set()
    strangers = (set(routes.weights) | mirrored | ({routes.stable} if routes.stable else set())) - known
    if strangers:
        raise ValueError(
            f"the routes of {routes.name} name revisions without a backend: {', '.join(sorted(strangers))}"
        )
    if any(weight < 0 for weight in routes.weights.values()) or sum(routes.weights.values()) not in (0, 100):
        raise ValueError(f"the weights of {routes.name} must be percentages that add up to 100: {dict(routes.weights)}")
    if routes.mirror and not 0 <= routes.mirror.percent <= 100:
        raise ValueError(f"the mirror of {routes.name} must be a percentage, got {routes.mirror.percent}")


def _text(document: Json) -> str:
    # Written at every run of a rollout: the standard library's indented writer took half of the whole run.
    layout = orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE
    return orjson.dumps(document, option=layout).decode()


def _versioned(resources: list[Json]) -> Json:
    return {"version_info": short_hash(resources, 16), "resources": resources}


def _address(host: str, port: int) -> Json:
    return {"socket_address": {"address": host, "port_value": port}}


def _file_source(place: Place, file: str) -> Json:
    # The kubelet swaps a symbolic link to a directory, so the file itself is never seen to move: watch its directory.
    return {
        "resource_api_version": "V3",
        "path_config_source": {"path": f"{place.directory}/{file}", "watched_directory": {"path": place.directory}},
    }


# --- bootstrap -----------------------------------------------------------------------------------------------


def _listener(name: str, address: Json, manager: Json) -> Json:
    return {
        "name": name,
        "address": address,
        "per_connection_buffer_limit_bytes": ROUTER_BODY_LIMIT_BYTES,
        "filter_chains": [
            {"filters": [{"name": "http", "typed_config": {"@type": HTTP_MANAGER, "stat_prefix": name} | manager}]}
        ],
    }


def _http_filters() -> list[Json]:
    return [{"name": "router", "typed_config": {"@type": HTTP_ROUTER, "suppress_envoy_headers": True}}]


def _traffic_listener(place: Place) -> Json:
    manager = {
        "rds": {"route_config_name": ROUTE_CONFIG, "config_source": _file_source(place, RDS_FILE)},
        "use_remote_address": True,
        "normalize_path": True,
        # A client's own request id is a join key and must arrive as it was sent, or not at all.
        "preserve_external_request_id": True,
        "generate_request_id": False,
        "common_http_protocol_options": {"idle_timeout": "300s"},
        "request_headers_timeout": "10s",
        "http_filters": _http_filters(),
    }
    return _listener("traffic", _address(place.address, place.http_port), manager)


def _status_listener(place: Place) -> Json:
    allowed = [
        {
            "match": {"path": path, "headers": [{"name": ":method", "string_match": {"exact": "GET"}}]},
            "route": {"cluster": ADMIN_CLUSTER, "timeout": "5s"},
        }
        for path in ("/config_dump", "/stats", "/ready")
    ]
    refused = {"match": {"prefix": "/"}, "direct_response": {"status": 404}}
    manager = {
        "route_config": {
            "name": "status",
            "virtual_hosts": [{"name": "status", "domains": ["*"], "routes": [*allowed, refused]}],
        },
        "http_filters": _http_filters(),
    }
    return _listener("status", _address(place.address, place.status_port), manager)


def _admin_cluster(place: Place) -> Json:
    return {
        "name": ADMIN_CLUSTER,
        "type": "STATIC",
        "connect_timeout": "1s",
        "load_assignment": _assignment(ADMIN_CLUSTER, "127.0.0.1", place.admin_port),
    }


def _assignment(cluster: str, host: str, port: int) -> Json:
    endpoint = {"endpoint": {"address": _address(host, port)}}
    return {"cluster_name": cluster, "endpoints": [{"lb_endpoints": [endpoint]}]}


# --- clusters ------------------------------------------------------------------------------------------------


def _clusters(routes: Routes) -> list[Json]:
    """Each revision twice: for callers, and for copies, whose counters and limits must not touch the callers'."""
    found = []
    for backend in sorted(routes.revisions, key=lambda backend: backend.revision):
        found.append(_cluster(backend.revision, backend, most_requests=4096))
        found.append(_cluster(names.shadow_of(backend.revision), backend, most_requests=256))
    return found


def _cluster(name: str, backend: Backend, most_requests: int) -> Json:
    return {
        "@type": CLUSTER,
        "name": name,
        "type": "STRICT_DNS",
        "connect_timeout": "2s",
        "dns_lookup_family": "V4_PREFERRED",
        "dns_refresh_rate": "2s",
        # A pod that its Service no longer names is gone, even if it still answers health checks while it drains.
        "ignore_health_on_host_removal": True,
        "lb_policy": "LEAST_REQUEST",
        "load_assignment": _assignment(name, backend.host, backend.port),
        "health_checks": [
            {
                "timeout": "2s",
                "interval": "1s",
                "no_traffic_interval": "1s",
                "unhealthy_threshold": 3,
                "healthy_threshold": 1,
                # Behind a Service address a kept connection would go on asking one pod, perhaps one that is leaving.
                "reuse_connection": False,
                "http_health_check": {"path": "/v2/health/ready"},
            }
        ],
        "circuit_breakers": {
            "thresholds": [
                {
                    "max_connections": most_requests,
                    "max_pending_requests": most_requests,
                    "max_requests": most_requests,
                    "max_retries": 64,
                }
            ]
        },
        "typed_extension_protocol_options": {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                "@type": f"{TYPE}extensions.upstreams.http.v3.HttpProtocolOptions",
                "common_http_protocol_options": {"idle_timeout": UPSTREAM_IDLE},
                "explicit_http_config": {"http_protocol_options": {}},
            }
        },
    }


# --- routes --------------------------------------------------------------------------------------------------


def _route_configuration(routes: Routes) -> Json:
    return {
        "@type": ROUTE_CONFIGURATION,
        "name": ROUTE_CONFIG,
        "request_headers_to_add": [_set_header(names.HEADER_ID, "%UNIQUE_ID%")],
        "response_headers_to_add": [_set_header(names.HEADER_ID, f"%REQ({names.HEADER_ID})%")],
        "virtual_hosts": [
            {
                "name": VIRTUAL_HOST,
                "domains": ["*"],
                "request_body_buffer_limit": ROUTER_BODY_LIMIT_BYTES,
                "routes": [*(_prediction(routes, path) for path in prediction_paths(routes.name)), _anything(routes)],
            }
        ],
    }


def prediction_paths(name: str) -> tuple[str, str]:
    """The only paths that are weighted and mirrored."""
    return f"/v2/models/{name}/infer", "/invocations"


def _set_header(key: str, value: str) -> Json:
    return {"header": {"key": key, "value": value}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}


def _prediction(routes: Routes, path: str) -> Json:
    match = {"path": path, "headers": [{"name": ":method", "string_match": {"exact": "POST"}}]}
    weights = {revision: weight for revision, weight in sorted(routes.weights.items()) if weight > 0}
    if not weights:
        return {"match": match} | _nothing_answers(routes)
    action: Json = {
        "weighted_clusters": {"clusters": [_weighted(routes, revision, weights[revision]) for revision in weights]},
        "timeout": PREDICTION_TIMEOUT,
        "retry_policy": _retry_policy(),
    }
    if routes.mirror is not None and routes.mirror.percent > 0:
        action["request_mirror_policies"] = [_mirror(routes.mirror)]
    return {"match": match, "route": action}


def _weighted(routes: Routes, revision: str, weight: int) -> Json:
    role = names.ROLE_STABLE if revision == routes.stable else names.ROLE_CANDIDATE
    return {"name": revision, "weight": weight, "request_headers_to_add": [_set_header(names.HEADER_ROLE, role)]}


def _mirror(mirror: Mirror) -> Json:
    return {
        "cluster": names.shadow_of(mirror.revision),
        "runtime_fraction": {"default_value": {"numerator": mirror.percent, "denominator": "HUNDRED"}},
        "disable_shadow_host_suffix_append": True,
        # The copy inherits the role of the cluster that was chosen for the caller, so it must be set again.
        "request_headers_mutations": [{"append": _set_header(names.HEADER_ROLE, names.ROLE_SHADOW)}],
    }


def _anything(routes: Routes) -> Json:
    """Feedback, metadata and whatever else: to stable, never weighted, never copied."""
    match = {"prefix": "/"}
    if routes.stable is None:
        return {"match": match} | _nothing_answers(routes)
    return {
        "match": match,
        "stat_prefix": f"{OTHER_ROUTE}{routes.stable}",
        "route": {"cluster": routes.stable, "timeout": PREDICTION_TIMEOUT, "retry_policy": _retry_policy()},
        "request_headers_to_add": [_set_header(names.HEADER_ROLE, names.ROLE_STABLE)],
    }


def _retry_policy() -> Json:
    """Once more when the server cannot have answered. Predictions and feedback are both safe to repeat."""
    return {
        "retry_on": "connect-failure,refused-stream,reset",
        "num_retries": 1,
        "retry_host_predicate": [
            {
                "name": "envoy.retry_host_predicates.previous_hosts",
                "typed_config": {"@type": f"{TYPE}extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate"},
            }
        ],
        "host_selection_retry_max_attempts": 3,
    }


def _nothing_answers(routes: Routes) -> Json:
    body = json.dumps({"error": f"no version of {routes.name} is ready yet"})
    return {"direct_response": {"status": 503, "body": {"inline_string": body}}}
