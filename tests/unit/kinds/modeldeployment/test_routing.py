"""The laws of weights, for every desire and every limit."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from bucle.kinds.modeldeployment.state import Target
from bucle.kinds.modeldeployment.traffic.routing import (
    DesiredRoutes,
    RouterPod,
    RouterView,
    RoutingLimits,
    routes_for,
    takes_over,
)

MAIN, OTHER = "aaa", "bbb"


@st.composite
def all_limits(draw: st.DrawFn) -> RoutingLimits:
    live = draw(st.integers(0, 100))
    clusters = st.frozensets(st.sampled_from([Target(MAIN), Target(OTHER), Target(OTHER, shadow=True)]))
    pods = draw(
        st.lists(
            st.builds(RouterPod, st.just("r"), st.sampled_from(["v1", "v0", None]), clusters, st.just({})), max_size=2
        )
    )
    return RoutingLimits(
        ready={MAIN: draw(st.integers(0, 2)), OTHER: draw(st.integers(0, 2))},
        needed=2,
        live={MAIN: 100 - live, OTHER: live},
        router=draw(st.sampled_from([RouterView(tuple(pods)), None])),
        live_version=draw(st.sampled_from(["v1", None])),
        live_revisions=draw(st.sampled_from([frozenset({MAIN}), frozenset({MAIN, OTHER})])),
        live_mirror=draw(st.integers(0, 100)),
    )


all_desired = st.builds(
    DesiredRoutes,
    st.just(MAIN),
    st.sampled_from([OTHER, None]),
    st.integers(0, 100),
    st.integers(0, 100),
    st.booleans(),
)


@given(all_desired, all_limits())
def test_weights_add_up_to_one_hundred(desired: DesiredRoutes, limits: RoutingLimits) -> None:
    assert sum(routes_for(desired, limits).weights().values()) == 100


@given(all_desired, all_limits())
def test_the_candidate_gets_nothing_without_a_ready_pod(desired: DesiredRoutes, limits: RoutingLimits) -> None:
    routes = routes_for(desired, limits)
    if limits.ready[OTHER] == 0:
        assert routes.other_weight == 0 and routes.mirror == 0


@given(all_desired, all_limits())
def test_a_weight_rises_only_with_full_capacity_seen_by_every_router_pod(
    desired: DesiredRoutes, limits: RoutingLimits
) -> None:
    routes = routes_for(desired, limits)
    if routes.other_weight > limits.live[OTHER] and not desired.may_take_over:
        assert limits.ready[OTHER] >= limits.needed
        assert limits.router is not None and limits.router.pods
        assert all(pod.version == limits.live_version and Target(OTHER) in pod.healthy for pod in limits.router.pods)
        assert OTHER in limits.live_revisions


@given(all_limits(), st.integers(0, 100))
def test_an_abort_never_raises_the_candidates_weight_and_needs_no_router(limits: RoutingLimits, mirror: int) -> None:
    routes = routes_for(DesiredRoutes(MAIN, OTHER, 0, 0), limits)
    assert routes.other_weight <= limits.live[OTHER] and routes.mirror == 0
    if limits.ready[MAIN] > 0:
        assert routes.other_weight == 0


@given(all_desired, all_limits())
def test_callers_and_mirror_never_use_a_candidate_at_once(desired: DesiredRoutes, limits: RoutingLimits) -> None:
    routes = routes_for(desired, limits)
    assert routes.other_weight == 0 or routes.mirror == 0


@given(all_desired, all_limits())
def test_a_dead_version_answers_nobody_while_another_can(desired: DesiredRoutes, limits: RoutingLimits) -> None:
    if takes_over(desired, limits):
        assert routes_for(desired, limits).other_weight == 100
        assert limits.ready[MAIN] == 0 and limits.ready[OTHER] > 0
