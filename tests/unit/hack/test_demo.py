"""What the demo does to a cluster before and after the story: nothing that it did not make is ever removed."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hack.demo import commands as command
from hack.demo.install import MARK, NAMESPACE, RELEASE, ROOT, SYSTEM, Installation
from hack.shell import Failure
from hack.steps import Steps

EXISTING = {"CLUSTER": "existing", "KUBECONFIG": "/k", "REGISTRY": "host/path/"}


@dataclass(frozen=True)
class Recorded(Installation):
    """An installation on a cluster that is told: namespaces with their labels, releases with chart and namespace."""

    namespaces: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    releases: tuple[tuple[str, str, str], ...] = ()
    up: bool = True
    done: list[str] = field(default_factory=list)

    def answers(self) -> bool:
        return self.up

    def kubectl(self, *arguments: str, stdin: str | None = None) -> str:
        self.done.append(" ".join(("kubectl", *arguments)))
        return ""

    def get(self, *arguments: str) -> dict[str, Any]:
        labels = self.namespaces.get(arguments[1])
        return {} if labels is None else {"metadata": {"labels": dict(labels)}}

    def helm(self, *arguments: str) -> str:
        if arguments == ("list", "--short"):
            return "\n".join(name for name, _, namespace in self.releases if namespace == SYSTEM)
        if arguments[0] == "list":
            return json.dumps([{"name": n, "chart": c, "namespace": where} for n, c, where in self.releases])
        self.done.append(" ".join(("helm", *arguments)))
        return ""

    def script(self, steps: Steps, name: str, *arguments: str) -> None:
        self.done.append(" ".join((name, *arguments)))


def on(existing: bool, **told: Any) -> Recorded:
    return Recorded(Path("/c"), Path("/k"), existing, "localhost", **told)


@pytest.mark.parametrize("environment", [{}, {"KUBECONFIG": "/k", "REGISTRY": "host/path"}])
def test_what_happens_to_be_exported_changes_nothing(environment: dict[str, str]) -> None:
    found = Installation.from_environment(environment)
    assert (found.existing, found.kubeconfig.name, found.registry) == (False, "kubeconfig", "localhost")


def test_a_cluster_that_is_named_brings_its_registry() -> None:
    found = Installation.from_environment(EXISTING)
    assert (found.existing, found.kubeconfig, found.registry) == (True, Path("/k"), "host/path")
    assert "image.pullPolicy=Always" in found.values(), "a tag that was built anew must be pulled anew"


@pytest.mark.parametrize("environment", [{"CLUSTER": "kind"}, {"CLUSTER": "existing"}])
def test_a_wrong_choice_is_words_and_not_a_traceback(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in EXISTING:
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert command.main(["down"]) == 1
    assert f"CLUSTER={environment['CLUSTER']}" in capsys.readouterr().err


def test_only_the_release_of_exactly_our_name_is_uninstalled() -> None:
    other = on(False, releases=(("bucle-two", "other-1.0.0", SYSTEM), (RELEASE, "bucle-0.1.0", "elsewhere")))
    other.remove(Steps())
    assert not [line for line in other.done if line.startswith("helm")]
    ours = on(False, releases=((RELEASE, "bucle-0.1.0", SYSTEM),))
    ours.remove(Steps())
    assert ours.done[0].startswith(f"helm uninstall {RELEASE}")


def test_without_a_cluster_there_is_nothing_to_remove() -> None:
    none = on(False, up=False)
    none.remove(Steps())
    assert none.done == []


def test_an_existing_cluster_that_does_not_answer_is_an_error_and_not_an_empty_one() -> None:
    unreachable = on(True, up=False)
    unreachable.remove(Steps())
    assert [line for line in unreachable.done if "delete namespace" in line], "it was asked, and would have failed"


@pytest.mark.parametrize(
    ("told", "words"),
    [
        ({"namespaces": {NAMESPACE: {}}}, f"namespace {NAMESPACE} was not made by the demo"),
        ({"namespaces": {SYSTEM: {"team": "a"}}}, f"namespace {SYSTEM} was not made by the demo"),
        ({"releases": (("ml", "bucle-0.1.0", "prod"),)}, "release ml in namespace prod is a Bucle already"),
    ],
)
def test_in_somebody_elses_cluster_nothing_is_touched_that_the_demo_did_not_make(
    told: dict[str, Any], words: str
) -> None:
    strangers = on(True, **told)
    with pytest.raises(Failure, match=words):
        strangers.remove(Steps())
    assert strangers.done == []


def test_what_the_demo_made_in_somebody_elses_cluster_is_removed() -> None:
    own = on(True, namespaces={NAMESPACE: {MARK: ""}, SYSTEM: {MARK: ""}}, releases=((RELEASE, "bucle-0.1.0", SYSTEM),))
    own.remove(Steps())
    removed = [line.split()[3] for line in own.done if line.startswith("kubectl delete namespace")]
    assert removed == [NAMESPACE, SYSTEM]


def test_how_far_it_is_counts_every_part_and_each_has_a_budget() -> None:
    """Two ways to prepare share four parts; the story's own are told by its source."""
    prepared = {}
    for existing in (False, True):
        steps = Steps()
        on(existing).prepare(steps)
        prepared[existing] = [record.budget for record in steps.records]
    assert {len(budgets) for budgets in prepared.values()} == {4}
    assert None not in prepared[False] + prepared[True]
    told = [
        re.findall(r"steps\.step\((.*?)\):", (ROOT / f"hack/demo/{name}.py").read_text(), re.S)
        for name in ("install", "story")
    ]
    assert len(told[0]) - 2 + len(told[1]) == command.PARTS
    assert all(re.search(r", \d+\s*$", call) for calls in told for call in calls)
