"""What a hash over a spec is made of: what a person wrote, and nothing that a default says already."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import Field
from tests.support.rules.objects import valid

from bucle.kinds.experiment.identity import spec_hash
from bucle.kinds.modeldeployment.identity import plan_hash, revision_id
from bucle.resources import KINDS, Dataset, DatasetSpec, Experiment, ModelDeployment, parse, to_dict
from bucle.resources.documents import written


def spelt_out(kind: str) -> dict[str, Any]:
    """The kind's example with every default of its type written down."""
    return to_dict(parse(kind, valid(kind)))


@pytest.mark.parametrize("kind", KINDS)
def test_a_default_says_the_same_whether_it_is_written_stored_or_left_out(kind: str) -> None:
    obj = valid(kind)
    assert spelt_out(kind)["spec"] != obj["spec"]
    as_written = written(parse(kind, obj).spec)  # type: ignore[attr-defined]
    assert as_written == written(parse(kind, spelt_out(kind)).spec)  # type: ignore[attr-defined]


def test_a_field_that_a_later_release_adds_with_a_default_changes_no_hash() -> None:
    class LaterSpec(DatasetSpec):
        refresh: str = Field(default="Never")

    spec = valid("Dataset")["spec"]
    assert written(LaterSpec.model_validate(spec)) == written(DatasetSpec.model_validate(spec))


def test_a_member_of_a_union_that_has_no_fields_is_not_lost() -> None:
    spec = parse(Dataset, valid("Dataset")).spec
    assert written(spec)["sources"][0]["uri"]["parquet"] == {}
    random = parse(Experiment, valid("Experiment", {"spec.search": {"random": {}}}))
    assert spec_hash(random) != spec_hash(parse(Experiment, valid("Experiment")))


def test_spelling_out_defaults_trains_nothing_again_and_rolls_no_model() -> None:
    short, full = (parse(Experiment, obj) for obj in (valid("Experiment"), spelt_out("Experiment")))
    assert spec_hash(short) == spec_hash(full)
    brief, long = (parse(ModelDeployment, o).spec for o in (valid("ModelDeployment"), spelt_out("ModelDeployment")))
    assert plan_hash(brief) == plan_hash(long)
    assert revision_id("sha256:1", brief, "serve@sha256:2") == revision_id("sha256:1", long, "serve@sha256:2")
