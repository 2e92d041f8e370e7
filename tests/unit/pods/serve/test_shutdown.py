"""A pod that is told to end has written what it captured before it is killed."""

from __future__ import annotations

from bucle.kinds.modeldeployment.children.model_servers import SERVE_GRACE_SECONDS
from bucle.pods.serve.shutdown import DRAIN_SECONDS, FINISH_SECONDS, LAST_FLUSH_SECONDS, LAST_LABELS_SECONDS


def test_all_steps_of_an_end_together_are_shorter_than_the_grace_period() -> None:
    most = DRAIN_SECONDS + FINISH_SECONDS + LAST_LABELS_SECONDS + LAST_FLUSH_SECONDS
    assert most <= SERVE_GRACE_SECONDS - 2
