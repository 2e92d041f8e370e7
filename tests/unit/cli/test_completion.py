"""What may come next on a line that is being typed."""

from __future__ import annotations

import pytest

from bucle.cli.cluster import Login
from bucle.cli.command import parser
from bucle.cli.completion import FLAGS, PATIENCE, Wanted, wanted
from bucle.resources.addresses import DATASET, DRIFT_POLICY, MODEL_DEPLOYMENT

NOBODY = Login(timeout=PATIENCE)


@pytest.mark.parametrize(
    ("line", "want"),
    [
        ("", Wanted("commands")),
        ("sta", Wanted("commands", "sta")),
        ("-n ml sta", Wanted("commands", "sta")),
        ("--na", Wanted("flags", "--na")),
        ("status --", Wanted("flags", "--")),
        ("status data", Wanted("kinds", "data")),
        ("status mlds/fl", Wanted("names", "fl", DATASET, "mlds/", NOBODY)),
        ("explain dataset fl", Wanted("names", "fl", DATASET, "", NOBODY)),
        ("explain dataset flights ", Wanted("nothing")),
        ("explain pods/", Wanted("nothing")),
        ("gates fl", Wanted("names", "fl", MODEL_DEPLOYMENT, "", NOBODY)),
        ("gates flights ", Wanted("nothing")),
        ("signals ", Wanted("names", "", DRIFT_POLICY, "", NOBODY)),
        ("version ", Wanted("nothing")),
        ("signals -n ml ", Wanted("names", "", DRIFT_POLICY, "", Login(namespace="ml", timeout=PATIENCE))),
        ("signals --context=prod ", Wanted("names", "", DRIFT_POLICY, "", Login(context="prod", timeout=PATIENCE))),
        ("status -n m", Wanted("namespaces", "m", login=NOBODY)),
        ("status --namespace=m", Wanted("namespaces", "m", before="--namespace=", login=NOBODY)),
        ("status -o ", Wanted("forms", login=NOBODY)),
        ("--context ", Wanted("contexts", login=NOBODY)),
        ("--kubeconfig ./", Wanted("files", "./", login=NOBODY)),
        ("--request-timeout ", Wanted("nothing", login=NOBODY)),
        ("status -A ", Wanted("kinds")),
    ],
)
def test_the_words_before_say_what_may_come_next(line: str, want: Wanted) -> None:
    assert wanted(line.split(" ")) == want


def test_every_flag_that_takes_a_value_is_known_to_completion() -> None:
    flags = {option for action in parser()._actions for option in action.option_strings if action.nargs != 0}
    assert {flag for flag in flags if flag.startswith("--")} == set(FLAGS)
