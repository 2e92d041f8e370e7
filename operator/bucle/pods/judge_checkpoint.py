"""What a judge keeps of a rollout: sums of an hour's rows, and what an hour's labels were about. Documents only.

Small and of fixed size whatever the traffic: rows are read once, and again only when something of their hour is new.
Each says of which files it was made, so that nothing is counted twice whoever is killed when.
"""

from __future__ import annotations

from bucle.contracts.base import Document
from bucle.contracts.evidence import GroupSums
from bucle.contracts.uncounted import SetAsideBatch


class Tally(Document):
    """Rows of one group in one hour; see `groups.over`. `last`: microseconds."""

    group: str
    hour: int
    ahead: bool
    rows: int
    last: int


class HourSums(Document):
    """One hour of rows that stable answered. `groups` holds all of them, open ones too.

    `files`: hash of the captured files, `labels`: of the feedback files with labels of its rows, that it was made of.
    `until`: up to when labels and copies were looked at; `last`: the last receipt of a row. `first_copy`: the receipt of
    the first copied answer in it; `copies_from`: that of the rollout, by which missing ones were told.
    """

    files: str
    labels: str
    until: str
    last: str = ""
    first_copy: str = ""
    copies_from: str = ""
    requests: int = 0
    pairs: int = 0
    labelled: int = 0
    missing: int = 0
    dropped: int = 0
    ungrouped: int = 0
    misdated: int = 0
    unreadable: int = 0
    antedated: int = 0
    groups: tuple[GroupSums, ...] = ()
    seen: tuple[Tally, ...] = ()


class FeedbackHour(Document):
    """One hour of labels: whose rows they were (`hours`), how many belong to none or are none, what was set aside."""

    files: str
    hours: tuple[str, ...] = ()
    unjoined: int = 0
    unreadable: int = 0
    batches: tuple[SetAsideBatch, ...] = ()


class Checkpoint(Document):
    """All of a step so far, by the start of each hour. `question`: digest of query, task and both references."""

    question: str
    rows: dict[str, HourSums] = {}
    labels: dict[str, FeedbackHour] = {}
