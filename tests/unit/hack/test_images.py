"""The pure part of hack/images: command lines, names, and what counts as a change."""

from __future__ import annotations

from pathlib import Path

import pytest
from hack.images import delivery, store
from hack.shell import Failure

IMAGES = store.Images(Path("/c"), "dev")


def test_a_build_never_touches_the_default_store_and_keeps_the_package_cache() -> None:
    command = store.build_command(IMAGES, "worker", Path("/src"), Path("/ca.crt"))
    assert command[command.index("--root") + 1] == "/c/img/store"
    assert "/c/uv:/root/.cache/uv" in command
    assert "/ca.crt:/ca.crt:ro" in command
    assert "--pull-never" in command


def test_a_base_image_of_ones_own_is_pulled() -> None:
    other = store.Images(Path("/c"), "dev", "registry.test/python:3.11")
    command = store.build_command(other, "worker", Path("/src"), None)
    assert "--pull" in command
    assert "BASE_IMAGE=registry.test/python:3.11" in command


def test_names_here_and_in_a_registry() -> None:
    assert IMAGES.name("operator") == "localhost/bucle-operator:dev"
    assert store.remote_name(IMAGES, "operator", "host:5000/team") == "host:5000/team/bucle-operator:dev"


@pytest.mark.parametrize(("wanted", "targets"), [((), store.TARGETS), (("store", "operator"), ("operator", "store"))])
def test_targets_are_all_or_those_named_in_build_order(wanted: tuple[str, ...], targets: tuple[str, ...]) -> None:
    assert store.chosen_targets(wanted) == targets


def test_an_unknown_image_is_refused_with_the_known_ones() -> None:
    with pytest.raises(Failure, match=r"no image nope; there are: operator, worker"):
        store.chosen_targets(["nope"])


def test_only_files_that_reach_an_image_change_its_fingerprint(tmp_path: Path) -> None:
    source = tmp_path / "operator" / "bucle"
    (source / "__pycache__").mkdir(parents=True)
    (source / "app.py").write_text("one")
    (tmp_path / "Dockerfile").write_text("FROM scratch")

    def now() -> str:
        return delivery.fingerprint(tmp_path, delivery.input_files(tmp_path), ["base"])

    before = now()
    (source / "__pycache__" / "app.pyc").write_text("compiled")
    (tmp_path / "README.md").write_text("words")
    assert now() == before
    (source / "app.py").write_text("two")
    assert now() != before
    assert delivery.fingerprint(tmp_path, delivery.input_files(tmp_path), ["other base"]) != now()
