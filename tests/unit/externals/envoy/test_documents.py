"""Routes as Envoy documents: contradictions are refused, versions follow content. What Envoy does with them: tests/wire."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bucle.externals.answers import AnswerCounts
from bucle.externals.envoy.documents import (
    BOOTSTRAP_FILE,
    CDS_FILE,
    DIRECTORY,
    DRAIN_COMMAND,
    RDS_FILE,
    ROUTER_COMMAND,
    route_versions,
    router_documents,
)
from bucle.externals.envoy.stats import cluster_numbers, counts, healthy_clusters, shown_versions
from bucle.externals.envoy.values import Backend, Mirror, RouterPod, Routes, RouteVersions

OLD, NEW = Backend("old", "old.ns.svc"), Backend("new", "new.ns.svc")


def routes(**given: Any) -> Routes:
    return Routes(**({"name": "flights", "revisions": (OLD, NEW), "stable": "old", "weights": {"old": 100}} | given))


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"stable": "gone"}, "without a backend: gone"),
        ({"weights": {"old": 50, "gone": 50}}, "without a backend: gone"),
        ({"mirror": Mirror("gone", 1)}, "without a backend: gone"),
        ({"weights": {"old": 90}}, "add up to 100"),
        ({"weights": {"old": 110, "new": -10}}, "add up to 100"),
        ({"mirror": Mirror("new", 101)}, "percentage"),
    ],
)
def test_routes_that_contradict_themselves_are_refused(given: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        router_documents(routes(**given))


def test_a_weight_changes_the_routes_alone_and_a_backend_the_clusters_alone() -> None:
    before = route_versions(routes())
    weighted = route_versions(routes(weights={"old": 90, "new": 10}))
    grown = route_versions(routes(revisions=(OLD, NEW, Backend("newer", "newer.ns.svc"))))
    assert weighted.cds == before.cds and weighted.rds != before.rds
    assert grown.cds != before.cds and grown.rds == before.rds


@given(st.permutations([OLD, NEW]), st.permutations([("old", 90), ("new", 10)]))
def test_the_order_of_what_is_told_does_not_matter(revisions: list[Backend], weights: list[tuple[str, int]]) -> None:
    told = routes(revisions=tuple(revisions), weights=dict(weights))
    assert router_documents(told) == router_documents(routes(weights={"old": 90, "new": 10}))


@given(st.integers(0, 100), st.integers(0, 100))
def test_documents_carry_the_versions_that_a_router_will_show(weight: int, mirror: int) -> None:
    told = routes(weights={"old": 100 - weight, "new": weight}, mirror=Mirror("new", mirror))
    documents = router_documents(told)
    shown = [json.loads(documents[file])["version_info"] for file in (CDS_FILE, RDS_FILE)]
    assert RouteVersions(*shown) == route_versions(told)
    assert set(documents) == {BOOTSTRAP_FILE, CDS_FILE, RDS_FILE}


def test_each_revision_has_a_cluster_of_its_own_for_copies() -> None:
    names = [cluster["name"] for cluster in json.loads(router_documents(routes())[CDS_FILE])["resources"]]
    assert names == ["new", "new-shadow", "old", "old-shadow"]


def test_the_admin_port_listens_on_loopback_only() -> None:
    bootstrap = json.loads(router_documents(routes())[BOOTSTRAP_FILE])
    assert bootstrap["admin"]["address"]["socket_address"]["address"] == "127.0.0.1"
    assert f"{DIRECTORY}/{BOOTSTRAP_FILE}" in ROUTER_COMMAND
    compile(DRAIN_COMMAND[-1], "drain", "exec")


def test_status_is_read_from_envoys_own_json() -> None:
    dump = {
        "configs": [
            {"@type": "type.googleapis.com/envoy.admin.v3.BootstrapConfigDump"},
            {"@type": "type.googleapis.com/envoy.admin.v3.ClustersConfigDump", "version_info": "c1"},
            {
                "@type": "type.googleapis.com/envoy.admin.v3.RoutesConfigDump",
                "dynamic_route_configs": [
                    {"version_info": "other", "route_config": {"name": "other"}},
                    {"version_info": "r1", "route_config": {"name": "bucle"}},
                ],
            },
        ]
    }
    shown = shown_versions(dump)
    assert (shown.cds, shown.rds) == ("c1", "r1")
    assert RouterPod("u", "p", shown.cds, shown.rds).shows(RouteVersions("c1", "r1"))
    assert not RouterPod("u", "p", silent="no answer").shows(RouteVersions("c1", "r1"))


@pytest.mark.parametrize(
    ("cluster", "expected"),
    [("new", AnswerCounts(10, 4)), ("new-shadow", AnswerCounts(7, 1))],
)
def test_copies_that_our_own_limit_refused_say_nothing_about_the_candidate(
    cluster: str, expected: AnswerCounts
) -> None:
    values = {
        "upstream_rq_completed": 10,
        "upstream_rq_5xx": 4,
        "upstream_rq_pending_overflow": 3,
        "membership_healthy": 1,
    }
    numbers = cluster_numbers(
        {"stats": [{"name": f"cluster.{cluster}.{name}", "value": value} for name, value in values.items()] + [{}]}
    )
    assert counts(numbers) == {cluster: expected}
    assert healthy_clusters(numbers) == {cluster}


def test_what_is_no_prediction_is_counted_neither_for_nor_against_the_stable_version() -> None:
    """Feedback that the store does not take, answered 503, would make the stable version look worse than a bad canary."""
    seen = {
        "cluster.old.upstream_rq_completed": 100,
        "cluster.old.upstream_rq_5xx": 41,
        "cluster.old.upstream_rq_4xx": 12,
        "vhost.models.route.other-old.upstream_rq_completed": 60,
        "vhost.models.route.other-old.upstream_rq_5xx": 40,
        "vhost.models.route.other-old.upstream_rq_4xx": 10,
        "vhost.models.route.other-gone.upstream_rq_completed": 7,
        "cluster.new.upstream_rq_completed": 4,
    }
    numbers = cluster_numbers({"stats": [{"name": name, "value": value} for name, value in seen.items()]})
    assert counts(numbers) == {"old": AnswerCounts(40, 1, 2), "new": AnswerCounts(4)}
