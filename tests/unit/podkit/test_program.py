"""The frame of a program, run as the process it is: task file in, termination message and exit code out."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pytest

from bucle.contracts.names import RESULT_LIMIT_BYTES
from bucle.contracts.result import (
    ChampionResult,
    ColumnResult,
    DataResult,
    Estimate,
    EvaluateResult,
    FailedExpectation,
    Failure,
    FinalResult,
    LabelledResult,
    Result,
    ServedResult,
    SignalResult,
    WindowResult,
)
from bucle.contracts.table import Column
from bucle.podkit.frames import model_frame
from bucle.podkit.program import ProgramError, failure_of, termination_message

OPERATOR = Path(__file__).parents[3] / "operator"
EXAMPLE = Path(__file__).parents[3] / "docs" / "contracts" / "examples" / "task.trial.json"

ANSWERS = """
from bucle.contracts.result import TrialResult
from bucle.podkit.program import main, ProgramError
def run(task): {body}
raise SystemExit(main("train", run))
"""


def start(tmp_path: Path, body: str, *, task: bytes | None = None, sha256: str | None = None) -> subprocess.Popen[str]:
    text = EXAMPLE.read_bytes() if task is None else task
    (tmp_path / "task.json").write_bytes(text)
    environment = {
        **os.environ,
        "PYTHONPATH": str(OPERATOR),
        "BUCLE_TASK_PATH": str(tmp_path / "task.json"),
        "BUCLE_TERMINATION_PATH": str(tmp_path / "message"),
        "BUCLE_TASK_SHA256": sha256 or hashlib.sha256(text).hexdigest(),
    }
    command = [sys.executable, "-c", ANSWERS.format(body=body)]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def outcome(tmp_path: Path, process: subprocess.Popen[str]) -> tuple[int, Result, str]:
    _, stderr = process.communicate(timeout=30)
    return process.returncode, Result.from_json((tmp_path / "message").read_text()), stderr


def test_a_program_that_works_answers_with_its_part(tmp_path: Path) -> None:
    body = 'return {"trial": TrialResult(metrics={"log_loss": "0.5"}, rows=task.index, seconds="1")}'
    code, result, _ = outcome(tmp_path, start(tmp_path, body))
    assert (code, result.failure) == (0, None)
    assert result.trial is not None and result.trial.metrics == {"log_loss": "0.5"}
    assert result.task_sha256 == hashlib.sha256(EXAMPLE.read_bytes()).hexdigest()


@pytest.mark.parametrize(
    ("body", "code", "reason", "words"),
    [
        ('raise ProgramError(75, "StoreUnavailable", "no answer")', 75, "StoreUnavailable", "no answer"),
        ('raise ProgramError(3, "BadParameters", "depth")', 3, "BadParameters", "depth"),
        ('raise KeyError("x")', 1, "ProgramFailed", "KeyError: 'x'"),
    ],
)
def test_a_failure_names_its_reason_and_keeps_the_traceback_in_the_log(
    tmp_path: Path, body: str, code: int, reason: str, words: str
) -> None:
    found, result, stderr = outcome(tmp_path, start(tmp_path, body))
    assert result.failure is not None
    assert (found, result.failure.reason, result.failure.message) == (code, reason, words)
    assert "Traceback" in stderr


def test_an_altered_task_is_not_believed(tmp_path: Path) -> None:
    code, result, _ = outcome(tmp_path, start(tmp_path, "return {}", sha256="0" * 64))
    assert code == 78 and result.failure is not None and "was altered" in result.failure.message


def test_an_unreadable_task_names_the_wrong_field(tmp_path: Path) -> None:
    process = start(tmp_path, "return {}", task=b'{"program": "train", "phase": "trial", "nme": "x"}')
    code, result, _ = outcome(tmp_path, process)
    assert code == 78 and result.failure is not None and "name: Field required" in result.failure.message


def test_sigterm_ends_it_at_once_even_inside_native_code(tmp_path: Path) -> None:
    # time.sleep goes on after a signal whose handler returns, as a long fit does.
    process = start(tmp_path, 'import sys, time; print("in", flush=True); time.sleep(30)')
    assert process.stdout is not None and process.stdout.readline() == "in\n"
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=5) == 143
    process.communicate()
    assert not (tmp_path / "message").exists()


def test_failed_expectations_that_do_not_fit_are_counted() -> None:
    failed = tuple(
        FailedExpectation(
            name=f"rule-{i:050d}", dimension="Accuracy", severity="Error", observed="1", limit="0", rows=1
        )
        for i in range(100)
    )
    data = DataResult(
        digest="d",
        accepted=False,
        rows=1,
        bytes=1,
        location="l",
        splits={},
        quality={},
        source_revision="r",
        failed=failed,
    )
    text = termination_message(Result(program="data", task_sha256="0" * 64, data=data))
    shown = Result.from_json(text).data
    assert len(text) <= RESULT_LIMIT_BYTES and shown is not None
    assert 0 < len(shown.failed) < 100 and len(shown.failed) + shown.failed_more == 100


def test_long_texts_are_cut_to_fit() -> None:
    champion = ChampionResult(version="1", state="Incompatible", message="é" * 3000)
    estimate = Estimate(metric="m", value="1", standard_error="1", groups=5, rows=5)
    final = FinalResult(metrics={}, out_of_fold=estimate, uri="u", digest="d", schema_digest="s", champion=champion)
    assert len(termination_message(Result(program="train", task_sha256="", final=final))) <= RESULT_LIMIT_BYTES
    failure = Failure(reason="ProgramFailed", message="é" * 3000)
    assert len(termination_message(Result(program="train", task_sha256="", failure=failure))) <= RESULT_LIMIT_BYTES


def test_windows_that_do_not_fit_are_left_for_the_next_run_and_one_window_always_fits() -> None:
    def of(windows: int, signals: int, *, fails: bool = True) -> Result:
        cannot = Failure(reason="UnknownColumn", message="é" * 1000)
        bad = SignalResult(name="b" * 63, failure=cannot)
        good = tuple(
            SignalResult(name=f"{n:02d}" + "s" * 61, value="0.123456789", standard_error="0.0123456789", groups=1000)
            for n in range(signals - 1)
        )
        moment = "2026-01-01T00:00:00.123456+00:00"
        one = WindowResult(index=0, first=moment, last=moment, rows=10_000_000, signals=(*good, bad) if fails else good)
        found = tuple(one.model_copy(update={"index": index}) for index in range(windows))
        looked = LabelledResult(windows=found, rows=10**9)
        return Result(program="evaluate", task_sha256="0" * 64, evaluate=EvaluateResult(labelled=looked))

    text = termination_message(of(20, 16))
    assert len(text) <= RESULT_LIMIT_BYTES
    told = Result.from_json(text).evaluate
    assert told is not None and told.labelled is not None
    assert [window.index for window in told.labelled.windows] == [0] and told.labelled.more
    few = Result.from_json(termination_message(of(20, 3, fails=False))).evaluate
    assert few is not None and few.labelled is not None and len(few.labelled.windows) > 1, "and as many as do are told"


def test_a_window_of_many_signals_on_columns_fits_whatever_they_are_called() -> None:
    column = ColumnResult(column="é" * 128, question="OutOfRange", value="0.123456", limit="0.123456")
    codes = tuple(f"{n:06x}" for n in range(32))
    signals = tuple(
        SignalResult(
            name=f"{n:02d}" + "s" * 61, verdict="Inconclusive", value="0.123456", limit="0.123456",
            message="é" * 500, columns=(column,) * 5, breached=codes,
        )
        for n in range(16)
    )  # fmt: skip
    moment = "2026-01-01T00:00:00.123456+00:00"
    windows = (WindowResult(index=0, first=moment, last=moment, rows=10_000_000, signals=signals),)
    looked = EvaluateResult(served=ServedResult(windows=windows, rows=10**9), uri="s3://" + "b" * 1000)
    text = termination_message(Result(program="evaluate", task_sha256="0" * 64, evaluate=looked))
    assert len(text) <= RESULT_LIMIT_BYTES
    told = Result.from_json(text).evaluate
    assert told is not None and told.served is not None
    assert [(s.name, s.verdict) for s in told.served.windows[0].signals] == [(s.name, s.verdict) for s in signals]


def test_reasons_for_rows_left_out_never_cost_the_result_and_their_sum_stays() -> None:
    left_out = {f"{'é' * 120}{at} out_of_range": at + 1 for at in range(10)}
    data = DataResult(
        digest="d",
        accepted=True,
        rows=1,
        bytes=1,
        location="l",
        splits={},
        quality={},
        source_revision="r",
        set_aside=left_out,
    )
    text = termination_message(Result(program="data", task_sha256="0" * 64, data=data))
    shown = Result.from_json(text).data
    assert len(text) <= RESULT_LIMIT_BYTES and shown is not None
    assert sum(shown.set_aside.values()) == 55 and "other reasons" in shown.set_aside


def test_of_an_error_inside_our_programs_no_value_leaves_the_pod() -> None:
    column = Column(name="mail", type="Number")
    with pytest.raises(Exception, match=r"anna@example\.org") as caught:
        model_frame(pa.table({"mail": ["anna@example.org"]}), [column])
    code, failure = failure_of(caught.value)
    assert code == 1 and "anna" not in failure.message and " at bucle.podkit.frames:" in failure.message


def test_of_a_foreign_error_one_line_leaves_the_pod() -> None:
    code, failure = failure_of(ValueError("two\nlines " + "x" * 5000))
    assert code == 1 and failure.message.startswith("ValueError: two lines") and len(failure.message) <= 1000
    assert failure_of(ProgramError(78, "WrongType", "why")) == (78, Failure(reason="WrongType", message="why"))
