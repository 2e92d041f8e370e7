"""What one Envoy says of itself, read from its own JSON. Pure parsing."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import Any

from bucle.contracts.names import SHADOW_SUFFIX
from bucle.externals.answers import AnswerCounts
from bucle.externals.envoy.documents import OTHER_ROUTE, ROUTE_CONFIG, VIRTUAL_HOST

CONFIG_PATH = "/config_dump"
STATS_PATH = (
    "/stats?format=json&type=All&filter="
    rf"^(cluster|vhost\.{VIRTUAL_HOST}\.route)\.[^.]%2B\."
    r"(membership_healthy|upstream_rq_(completed|4xx|5xx|pending_overflow))$"
)
"""Five numbers per cluster, and what of them was no prediction, whatever else Envoy counts."""


@dataclass(frozen=True, slots=True)
class Shown:
    """Versions of the clusters and routes in use; None when nothing was loaded yet."""

    cds: str | None
    rds: str | None


def shown_versions(config_dump: dict[str, Any]) -> Shown:
    """Raises KeyError, TypeError or ValueError for a document that is no config dump."""
    cds: str | None = None
    rds: str | None = None
    for section in config_dump["configs"]:
        kind = str(section["@type"]).rpartition(".")[2]
        if kind == "ClustersConfigDump":
            cds = section.get("version_info") or None
        elif kind == "RoutesConfigDump":
            for route in section.get("dynamic_route_configs", ()):
                if route["route_config"]["name"] == ROUTE_CONFIG:
                    rds = route.get("version_info") or None
    return Shown(cds, rds)


def cluster_numbers(stats: dict[str, Any]) -> dict[str, dict[str, int]]:
    """`{cluster: {statistic: value}}` from /stats?format=json, of predictions alone: feedback, metadata and paths that are
    none go to stable as well, and a store that takes no labels would make the candidate look good."""
    found: dict[str, dict[str, int]] = defaultdict(dict)
    others: list[tuple[str, str, int]] = []
    for item in stats["stats"]:
        match str(item.get("name", "")).split("."):
            case ["cluster", cluster, statistic]:
                found[cluster][statistic] = int(item["value"])
            case ["vhost", _, "route", route, statistic] if route.startswith(OTHER_ROUTE):
                others.append((route.removeprefix(OTHER_ROUTE), statistic, int(item["value"])))
    for cluster, statistic, value in others:
        if statistic in found.get(cluster, {}):
            found[cluster][statistic] -= value
    return dict(found)


def healthy_clusters(numbers: dict[str, dict[str, int]]) -> frozenset[str]:
    """Clusters with at least one host that passes its health check."""
    return frozenset(name for name, values in numbers.items() if values.get("membership_healthy", 0) > 0)


def counts(numbers: dict[str, dict[str, int]]) -> dict[str, AnswerCounts]:
    """Final answers, failures and refusals per cluster.

    `upstream_rq_completed` counts one final answer per request, Envoy's own 503 and 504 included, retried attempts
    and callers who hung up excluded. A copy that our own limit on shadows refused says nothing about the candidate.
    """
    found = {}
    for name, values in numbers.items():
        not_sent = values.get("upstream_rq_pending_overflow", 0) if name.endswith(SHADOW_SUFFIX) else 0
        requests = values.get("upstream_rq_completed", 0) - not_sent
        errors = values.get("upstream_rq_5xx", 0) - not_sent
        found[name] = AnswerCounts(max(requests, 0), max(errors, 0), max(values.get("upstream_rq_4xx", 0), 0))
    return found
