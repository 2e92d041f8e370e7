"""The laws of weights, for every wish and every footing."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from bucle.contracts.names import shadow_cluster
from bucle.kinds.modeldeployment.routing import Footing, RouterPod, RouterView, Wish, routes_for

MAIN, OTHER = "aaa", "bbb"


@st.composite
def footings(draw: st.DrawFn) -> Footing:
    live = draw(st.integers(0, 100))
    clusters = st.frozensets(st.sampled_from([MAIN, OTHER, shadow_cluster(OTHER)]))
    pods = draw(
        st.lists(
            st.builds(RouterPod, st.just("r"), st.sampled_from(["v1", "v0", None]), clusters, st.just({})), max_size=2
        )
    )
    return Footing(
        ready={MAIN: draw(st.integers(0, 2)), OTHER: draw(st.integers(0, 2))},
        needed=2,
        live={MAIN: 100 - live, OTHER: live},
        router=draw(st.sampled_from([RouterView(tuple(pods)), None])),
        live_version=draw(st.sampled_from(["v1", None])),
        live_revisions=draw(st.sampled_from([frozenset({MAIN}), frozenset({MAIN, OTHER})])),
        live_mirror=draw(st.integers(0, 100)),
    )


wishes = st.builds(
    Wish, st.just(MAIN), st.sampled_from([OTHER, None]), st.integers(0, 100), st.integers(0, 100), st.booleans()
)


@given(wishes, footings())
def test_weights_add_up_to_one_hundred(wish: Wish, footing: Footing) -> None:
    assert sum(routes_for(wish, footing).weights().values()) == 100


@given(wishes, footings())
def test_the_candidate_gets_nothing_without_a_ready_pod(wish: Wish, footing: Footing) -> None:
    routes = routes_for(wish, footing)
    if footing.ready[OTHER] == 0:
        assert routes.other_weight == 0 and routes.mirror == 0


@given(wishes, footings())
def test_a_weight_rises_only_with_full_capacity_seen_by_every_router_pod(wish: Wish, footing: Footing) -> None:
    routes = routes_for(wish, footing)
    if routes.other_weight > footing.live[OTHER] and not wish.may_take_over:
        assert footing.ready[OTHER] >= footing.needed
        assert footing.router is not None and footing.router.pods
        assert all(pod.version == footing.live_version and OTHER in pod.healthy for pod in footing.router.pods)
        assert OTHER in footing.live_revisions


@given(footings(), st.integers(0, 100))
def test_an_abort_never_raises_the_candidates_weight_and_needs_no_router(footing: Footing, mirror: int) -> None:
    routes = routes_for(Wish(MAIN, OTHER, 0, 0), footing)
    assert routes.other_weight <= footing.live[OTHER] and routes.mirror == 0
    if footing.ready[MAIN] > 0:
        assert routes.other_weight == 0


@given(wishes, footings())
def test_callers_and_mirror_never_use_a_candidate_at_once(wish: Wish, footing: Footing) -> None:
    routes = routes_for(wish, footing)
    assert routes.other_weight == 0 or routes.mirror == 0
