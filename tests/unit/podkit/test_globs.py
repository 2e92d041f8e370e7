"""Which objects a location means, and what their paths say of the rows."""

from __future__ import annotations

from pathlib import Path

import pytest

from bucle.podkit import globs
from bucle.podkit.program import ProgramError

FILES = (
    "one.parquet",
    "two.parquet",
    "two.csv",
    "_SUCCESS",
    "day=2026-01-01/a.parquet",
    "day=2026-01-01/.a.parquet.part",
    "day=2026-01-02/b.parquet",
    "day=2026-01-02/hour=07/c.parquet",
    "_temporary/d.parquet",
)


@pytest.fixture
def root(tmp_path: Path) -> str:
    for name in FILES:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    return f"file://{tmp_path}"


ALL = ("day=2026-01-01/a", "day=2026-01-02/b", "day=2026-01-02/hour=07/c", "one", "two")


@pytest.mark.parametrize(
    ("location", "found"),
    [
        ("one.parquet", ("one",)),
        ("*.parquet", ("one", "two")),
        ("", ALL),
        ("/", ALL),
        ("**", ALL),
        ("**/*.parquet", ALL),
        ("day=*/*.parquet", ("day=2026-01-01/a", "day=2026-01-02/b")),
        ("day=*/", ("day=2026-01-01/a", "day=2026-01-02/b", "day=2026-01-02/hour=07/c")),
        ("day=2026-01-0[2-9]/**", ("day=2026-01-02/b", "day=2026-01-02/hour=07/c")),
        ("day=2026-01-02", ("day=2026-01-02/b", "day=2026-01-02/hour=07/c")),
        ("**/hour=07/?.parquet", ("day=2026-01-02/hour=07/c",)),
    ],
)
def test_a_name_a_pattern_and_a_folder_mean_these_files(root: str, location: str, found: tuple[str, ...]) -> None:
    files = globs.find(f"{root}/{location}" if location else root, (".parquet",))
    assert tuple(file.uri.removeprefix(f"{root}/").removesuffix(".parquet") for file in files) == found


@pytest.mark.parametrize("location", ["three.parquet", "day=*", "empty/", "**/*.orc"])
def test_nothing_there_is_told_with_the_rule(root: str, location: str) -> None:
    with pytest.raises(ProgramError) as caught:
        globs.find(f"{root}/{location}", (".parquet",))
    assert (caught.value.exit_code, caught.value.reason) == (78, "SourceMissing")
    assert "`**` of any number, a folder means all its .parquet files" in caught.value.message


def test_folders_named_as_columns_say_their_values() -> None:
    uri = "s3://b/raw/day=2026-01-01/store=a%2Fb/zone=__HIVE_DEFAULT_PARTITION__/x=1.parquet"
    assert globs.partitions(uri) == {"day": "2026-01-01", "store": "a/b", "zone": None}
