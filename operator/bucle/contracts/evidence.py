"""What the judge offers while a rollout runs: cumulative sums per group, from which any look is valid."""

from __future__ import annotations

from bucle.contracts.base import Document
from bucle.contracts.task import Mix
from bucle.contracts.uncounted import SetAsideBatch


class Query(Document):
    """What the operator asks for; the judge echoes it, so an answer to an older question is seen as such.

    `percent`: the share of requests that is copied. Below 100 nobody can tell a lost copy from one that was never
    made, so missing answers are counted but not charged. `sample_percent`: the share of its answers that the candidate
    keeps; an answer outside of it is not missing.
    """

    rollout: str
    step: int
    started_at: str
    stable: str
    candidate: str
    percent: int = 100
    sample_percent: int = 100


class ClassSums(Document):
    """The part of a group's rows whose true class is this one; letters as in `GroupSums`."""

    n: int
    x: float
    p: float


class GroupSums(Document):
    """One closed group of labelled, paired rows. Losses are per-row losses of the metric (smaller is better).

    n: pairs; x: Σ(candidate − stable); p: Σ(candidate − constant predictor); c: Σ candidate; s: Σ stable. `classes`: of
    the true classes that a declared mix asks for.
    """

    group: str
    n: int
    x: float
    p: float
    c: float
    s: float
    classes: dict[str, ClassSums] = {}


class ReferenceDays(Document):
    """What the days were like that a mix names: labelled rows that this deployment answered before the step began, whoever
    answered them. Taken once and then kept: they are the question, and labels that come late do not change it.

    `first`, `last`: the days found, `days` of them; `hardness`: Σ of the constant predictor's loss; `positives`: rows of
    the positive class. `share_of`: that class in words, where the target is Binary, else empty.
    """

    first: str = ""
    last: str = ""
    days: int = 0
    rows: int = 0
    hardness: float = 0.0
    positives: int = 0
    share_of: str = ""


class Evidence(Document):
    """`incompatible`: why the candidate's answers cannot be compared with the stable version's, or empty. It is known
    as soon as both have written their references, before any request is copied; no group is given with it.

    `mix`: the mix that was asked for; `reference`: its days, if it names days; `classes`: those of the model.

    `missing`: labelled rows that stable answered and the candidate did not (or not yet, within `watermark`).

    A missing candidate answer is charged the constant predictor's loss, so losing rows never helps.
    `open_rows`: labelled pairs in groups that are not closed yet. `ungrouped`: those without a group, because the
    request did not send the column or capture left it out; `misdated`: those dated so much later than they were received
    that the date is wrong. `unjoined`: labels received since the rollout began that
    belong to no answer given since. `unreadable`: labels that are no class of the model or no usable number, and
    answers whose scores do not fit their model's classes. `flooded`, `uniform`: labels of batches that are set aside, of
    which `batches` are the newest; `antedated`: labels that say they were known before their answer was given.
    """

    query: Query
    metric: str
    watermark: str
    requests: int
    pairs: int
    labelled: int
    missing: int
    dropped: int
    open_rows: int
    ungrouped: int
    misdated: int = 0
    unjoined: int = 0
    unreadable: int = 0
    flooded: int = 0
    uniform: int = 0
    antedated: int = 0
    batches: tuple[SetAsideBatch, ...] = ()
    incompatible: str = ""
    groups: tuple[GroupSums, ...]
    mix: Mix | None = None
    reference: ReferenceDays | None = None
    classes: tuple[str, ...] = ()
