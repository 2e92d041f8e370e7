"""A stored state of another release is held, and the message names what to remove: enough of it that nothing unknown is left."""

from __future__ import annotations

from enum import StrEnum

import pytest

from bucle.engine.room import UnknownState, known_state


class Door(StrEnum):
    OPEN = "Open"


def test_a_known_state_is_taken_as_it_is() -> None:
    assert known_state(Door, "Open", "build.state") is Door.OPEN


@pytest.mark.parametrize("value", ["Ajar", "", None])
@pytest.mark.parametrize(
    ("field", "holder"),
    [
        ("build.state", "status.build"),
        ("retrains.inFlight.state", "status.retrains.inFlight"),
        ("retrains.recent[].outcome", "status.retrains.recent"),
    ],
)
def test_what_nobody_knows_is_removed_with_all_that_it_is_of(value: str | None, field: str, holder: str) -> None:
    with pytest.raises(UnknownState) as caught:
        known_state(Door, value, field)
    said = "missing" if value is None else repr(value)
    assert f"status.{field} is {said}" in str(caught.value)
    assert str(caught.value).endswith(f"or remove {holder}")
