"""The keyed queue: coalescing, one run per key, growing delays, the earliest wish wins."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.fakes.clock import FakeClock

from bucle.engine.queue import FIRST_DELAY, LONGEST_DELAY, KeyedQueue, work


def a_queue(jitter: float = 0.0) -> tuple[KeyedQueue[str], FakeClock]:
    clock = FakeClock()
    return KeyedQueue(clock.monotonic, lambda: jitter), clock


def test_many_adds_of_a_key_are_one_run() -> None:
    queue, _ = a_queue()
    for _ in range(5):
        queue.add("a")
    assert queue.take() == "a"
    assert queue.take() is None


def test_a_key_added_while_it_runs_runs_once_more_afterwards() -> None:
    queue, _ = a_queue()
    queue.add("a")
    assert queue.take() == "a"
    queue.add("a")
    queue.add("a")
    assert queue.take() is None, "never twice at the same time"
    queue.done("a")
    assert queue.take() == "a"
    queue.done("a")
    assert queue.take() is None


@pytest.mark.parametrize(("first", "second"), [(10.0, 3.0), (3.0, 10.0)])
def test_the_earliest_wish_wins(first: float, second: float) -> None:
    queue, clock = a_queue()
    queue.add_after("a", first)
    queue.add_after("a", second)
    clock.advance(2.9)
    assert queue.take() is None
    clock.advance(0.1)
    assert queue.take() == "a"
    queue.done("a")
    clock.advance(20)
    assert queue.take() is None, "the later wish is spent"


def test_delays_double_up_to_five_minutes_and_start_anew_after_a_success() -> None:
    queue, _ = a_queue()
    delays = [queue.retry("a") for _ in range(12)]
    assert delays[:4] == [0.5, 1.0, 2.0, 4.0]
    assert delays[-1] == LONGEST_DELAY
    queue.succeeded("a")
    assert queue.retry("a") == FIRST_DELAY


def test_runs_that_follow_each_other_for_ever_are_slowed_down() -> None:
    queue, _ = a_queue()
    assert [queue.hurry("a", 5) for _ in range(8)] == [0.0] * 5 + [0.5, 1.0, 2.0]
    queue.succeeded("a")
    assert queue.hurry("a", 5) == 0.0


@pytest.mark.parametrize("jitter", [-1.0, 0.5, 1.0])
def test_jitter_moves_a_delay_by_at_most_a_tenth(jitter: float) -> None:
    queue, _ = a_queue(jitter)
    assert queue.retry("a") == pytest.approx(FIRST_DELAY * (1 + 0.1 * jitter))


def test_a_failing_key_does_not_hold_up_others() -> None:
    queue, _ = a_queue()
    queue.retry("bad")
    queue.add("good")
    assert queue.take() == "good"


def test_depth_counts_what_is_due_and_not_running() -> None:
    queue, _ = a_queue()
    queue.add("a")
    queue.add("b")
    queue.add_after("later", 60)
    assert len(queue) == 2
    queue.take()
    assert (len(queue), queue.running) == (1, 1)


STEPS = st.lists(
    st.tuples(st.sampled_from(["add", "after", "retry", "take", "done", "wait"]), st.sampled_from("abc")), max_size=60
)


@given(STEPS)
def test_no_key_is_ever_lost_or_run_twice_at_once(steps: list[tuple[str, str]]) -> None:
    queue, clock = a_queue()
    running: set[str] = set()
    wished: set[str] = set()
    for step, key in steps:
        if step == "add":
            queue.add(key)
            wished.add(key)
        elif step == "after":
            queue.add_after(key, 5)
            wished.add(key)
        elif step == "retry":
            queue.retry(key)
            wished.add(key)
        elif step == "wait":
            clock.advance(3)
        elif step == "take":
            taken = queue.take()
            if taken is not None:
                assert taken not in running
                running.add(taken)
                wished.discard(taken)
        elif key in running:
            queue.done(key)
            running.discard(key)
    for key in list(running):
        queue.done(key)
    clock.advance(2 * LONGEST_DELAY)
    left = set()
    while (taken := queue.take()) is not None:
        left.add(taken)
    assert left == wished


async def test_workers_run_keys_side_by_side_and_end_when_told() -> None:
    queue: KeyedQueue[str] = KeyedQueue(asyncio.get_running_loop().time, lambda: 0.0)
    stop, together = asyncio.Event(), asyncio.Barrier(2)
    ran: list[str] = []

    async def run(key: str) -> None:
        await together.wait()
        ran.append(key)
        if len(ran) == 2:
            stop.set()

    queue.add("a")
    queue.add("b")
    async with asyncio.timeout(5):
        await work(queue, run, 2, stop)
    assert sorted(ran) == ["a", "b"]


async def test_a_key_added_while_workers_sleep_wakes_them() -> None:
    queue: KeyedQueue[str] = KeyedQueue(asyncio.get_running_loop().time, lambda: 0.0)
    stop = asyncio.Event()

    async def run(key: str) -> None:
        stop.set()

    queue.add_after("far", 3600)
    working = asyncio.create_task(work(queue, run, 1, stop))
    await asyncio.sleep(0)
    queue.add("now")
    async with asyncio.timeout(5):
        await working


async def test_an_error_that_escapes_a_run_ends_the_workers() -> None:
    queue: KeyedQueue[str] = KeyedQueue(asyncio.get_running_loop().time, lambda: 0.0)

    async def run(key: str) -> None:
        raise KeyError(key)

    queue.add("a")
    with pytest.raises(ExceptionGroup):
        async with asyncio.timeout(5):
            await work(queue, run, 1)
