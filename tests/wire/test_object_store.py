"""The store against a real S3 server: how many requests a read costs, torn reads, and each refusal in its own words."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.support.fakes.object_store import Asked, ObjectStore, object_store

from bucle.contracts.table import Column, TableSchema, Target
from bucle.contracts.task import Csv, SourceItem, UriSource
from bucle.podkit import globs, store
from bucle.podkit.program import ProgramError
from bucle.pods.data.sources import read_sources


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ObjectStore]:
    with object_store(tmp_path_factory.mktemp("store")) as found:
        yield found


@pytest.fixture
def bucket(running: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> ObjectStore:
    for name, value in running.environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("AWS_SESSION_TOKEN", raising=False)
    running.forget()
    return running


def test_an_object_is_written_and_read_with_one_body_each(bucket: ObjectStore) -> None:
    data = bytes(range(256)) * 12_000
    store.write_bytes("s3://bucket/big", data)
    assert [str(asked) for asked in bucket.asked] == ["PUT /bucket/big"]
    assert "aws-chunked" not in bucket.asked[0].headers.get("content-encoding", "")
    bucket.forget()
    assert store.read_bytes("s3://bucket/big") == data
    assert (bucket.count("GET"), bucket.count("HEAD")) == (1, 1)


def test_a_source_that_is_replaced_while_it_is_read_is_read_again(bucket: ObjectStore) -> None:
    old, new = b"old," * 100_000, b"newer," * 100_000
    store.write_bytes("s3://bucket/source.csv", old)
    bucket.forget()
    replaced: list[bool] = []

    def replace(asked: Asked) -> None:
        if asked.method == "GET" and not replaced:
            replaced.append(True)
            store.write_bytes("s3://bucket/source.csv", new)

    bucket.before = replace
    data, state = store.read_unchanged("s3://bucket/source.csv")
    assert data == new and replaced
    assert store.read_unchanged("s3://bucket/source.csv") == (new, state)


def test_a_version_is_never_made_of_two_states_of_a_source(bucket: ObjectStore) -> None:
    """A nightly export replaced the file while it was fetched: the version held half of either night."""
    rows = 50_000

    def night(number: int) -> bytes:
        return ("night,late\n" + "".join(f"{number},{n % 2}\n" for n in range(number * rows))).encode()

    store.write_bytes("s3://bucket/nights.csv", night(1))
    bucket.forget()
    replaced: list[bool] = []

    def replace(asked: Asked) -> None:
        if str(asked).startswith("GET /bucket/nights.csv") and not replaced:
            replaced.append(True)
            store.write_bytes("s3://bucket/nights.csv", night(2))

    bucket.before = replace
    schema = TableSchema(
        target=Target(name="late", task="Binary", positive="1"), columns=(Column(name="night", type="Integer"),)
    )
    source = SourceItem(uri=UriSource(location="s3://bucket/nights.csv", csv=Csv()))
    nights = read_sources([source], schema).table.column("night").to_pylist()
    assert nights == [2] * (2 * rows) and replaced


def test_a_source_that_never_rests_is_tried_later(bucket: ObjectStore) -> None:
    written = [0]

    def replace(asked: Asked) -> None:
        if asked.method == "GET":
            written[0] += 1
            store.write_bytes("s3://bucket/restless.csv", b"x" * written[0])

    store.write_bytes("s3://bucket/restless.csv", b"0")
    bucket.before = replace
    with pytest.raises(ProgramError) as caught:
        store.read_unchanged("s3://bucket/restless.csv")
    assert (caught.value.exit_code, caught.value.reason) == (75, "SourceChanged")


@pytest.mark.parametrize("act", [store.list_files, store.list_folders, store.exists, store.read_bytes])
def test_a_bucket_that_is_not_there_is_never_one_without_objects(bucket: ObjectStore, act: object) -> None:
    assert callable(act)
    with pytest.raises(ProgramError) as caught:
        act("s3://no-such-bucket/folder")
    assert (caught.value.reason, caught.value.exit_code) == ("BucketMissing", 78)
    assert store.list_files("s3://bucket/nothing-here") == []


def test_folders_and_patterns_cost_one_listing(bucket: ObjectStore) -> None:
    for day in (1, 2):
        store.write_bytes(f"s3://bucket/days/day={day}/a.parquet", b"x")
    bucket.forget()
    assert [file.uri for file in globs.find("s3://bucket/days/**", (".parquet",))] == [
        f"s3://bucket/days/day={day}/a.parquet" for day in (1, 2)
    ]
    assert len(bucket.asked) == 1
    assert store.list_folders("s3://bucket/days") == ["day=1", "day=2"]


def test_refused_credentials_are_told_in_the_stores_words_without_the_credentials(
    bucket: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "another-secret")
    with pytest.raises(ProgramError) as caught:
        store.write_bytes("s3://bucket/x", b"x")
    assert caught.value.reason == "AccessDenied" and "another-secret" not in caught.value.message
    assert "SIGNATURE_DOES_NOT_MATCH" in caught.value.message


def test_a_session_token_is_sent(bucket: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SESSION_TOKEN", "a-session-token")
    with pytest.raises(ProgramError):  # this store gave out no such token
        store.read_bytes("s3://bucket/x")
    assert {asked.headers.get("x-amz-security-token") for asked in bucket.asked} == {"a-session-token"}


@pytest.mark.parametrize(
    ("endpoint", "words"),
    [
        ("store:8333", "it has no scheme"),
        ("ftp://store:8333", "its scheme is another"),
        ("http://store:8333/s3/", "it has a path"),
        ("http://user:hidden@store:8333", "it holds a user name"),
        ("https://", "it names no host"),
    ],
)
def test_an_endpoint_that_is_none_is_told_with_the_rule(
    monkeypatch: pytest.MonkeyPatch, endpoint: str, words: str
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", endpoint)
    with pytest.raises(ProgramError) as caught:
        store.read_bytes("s3://bucket/x")
    assert (caught.value.exit_code, caught.value.reason) == (75, "StoreUnavailable")
    assert words in caught.value.message and "http://host:port" in caught.value.message
    assert "hidden" not in caught.value.message
