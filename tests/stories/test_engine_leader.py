"""Leadership: at most one acts, a lost renewal closes the fence before the Lease can be taken, a release hands over."""

from __future__ import annotations

from datetime import timedelta

import pytest
from tests.support.builders.objects import an_object
from tests.support.fakes.clock import FakeClock
from tests.support.fakes.kube import FakeKube

from bucle.engine.kube import Conflict, Unavailable
from bucle.engine.leader import LEASE_SECONDS, RENEW_SECONDS, Candidate, Leader
from bucle.engine.objects import LEASE


def two() -> tuple[FakeKube, FakeClock, Leader, Leader]:
    clock = FakeClock()
    kube = FakeKube(clock)
    first, second = (Leader(kube, Candidate("bucle-system", "bucle-operator", name), clock) for name in ("a", "b"))
    return kube, clock, first, second


def holder(kube: FakeKube) -> str:
    lease = kube.peek(LEASE, "bucle-system", "bucle-operator")
    assert lease is not None
    return str(lease["spec"]["holderIdentity"])


async def test_the_first_one_leads_and_the_second_waits() -> None:
    kube, clock, first, second = two()
    assert await first.attempt()
    assert not await second.attempt()
    clock.advance(LEASE_SECONDS - 1)
    assert not await second.attempt()
    assert (first.may_act(), second.may_act()) == (False, False), "a holder that did not renew may no longer act"
    assert holder(kube) == "a"


async def test_a_lease_is_taken_only_after_it_was_seen_unchanged_for_its_whole_time() -> None:
    kube, clock, first, second = two()
    await first.attempt()
    await second.attempt()
    for _ in range(5):
        clock.advance(5)
        assert await first.attempt()
        assert not await second.attempt()
    clock.advance(LEASE_SECONDS + 1)
    assert await second.attempt()
    assert holder(kube) == "b"
    assert not await first.attempt()


async def test_the_fence_closes_before_anyone_else_can_lead() -> None:
    kube, clock, first, _ = two()
    await first.attempt()
    kube.fail("get", Unavailable("network"), times=100)
    clock.advance(RENEW_SECONDS - 0.1)
    assert not await first.attempt()
    assert first.may_act()
    clock.advance(0.2)
    assert not first.may_act()
    assert RENEW_SECONDS < LEASE_SECONDS


async def test_what_begins_while_leading_has_until_the_end_of_the_lease() -> None:
    _, clock, first, second = two()
    assert first.seconds_left() == 0
    await first.attempt()
    await second.attempt()
    assert first.seconds_left() == LEASE_SECONDS
    clock.advance(RENEW_SECONDS - 0.1)
    assert first.may_act()
    clock.advance(first.seconds_left())
    assert not await second.attempt(), "nobody else leads before the time that an effect was given is over"
    clock.advance(0.1)
    assert first.seconds_left() == 0
    assert await second.attempt()


async def test_a_lease_that_somebody_made_by_hand_is_taken() -> None:
    kube, _, first, _ = two()
    kube.put(LEASE, an_object(LEASE, "bucle-operator", "bucle-system"))
    assert await first.attempt()
    assert holder(kube) == "a"


async def test_a_lease_that_was_taken_by_force_closes_the_fence_as_soon_as_it_is_seen() -> None:
    kube, clock, first, _ = two()
    await first.attempt()
    clock.advance(2)
    kube.edit(LEASE, "bucle-system", "bucle-operator", lambda lease: lease["spec"].update(holderIdentity="b"))
    assert not await first.attempt()
    assert (first.may_act(), first.seconds_left()) == (False, 0)


async def test_one_lost_renewal_is_no_lost_leadership() -> None:
    kube, clock, first, _ = two()
    await first.attempt()
    kube.fail("replace", Conflict("modified"))
    clock.advance(2)
    assert not await first.attempt()
    assert first.may_act()
    clock.advance(2)
    assert await first.attempt()


async def test_a_release_lets_the_next_one_lead_at_once() -> None:
    kube, _, first, second = two()
    await first.attempt()
    await first.release()
    assert not first.may_act()
    assert await second.attempt()
    assert holder(kube) == "b"


async def test_a_release_never_touches_anothers_lease() -> None:
    kube, _, first, second = two()
    await first.attempt()
    await second.release()
    assert holder(kube) == "a"


@pytest.mark.parametrize("idle", [timedelta(), timedelta(hours=1)])
async def test_who_restarts_under_the_same_name_leads_again(idle: timedelta) -> None:
    kube, clock, first, _ = two()
    await first.attempt()
    clock.advance(idle)
    again = Leader(kube, Candidate("bucle-system", "bucle-operator", "a"), clock)
    assert await again.attempt()


async def test_a_deleted_lease_is_left_to_its_holder_for_the_time_it_had() -> None:
    kube, clock, first, second = two()
    await first.attempt()
    await second.attempt()
    clock.advance(2)
    kube.remove(LEASE, "bucle-system", "bucle-operator")
    assert not await second.attempt(), "the holder does not know yet and acts"
    assert first.may_act()
    assert await first.attempt(), "it makes its Lease anew"
    assert not await second.attempt()


async def test_a_deleted_lease_of_a_holder_that_is_gone_too_is_taken_once_its_time_is_over() -> None:
    kube, clock, first, second = two()
    await first.attempt()
    await second.attempt()
    kube.remove(LEASE, "bucle-system", "bucle-operator")
    clock.advance(LEASE_SECONDS)
    assert not await second.attempt()
    clock.advance(0.1)
    assert not first.may_act()
    assert await second.attempt()
