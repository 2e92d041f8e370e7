"""The frame of every program in a pod: task in, one termination message and one exit code out.

May know the contracts and the process it runs in; knows nothing of data, models or the store.
"""

from __future__ import annotations

import hashlib
import logging
import os
import signal
import sys
import threading
import traceback
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from bucle.contracts import exits, names
from bucle.contracts.result import (
    ChampionResult,
    DataResult,
    EvaluateResult,
    Failure,
    LabelledResult,
    Result,
    ServedResult,
    SignalResult,
    WindowResult,
)
from bucle.contracts.task import parse_task

ENV_TASK_PATH = "BUCLE_TASK_PATH"
ENV_TERMINATION_PATH = "BUCLE_TERMINATION_PATH"
USER_ERROR = 1
MESSAGE_LIMIT = 1000
OURS = "bucle."
OTHER_REASONS = "other reasons"
TERMINATED = 128 + signal.SIGTERM

log = logging.getLogger("bucle")

Message = TypeVar("Message", Failure, ChampionResult)

Part = dict[str, Any]
"""The program's own part of a Result, such as {"data": DataResult(...)}."""


class ProgramError(Exception):
    """A failure we understand: `reason` is of the closed list, `message` says what was tried, on what, what to do."""

    def __init__(self, exit_code: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.exit_code = exit_code
        self.reason = reason
        self.message = message


def bad_configuration(reason: str, message: str) -> ProgramError:
    """No attempt can work until a person changes something."""
    return ProgramError(exits.BAD_CONFIGURATION, reason, message)


def end_on_sigterm() -> None:
    """Ends the process at SIGTERM, also while native code runs.

    As PID 1 a process has no default action for SIGTERM, and a Python handler waits until native code returns to
    the main thread; a thread that waits for the signal does neither.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})

    def wait() -> None:
        signal.sigwait({signal.SIGTERM})
        os._exit(TERMINATED)

    threading.Thread(target=wait, name="sigterm", daemon=True).start()


def read_task(program: str) -> tuple[Any, str]:
    """The verified task document and its sha256; raises ProgramError (78) when it is missing, altered or unreadable."""
    path = Path(os.environ.get(ENV_TASK_PATH, names.TASK_PATH))
    try:
        text = path.read_bytes()
    except OSError as error:
        raise bad_configuration("ProgramFailed", f"cannot read the task at {path}: {error.strerror}") from error
    found, wanted = hashlib.sha256(text).hexdigest(), os.environ.get(names.ENV_TASK_SHA256, "")
    if found != wanted:
        raise bad_configuration(
            "ProgramFailed",
            f"the task at {path} has sha256 {found}, but {names.ENV_TASK_SHA256} says {wanted or 'nothing'}: "
            "it was altered after the pod was made; delete the pod's Job",
        )
    try:
        return parse_task(program, text), found
    except ValidationError as error:
        where = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()[:3])
        raise bad_configuration(
            "ProgramFailed", f"the task of {program} is not of this version: {where}; use one release of all images"
        ) from error


def failure_of(error: BaseException) -> tuple[int, Failure]:
    """Exit code and failure for an exception: ours say themselves. Of one that was raised by what our programs call,
    only the type and our line leave the pod: its text quotes values of rows. The pod's log has the whole text."""
    if isinstance(error, ProgramError):
        return error.exit_code, Failure(reason=error.reason, message=_cut(error.message))
    frames = [(frame.f_globals.get("__name__", ""), line) for frame, line in traceback.walk_tb(error.__traceback__)]
    text = " ".join(str(error).split())
    if frames and frames[-1][0] != "__main__":
        places = [f" at {module}:{line}" for module, line in frames if module.startswith(OURS)]
        text = f"raised{places[-1] if places else ''}; the pod's log has its text and how it came about"
    return USER_ERROR, Failure(reason="ProgramFailed", message=_cut(f"{type(error).__name__}: {text}"))


def termination_message(result: Result) -> str:
    """The result as it fits the contract's limit: trailing list entries give way to a count, then texts are cut."""
    while True:
        try:
            return result.message()
        except ValueError:
            smaller = _smaller(result)
            if smaller == result:
                raise
            result = smaller


def main(program: str, run: Callable[[Any], Part]) -> int:
    """Runs one program to its end and returns the exit code; never raises."""
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    end_on_sigterm()
    sha256 = os.environ.get(names.ENV_TASK_SHA256, "")
    try:
        task, sha256 = read_task(program)
        result, code = Result(program=program, task_sha256=sha256, **run(task)), exits.OK
    except Exception as error:  # noqa: BLE001 the frame is the one place where any error becomes an answer
        traceback.print_exc(file=sys.stderr)
        code, failure = failure_of(error)
        result = Result(program=program, task_sha256=sha256, failure=failure)
    path = Path(os.environ.get(ENV_TERMINATION_PATH, names.TERMINATION_PATH))
    path.write_text(termination_message(result), encoding="ascii")
    return code


def _cut(text: str, limit: int = MESSAGE_LIMIT) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _smaller(result: Result) -> Result:
    if result.data is not None and result.data.failed:
        data = result.data.model_copy(
            update={"failed": result.data.failed[:-1], "failed_more": result.data.failed_more + 1}
        )
        return result.model_copy(update={"data": data})
    if result.data is not None and len(result.data.set_aside) > 1:
        return result.model_copy(update={"data": _fewer_reasons(result.data)})
    if result.evaluate is not None:
        return result.model_copy(update={"evaluate": _fewer_windows(result.evaluate)})
    if result.failure is not None:
        return result.model_copy(update={"failure": _shorter(result.failure)})
    champion = result.final.champion if result.final is not None else None
    if result.final is not None and champion is not None:
        return result.model_copy(update={"final": result.final.model_copy(update={"champion": _shorter(champion)})})
    return result


def _fewer_reasons(data: DataResult) -> DataResult:
    """The rarest reason gives way to a sum: how many rows were left out is never lost."""
    named = Counter({reason: count for reason, count in data.set_aside.items() if reason != OTHER_REASONS})
    rarest, count = named.most_common()[-1]
    del named[rarest]
    others = data.set_aside.get(OTHER_REASONS, 0) + count
    return data.model_copy(update={"set_aside": {**dict(named.most_common()), OTHER_REASONS: others}})


def _fewer_windows(told: EvaluateResult) -> EvaluateResult:
    """Windows are closed oldest first, so the ones cut here are found again by the next run; then texts are cut, and
    columns, all of which are in the stored result."""
    sorts: dict[str, LabelledResult | ServedResult | None] = {"labelled": told.labelled, "served": told.served}
    looked = {of: found for of, found in sorts.items() if found is not None and found.windows}
    if not looked:
        return told
    most = max(looked, key=lambda of: len(looked[of].windows))
    windows = looked[most].windows
    if len(windows) > 1:
        return told.model_copy(update={most: looked[most].model_copy(update={"windows": windows[:-1], "more": True})})
    shorter = told.model_copy(
        update={
            of: found.model_copy(update={"windows": _shorter_windows(found.windows)}) for of, found in looked.items()
        }
    )
    return shorter if shorter != told else _without_values(told, looked)


def _without_values(told: EvaluateResult, looked: Mapping[str, LabelledResult | ServedResult]) -> EvaluateResult:
    """What is left when names alone fill the message: the verdicts, and numbers that the stored result has too."""
    if told.uri is not None:
        return told.model_copy(update={"uri": None})
    bare = {
        of: found.model_copy(
            update={
                "windows": tuple(
                    window.model_copy(update={"signals": tuple(s.model_copy(update=_bare(s)) for s in window.signals)})
                    for window in found.windows
                )
            }
        )
        for of, found in looked.items()
    }
    return told.model_copy(update=bare)


def _bare(signal: SignalResult) -> dict[str, None]:
    return {"value": None, "limit": None} if signal.verdict is not None else {}


def _shorter_windows(windows: tuple[WindowResult, ...]) -> tuple[WindowResult, ...]:
    return tuple(
        window.model_copy(update={"signals": tuple(_in_fewer_words(signal) for signal in window.signals)})
        for window in windows
    )


def _in_fewer_words(signal: SignalResult) -> SignalResult:
    """A failure keeps its reason, a breach at least one column's code."""
    message, breached = signal.message or "", signal.breached or ()
    return signal.model_copy(
        update={
            "failure": _shorter(signal.failure) if signal.failure is not None else None,
            "message": message[: len(message) // 2] or None,
            "columns": (signal.columns or ())[:-1] or None,
            "breached": breached[: max(len(breached) // 2, 1)] or None,
        }
    )


def _shorter(document: Message) -> Message:
    return document.model_copy(update={"message": document.message[: len(document.message) // 2]})
