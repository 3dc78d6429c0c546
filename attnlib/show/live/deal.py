"""Deal: jobs dealt into heads by hand, and how well each is done there."""

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
import traitlets

from attnlib import _check
from attnlib.attention import softmax
from attnlib.measures import overlap
from attnlib.show.dealt import dealt, percent
from attnlib.show.labels import axis_names, visible
from attnlib.show.live.base import HERE, Live, joined, style
from attnlib.show.live.desk import MOST, loud

JOBS = 6  # and as many heads
GOAL = {"heads": 3, "share": 0.95}


class Deal(Live):
    """Jobs dealt into heads by hand. A head adds up the scores of its jobs and has one softmax:
    what one job takes, the others lack.

    scores    (jobs, n, n): the scores of each job, 2 to 6 of them, 16 words at most
    names     names of the jobs; tokens: n strings
    heads     how many heads there are, 1 to 6
    deal      a list of lists of names, one for each head; unless given, the last two jobs share one
    loudness  what the scores are multiplied by, 0 to 12
    goal      {"heads": 3, "share": 0.95}: at most so many heads do so much of all jobs on average
    title     a name for the picture

    `deal`, `loudness` and `tried`, the pairs of jobs that have shared a head, are where the
    reader's hands left them: read them in the next cell, or set them. `weights` are those of the
    heads, (heads, n, n), and `alone` those of heads with one job each, (jobs, n, n). `done` says
    how well each job is done, {name: share}: `measures.overlap` of its head with that of the job
    alone. `solved` says whether the goal is reached.

    Keys on a job: left and right, or the number of a head, deal it there. With a finger: drag it,
    or touch it and then a head, or choose the head from the list.
    """

    _esm = joined("deal")
    _css = style() + (HERE / "desk.css").read_text(encoding="utf-8")

    deal = traitlets.List(traitlets.List(traitlets.Unicode())).tag(sync=True)
    tried = traitlets.List(traitlets.List(traitlets.Unicode())).tag(sync=True)
    loudness = traitlets.Float(6.0).tag(sync=True)
    names = traitlets.List(traitlets.Unicode()).tag(sync=True)
    tokens = traitlets.List(traitlets.Unicode()).tag(sync=True)
    title = traitlets.Unicode("").tag(sync=True)
    goal = traitlets.Dict().tag(sync=True)
    _scores = traitlets.Bytes(b"").tag(sync=True)

    kinds = MappingProxyType({"loudness": loud})

    def __init__(
        self, scores, names, tokens=None, *, heads=4, deal=None, loudness=6.0, goal=None, title=""
    ):
        scores = _scores(scores)
        jobs, n, _ = scores.shape
        names = axis_names("names", names, jobs, visible, "jobs")
        tokens = axis_names("tokens", tokens, n, visible, "n")
        heads = _check.integer("heads", heads, 1, JOBS)
        if deal is None:
            places = [min(job, heads - 1, jobs - 2) for job in range(jobs)]
            deal = [[names[job] for job in range(jobs) if places[job] == h] for h in range(heads)]
        deal = _deal(deal, names, heads)
        self.scores = scores
        super().__init__(
            deal=deal,
            tried=[one for one in deal if len(one) == 2],
            loudness=loudness,
            names=names,
            tokens=tokens,
            title=title,
            goal=_goal(goal),
            _scores=scores.astype("<f4").tobytes(),
        )

    @traitlets.validate("deal")
    def _deals_all(self, proposal):
        if not self.names:
            return proposal["value"]
        return _deal(proposal["value"], self.names, len(self.deal))

    @traitlets.validate("tried")
    def _are_pairs(self, proposal):
        for pair in proposal["value"]:
            if len(pair) != 2 or (self.names and not set(pair) <= set(self.names)):
                raise ValueError(f"tried must be pairs of jobs, got {_check.short(pair)}")
        return proposal["value"]

    @traitlets.validate("loudness")
    def _isloud(self, proposal):
        return loud("loudness", proposal["value"])

    @traitlets.validate("goal")
    def _goal_fits(self, proposal):
        return _goal(proposal["value"])

    @property
    def weights(self):
        """(heads, n, n): each head's softmax of the sum of its jobs' scores."""
        return np.stack([self._mixed(names) for names in self.deal])

    @property
    def alone(self):
        """(jobs, n, n): what each job looks at in a head of its own."""
        return softmax(self.loudness * self.scores)

    @property
    def done(self):
        """{name: share}: how well each job is done where it is; NaN where no word has it."""
        head = {name: h for h, names in enumerate(self.deal) for name in names}
        shares = overlap(self.weights[[head[name] for name in self.names]], self.alone)
        return dict(zip(self.names, shares.tolist()))

    @property
    def solved(self):
        """Is the goal reached?"""
        used = sum(map(bool, self.deal))
        done = np.array(list(self.done.values()))
        return bool(used <= self.goal["heads"] and _mean(done) >= self.goal["share"])

    def _mixed(self, names):
        jobs = [self.names.index(name) for name in names]
        return softmax(self.loudness * self.scores[jobs].sum(axis=0))

    def _still(self):
        done = self.done
        used = sum(map(bool, self.deal))
        together = _mean(np.array(list(done.values())))
        facts = (
            f"{used} head{'s' * (used > 1)}, together {together:.0%}; loudness {self.loudness:g}"
        )
        title = self.title or "Jobs dealt into heads"
        picture = dealt(self.weights, self.tokens, self.deal, done, facts=[facts], title=title)
        heads = [f"head {h}: {' + '.join(one) or 'no job'}" for h, one in enumerate(self.deal, 1)]
        said = ", ".join(f"{name} {percent(share)}" for name, share in done.items())
        picture.alt = f"{title}. {'; '.join(heads)}. How well each is done: {said}; {facts}."
        return picture, ""

    def __repr__(self):
        return f"Deal({len(self.names)} jobs, {len(self.deal)} heads)"


def _scores(scores):
    found = _check.finite("scores", _check.floats("scores", scores, "jobs n n"))
    wrong = found.ndim != 3 or found.shape[1] != found.shape[2]
    if wrong or not 2 <= len(found) <= JOBS or not 1 <= found.shape[1] <= MOST:
        raise ValueError(
            f"scores must have the shape (jobs, n, n), 2 to {JOBS} jobs of 1 to {MOST} words, got"
            f" {found.shape}"
        )
    if np.abs(found).max() > 1e4:
        raise ValueError(f"scores must be at most 1e4, got {np.abs(found).max():g}")
    return found.astype(np.float32).astype(np.float64)  # the page has the same numbers


def _deal(deal, names, heads):
    """Each job in one head, as lists of names."""
    found = [_check.texts("deal", one) for one in _check.row("deal", deal, "lists of names")]
    dealt = [name for one in found for name in one]
    if len(found) != heads or sorted(dealt) != sorted(names):
        raise ValueError(
            f"deal must be {heads} lists with each of {', '.join(names)} in one of them, got"
            f" {_check.short(deal)}"
        )
    return found


def _goal(goal):
    if goal is None:
        return dict(GOAL)
    wanted = 'a dict like {"heads": 3, "share": 0.95}'
    if not isinstance(goal, Mapping) or set(goal) - set(GOAL):
        raise ValueError(f"goal must be {wanted}, got {_check.short(goal)}")
    goal = GOAL | dict(goal)
    share = _check.positive("goal['share']", goal["share"])
    if share > 1:
        raise ValueError(f"goal['share'] is a share of 1, got {share:g}")
    return {"heads": _check.integer("goal['heads']", goal["heads"], 1, JOBS), "share": share}


def _mean(done):
    """Of those that some word has."""
    return done[~np.isnan(done)].mean() if not np.isnan(done).all() else 0.0
