"""Every requirement file is a literal part of the one lock, with hashes and without an index address."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from hack import lock

HASHED = "numpy==2.4.6 --hash=sha256:" + "a" * 64


def test_all_subsets_agree_with_the_lock(root: Path) -> None:
    assert lock.check(root / "requirements") == []


@pytest.mark.parametrize(
    ("entry", "complaint"),
    [
        (HASHED, None),
        ("numpy==2.4.6", "numpy has no hash"),
        ("numpy==2.4.5 --hash=sha256:" + "a" * 64, "numpy differs from requirements/all.txt"),
        ("numpy==2.4.6 --hash=sha256:" + "b" * 64, "numpy differs from requirements/all.txt"),
        ("nympu==2.4.6 --hash=sha256:" + "a" * 64, "nympu is not in requirements/all.txt"),
    ],
)
def test_a_disagreement_is_named(entry: str, complaint: str | None) -> None:
    found = lock.disagreements("ml", lock.parse(entry), lock.parse(HASHED))
    assert (found[0].removeprefix("requirements/ml.txt: ") if found else None) == complaint


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "all.txt").write_text(HASHED)
    assert "requirements/store.txt is missing; run: python -m hack lock" in lock.check(tmp_path)


def test_what_a_subset_asks_for_is_in_its_file(root: Path) -> None:
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    for name, subset in lock.SUBSETS.items():
        pinned = lock.parse((root / f"requirements/{name}.txt").read_text())
        for line in lock.requested(subset, project):
            wanted = re.match(r"[A-Za-z0-9._-]+", line)
            assert wanted is not None
            assert wanted[0].lower().replace("_", "-") in pinned, f"{name}.txt lacks {line}"


def test_no_index_address_in_any_file(root: Path) -> None:
    for path in (root / "requirements").glob("*.txt"):
        text = path.read_text()
        assert "://" not in text and "--index" not in text and "--find-links" not in text, path


def test_the_operator_has_no_data_libraries(root: Path) -> None:
    pinned = lock.parse((root / "requirements/operator.txt").read_text())
    banned = {"pandas", "scikit-learn", "scipy", "pyarrow", "mlflow", "mlflow-skinny", "evidently", "boto3"}
    assert not banned & pinned.keys()
