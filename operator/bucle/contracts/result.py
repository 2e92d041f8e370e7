"""What a pod answers: one ASCII JSON document of at most 3 KiB, written as the container's termination message."""

from __future__ import annotations

from typing import Literal

from bucle.contracts.base import DecimalText, Document
from bucle.contracts.canonical import canonical_json
from bucle.contracts.coverage import Coverage
from bucle.contracts.names import RESULT_LIMIT_BYTES
from bucle.contracts.uncounted import SetAsideBatch


class Failure(Document):
    """`reason` is from the closed list in `reasons`; `message` says what was tried, on what, and what to do."""

    reason: str
    message: str


class SplitResult(Document):
    rows: int
    digest: str


class FailedExpectation(Document):
    """Counts only: values can be personal data."""

    name: str
    dimension: str
    severity: str
    observed: str
    limit: str
    rows: int


class DataResult(Document):
    """`accepted` is false when an expectation of severity Error failed; the files are written all the same.

    `failed_more` counts failed expectations that did not fit the message. `set_aside`: rows and files that were read
    and left out, by reason, such as `hour out_of_range` or `late null`.
    """

    digest: str
    accepted: bool
    rows: int
    bytes: int
    location: str
    splits: dict[str, SplitResult]
    quality: dict[str, DecimalText]
    source_revision: str
    failed: tuple[FailedExpectation, ...] = ()
    failed_more: int = 0
    set_aside: dict[str, int] = {}


class TrialResult(Document):
    metrics: dict[str, DecimalText]
    rows: int
    seconds: DecimalText


class GroupShape(Document):
    """What groups look like beside their mean and spread: `lag`, how much neighbours are alike (freed of its bias); `skew`;
    `kish`, groups of equal size that would weigh the same. See `bucle.statistics.evidence.Standing`."""

    lag: DecimalText
    skew: DecimalText
    kish: DecimalText


class Estimate(Document):
    """A mean with its standard error, taken over groups of rows that hang together. `shape`: of an older model unknown."""

    metric: str
    value: DecimalText
    standard_error: DecimalText
    groups: int
    rows: int
    shape: GroupShape | None = None


class ChampionResult(Document):
    """`difference` is challenger minus champion, as a loss (negative: the challenger is better), paired by row."""

    version: str
    state: Literal["Compared", "Incompatible", "Undecided"]
    message: str = ""
    on: Literal["Newest", "Test"] | None = None
    difference: DecimalText | None = None
    standard_error: DecimalText | None = None
    groups: int | None = None
    rows: int | None = None
    shape: GroupShape | None = None


class FinalResult(Document):
    """`metrics` are those of the test split; `out_of_fold` is the model's reference from now on.

    `question`: what the model answers (task, target, classes) in one line: only a model of the same may take its place.
    """

    metrics: dict[str, DecimalText]
    out_of_fold: Estimate
    uri: str
    digest: str
    schema_digest: str
    question: str = ""
    champion: ChampionResult | None = None


class ColumnResult(Document):
    """One column that is beyond its limit, by the question of `findings`."""

    column: str
    question: str
    value: DecimalText
    limit: DecimalText


class SignalResult(Document):
    """One signal on one window: its value, or why there is none. Without a standard error there were too few groups.
    `kish`: groups of equal size that would weigh the same.

    Metrics are judged by the operator. What is said of columns is said here: `verdict` with its words, the `columns`
    farthest beyond their limit, and `breached`, the codes of all that are, where drift is the same column again.
    """

    name: str
    value: DecimalText | None = None
    standard_error: DecimalText | None = None
    groups: int | None = None
    kish: DecimalText | None = None
    failure: Failure | None = None
    verdict: Literal["Healthy", "Breached", "Inconclusive", "NoData"] | None = None
    limit: DecimalText | None = None
    message: str | None = None
    columns: tuple[ColumnResult, ...] | None = None
    breached: tuple[str, ...] | None = None


class WindowResult(Document):
    """One full window: `first` and `last` are the received times of its first and last row."""

    index: int
    first: str
    last: str
    rows: int
    signals: tuple[SignalResult, ...]


class LabelledResult(Document):
    """As many windows of labelled rows as fit (`more` says that there are others), at most 20; `rows` counts all such
    rows so far.

    Of what came since the last window: `ungrouped` rows have no group, `misdated` ones are dated so much later
    than they were received that the date is wrong, `unjoined` labels belong to no answer, and
    `unreadable` are labels of no class, or answers that do not fit their model. `flooded` and `uniform` are labels of
    batches that are set aside, of which `batches` are the newest, and `antedated` ones say that they were known before
    their answer was given; `corrected` rows of judged windows have another label by now. `coverage`: of which answers
    the truth is known. `waiting`: labels of the hour that is under way, which are judged when it is over.
    """

    windows: tuple[WindowResult, ...]
    rows: int
    more: bool = False
    waiting: int = 0
    ungrouped: int = 0
    misdated: int = 0
    unjoined: int = 0
    unreadable: int = 0
    flooded: int = 0
    uniform: int = 0
    antedated: int = 0
    corrected: int = 0
    batches: tuple[SetAsideBatch, ...] = ()
    coverage: Coverage | None = None


class ServedResult(Document):
    """As many windows of served rows as fit, as in `LabelledResult`."""

    windows: tuple[WindowResult, ...]
    rows: int
    more: bool = False


class EvaluateResult(Document):
    """What a look found; `uri`: where all of it lies, every column included."""

    labelled: LabelledResult | None = None
    served: ServedResult | None = None
    uri: str | None = None


class Result(Document):
    """Exactly one of failure and a program's own part."""

    version: Literal["v1"] = "v1"
    program: str
    task_sha256: str
    failure: Failure | None = None
    data: DataResult | None = None
    trial: TrialResult | None = None
    final: FinalResult | None = None
    evaluate: EvaluateResult | None = None

    def message(self) -> str:
        """The termination message; raises ValueError when it would be cut by the kubelet."""
        text = canonical_json(self.as_json())
        if len(text) > RESULT_LIMIT_BYTES:
            raise ValueError(f"a result must fit {RESULT_LIMIT_BYTES} bytes, this one has {len(text)}")
        return text
