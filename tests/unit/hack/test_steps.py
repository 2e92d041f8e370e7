"""What a person reads while something runs."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest
from hack.shell import Failure, Logged, run, run_logged
from hack.steps import Record, Steps, duration, table


class Clock:
    """A clock that moves when it is told to."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.04, "0.0 s"), (12.34, "12.3 s"), (65.0, "1 min 05 s"), (3600.0, "60 min 00 s")]
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_a_step_says_how_far_it_is_how_long_it_took_and_what_it_may_take() -> None:
    clock, out = Clock(), io.StringIO()
    steps = Steps(total=2, out=out, clock=clock)
    with steps.step("first", budget=10):
        clock.now += 3
    with steps.step("second"):
        steps.note("half way")
        clock.now += 1
    assert out.getvalue() == "[1/2] first … 3.0 s (budget 10.0 s)\n[2/2] second … \n      half way\n      1.0 s\n"


def test_a_step_that_fails_is_recorded_as_failed_and_its_error_goes_on() -> None:
    steps = Steps(out=io.StringIO(), clock=Clock())
    with pytest.raises(Failure, match="broken"), steps.step("part"):
        raise Failure("broken")
    assert steps.records == [Record("part", 0.0, None, False)]


def test_the_table_tells_what_failed_and_what_was_slow() -> None:
    text = table([Record("a", 1, 10, True), Record("b", 20, 10, True), Record("c", 2, None, False)]).splitlines()
    assert [line.split("  ")[-1].strip() for line in text[1:4]] == ["ok", "ok, over budget", "FAILED"]
    assert text[-1].split() == ["total", "23.0", "s"]


def test_a_command_that_fails_says_what_was_tried_and_what_it_said(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "import sys; print('the reason'); sys.exit(3)"]
    with pytest.raises(Failure, match=r"(?s)cannot do it: .* ended with 3.*the reason"):
        run(command, "do it")
    with pytest.raises(Failure, match=r"(?s)cannot do it: .* ended with 3.*the reason"):
        run_logged(command, "do it", Logged(tmp_path / "log"))


def test_a_program_that_is_not_there_is_named() -> None:
    with pytest.raises(Failure, match="no-such-program is not installed"):
        run(["no-such-program"], "do it")
