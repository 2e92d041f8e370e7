"""What a person reads of MLflow's errors: the sentence, never the statement, its parameters or what we wrote."""

from __future__ import annotations

import pytest

from bucle.externals.registry.words import LIMIT, own_sentence

VALUE = "ml/flights: 0.8123 over 0.79, minimum 0.75"
TAG = {"name": "ml.flights", "version": "3", "key": "bucle.dev/outcome", "value": VALUE}
RUN = {"run_id": "abc", "params": [{"key": "depth", "value": "seventeen"}], "tags": [{"key": "k", "value": VALUE}]}

SQLITE = f"""(sqlite3.OperationalError) attempt to write a readonly database
[SQL: INSERT INTO model_version_tags (name, version, "key", value) VALUES (?, ?, ?, ?)]
[parameters: ('ml.flights', 3, 'bucle.dev/outcome', '{VALUE}')]
(Background on this error at: https://sqlalche.me/e/20/e3q8)"""
POSTGRES = f"""(psycopg2.errors.DiskFull) could not extend file "base/16384/16400": No space left on device
HINT:  Check free disk space.

[SQL: UPDATE model_version_tags SET value=%(value)s WHERE model_version_tags.name = %(name)s]
[parameters: {{'value': '{VALUE}', 'name': 'ml.flights'}}]
(Background on this error at: https://sqlalche.me/e/20/e3q8)"""
UNIQUE = f"""(psycopg2.errors.UniqueViolation) duplicate key value violates unique constraint "tag_pk"
DETAIL:  Key (key, value)=(bucle.dev/outcome, {VALUE}) already exists.
"""
MYSQL = f"""(pymysql.err.IntegrityError) (1062, "Duplicate entry 'depth-{VALUE}' for key 'params.PRIMARY'")
[SQL: INSERT INTO params (`key`, value, run_uuid) VALUES (%(key)s, %(value)s, %(run_uuid)s)]"""
ONE_LINE = f"(sqlite3.OperationalError) database is locked [SQL: INSERT INTO t VALUES (?)] [parameters: ('{VALUE}',)]"
CHANGED = (
    "Changing param values is not allowed. Param with key='depth' was already logged with value='eleven' "
    "for run ID='abc'. Attempted logging new value 'seventeen'."
)
BATCH = (
    "Changing param values is not allowed. Params were already logged='[{'key': 'depth', 'old_value': 'eleven', "
    "'new_value': 'seventeen'}]' for run ID='abc'."
)
TOO_LONG = (
    f"Invalid value \"{VALUE}\\nand more\" for parameter 'tags[0].value' supplied: exceeds the maximum length of 8000"
)
LOGIN = (
    'connection to server at "db" (10.0.0.1), port 5432 failed: FATAL:  no room\n\tIs the server running on that host?'
)
URL = "Could not parse postgresql://mlflow:hunter2@db/mlflow"
TRACEBACK = "Traceback (most recent call last):\n  File \"x.py\", line 1, in y\nKeyError: 'tags'"
GATEWAY = "<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n<hr><center>nginx</center>\r\n</body>"


@pytest.mark.parametrize(
    ("message", "sentence"),
    [
        (SQLITE, "(sqlite3.OperationalError) attempt to write a readonly database"),
        (POSTGRES, '(psycopg2.errors.DiskFull) could not extend file "base/16384/16400": No space left on device'),
        (UNIQUE, '(psycopg2.errors.UniqueViolation) duplicate key value violates unique constraint "tag_pk"'),
        (MYSQL, "(pymysql.err.IntegrityError) (1062, \"Duplicate entry … for key 'params.PRIMARY'\")"),
        (ONE_LINE, "(sqlite3.OperationalError) database is locked"),
        (
            CHANGED,
            "Changing param values is not allowed. Param with key='depth' was already logged with value=… "
            "for run ID='abc'. Attempted logging new value ….",
        ),
        (
            BATCH,
            "Changing param values is not allowed. Params were already logged='[{'key': 'depth', 'old_value': …, "
            "'new_value': …}]' for run ID='abc'.",
        ),
        (TOO_LONG, "Invalid value for parameter 'tags[0].value' supplied: exceeds the maximum length of 8000"),
        (
            "Invalid value \"a/b\" for parameter 'name' supplied: Names may be treated as files",
            "Invalid value \"a/b\" for parameter 'name' supplied: Names may be treated as files",
        ),
        (LOGIN, 'connection to server at "db" (10.0.0.1), port 5432 failed: FATAL:  no room'),
        (URL, "Could not parse postgresql://…@db/mlflow"),
        ('invalid input syntax for type integer: "seventeen"', "invalid input syntax for type integer: …"),
        (TRACEBACK, "KeyError: 'tags'"),
        (GATEWAY, "502 Bad Gateway"),
        (f"cannot take {VALUE} as a tag", "cannot take … as a tag"),
        (
            "Model Version (name=ml.flights, version=3) not found",
            "Model Version (name=ml.flights, version=3) not found",
        ),
        ("", ""),
        (" \n", ""),
    ],
)
def test_the_sentence_is_told_and_neither_statement_nor_values(message: str, sentence: str) -> None:
    for body in (TAG, RUN):
        found = own_sentence(message, body)
        assert VALUE not in found
        assert "hunter2" not in found
        assert not {"SQL:", "parameters:", "sqlalche.me"} & set(found.split())
    assert own_sentence(message, RUN) == sentence


def test_a_sentence_without_end_is_cut() -> None:
    assert len(own_sentence("x" * 10_000)) == LIMIT
