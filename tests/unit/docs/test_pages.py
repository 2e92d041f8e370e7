"""Pages tell the truth as far as files can show it: links lead somewhere, commands and samples exist and are valid."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from bucle.resources import parse

ROOT = Path(__file__).resolve().parents[3]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
SAMPLES = sorted(p for p in ROOT.glob("manifests/samples/**/*.yaml") if p.name != "kustomization.yaml")
LINK = re.compile(r"\]\((?!https?://|#)([^)#]+)")
MAKE = re.compile(r"`make ([a-z][a-z-]*)`|^make ([a-z][a-z-]*) +#", re.M)


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_every_link_leads_to_a_file(page: Path) -> None:
    missing = [target for target in LINK.findall(page.read_text()) if not (page.parent / target).exists()]
    assert missing == []


def test_every_make_target_that_is_named_exists() -> None:
    targets = set(re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text(), flags=re.M))
    named = {name for page in PAGES for name in [a or b for a, b in MAKE.findall(page.read_text())]}
    assert named <= targets


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda p: p.name)
def test_every_sample_is_a_valid_object(sample: Path) -> None:
    for document in yaml.safe_load_all(sample.read_text()):
        typed = parse(document["kind"], document)
        assert typed.metadata.name == "flights"


def test_the_kustomization_names_every_sample() -> None:
    kustomization = yaml.safe_load((ROOT / "manifests/samples/flights/kustomization.yaml").read_text())
    assert sorted(kustomization["resources"]) == [sample.name for sample in SAMPLES]
