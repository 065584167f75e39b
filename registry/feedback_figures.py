"""What the store of feedback adds up to: how often each version was right, and what is being answered."""

import sqlite3
from dataclasses import dataclass

VOTE = "vote"  # in place of a model's name: what the models answered together


@dataclass(frozen=True)
class Right:
    """How many answers with feedback a version gave, or the vote of some, and how many of them were right."""

    model: str
    version: str  # of the vote all that took part, like "mlp 1, cnn 2"
    answers: int
    right: int


@dataclass(frozen=True)
class Sureness:
    """How many answers a version gave of late, and how sure it was on average."""

    model: str
    version: int
    answers: int
    confidence: float


@dataclass(frozen=True)
class Figures:
    """What the store holds in numbers.

    Attributes:
        kept: answers that have feedback.
        pending: answers that can still be fed back.
        right: by version, votes first, over all feedback; empty while there is none.
        labels: answers of late by label, ten counts.
        sureness: by version, over the answers of late.
    """

    kept: int
    pending: int
    right: tuple[Right, ...]
    labels: tuple[int, ...]
    sureness: tuple[Sureness, ...]


_PART = "json_extract(vote.value, '$[{}]')"
_RIGHT = f"""
SELECT {_PART.format(0)}, cast({_PART.format(1)} AS text), count(*), sum({_PART.format(2)} = truth)
FROM feedback, json_each(votes) AS vote GROUP BY 1, 2 ORDER BY 1, 2
"""  # noqa: S608
_TOGETHER = f"""
SELECT (SELECT group_concat({_PART.format(0)} || ' ' || {_PART.format(1)}, ', ') FROM json_each(votes) AS vote),
    count(*), sum(label = truth) FROM feedback GROUP BY 1 ORDER BY min(id)
"""  # noqa: S608
_LATE = "SELECT {0} FROM pending WHERE time >= :since UNION ALL SELECT {0} FROM feedback WHERE time >= :since"
_LABELS = f"SELECT label, count(*) FROM ({_LATE.format('label')}) GROUP BY 1"  # noqa: S608
_SURE = f"""
SELECT {_PART.format(0)}, {_PART.format(1)}, count(*), avg({_PART.format(3)})
FROM ({_LATE.format("votes")}) AS late, json_each(late.votes) AS vote GROUP BY 1, 2 ORDER BY 1, 2
"""  # noqa: S608


def read_figures(base: sqlite3.Connection, since: float) -> Figures:
    """The figures of an open store; answers count as late since a time, in seconds since the epoch."""
    (kept,) = base.execute("SELECT count(*) FROM feedback").fetchone()
    (pending,) = base.execute("SELECT count(*) FROM pending").fetchone()
    labels = dict(base.execute(_LABELS, {"since": since}).fetchall())
    votes = [Right(VOTE, *row) for row in base.execute(_TOGETHER)]
    versions = [Right(*row) for row in base.execute(_RIGHT)]
    return Figures(
        kept=kept,
        pending=pending,
        right=(*votes, *versions),
        labels=tuple(labels.get(label, 0) for label in range(10)),
        sureness=tuple(Sureness(*row) for row in base.execute(_SURE, {"since": since})),
    )
