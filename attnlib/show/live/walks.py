"""Walks: a dot product as a random walk, its spread √d, and what softmax makes of it."""

import numpy as np
import traitlets

from attnlib import _check
from attnlib.attention import softmax
from attnlib.show.live.base import HERE, Live, joined, style
from attnlib.show.walks import ROW, walks

LONGEST = 1024  # steps of a walk, as in walks.js
MANY = 200  # walks


class Walks(Live):
    """The dot product of two random arrows as a walk of d random steps: many walks under the curves
    ±√d, where they end, and what softmax makes of ten such scores, as they are, divided by √d and
    divided by d.

    d       the width of the head, 1 to 1,024: how many products are added up
    n       how many walks, 10 to 200
    seed    of the random numbers
    title   a name for the picture

    `d` and `seed` are where the reader's hands left them ("another hundred" is the next seed): read
    them in the next cell, or set them. `.q` and `.k` are the random numbers themselves, standard
    normal, (n, d); `.walks` the sums so far, (n, d); `.scores` their ends, (n,): q·k. `.weights`
    is the softmax of the first ten scores, a row each for q·k, q·k / √d and q·k / d.

    The page draws the same numbers by itself, with the generator of `random_pairs`: a wider head
    has the same first columns.

    Keys: left and right halve and double d, up and down choose one of the ten, space walks, n draws
    others.
    """

    _esm = joined("walks")
    _css = style() + (HERE / "walks.css").read_text(encoding="utf-8")

    d = traitlets.Int(64).tag(sync=True)
    n = traitlets.Int(100).tag(sync=True)
    seed = traitlets.Int(0).tag(sync=True)
    title = traitlets.Unicode("").tag(sync=True)

    def __init__(self, d=64, n=100, *, seed=0, title=""):
        super().__init__(
            d=_check.integer("d", d, 1, LONGEST),
            n=_check.integer("n", n, ROW, MANY),
            seed=_check.integer("seed", seed, 0, 2**31 - 1),
            title=title,
        )

    @traitlets.validate("d")
    def _is_a_width(self, proposal):
        return _check.integer("d", proposal["value"], 1, LONGEST)

    @traitlets.validate("n")
    def _stays(self, proposal):
        return _check.integer("n", proposal["value"], ROW, MANY)

    @traitlets.validate("seed")
    def _is_a_seed(self, proposal):
        return _check.integer("seed", proposal["value"], 0, 2**31 - 1)

    @property
    def q(self):
        """(n, d): random numbers of queries."""
        return random_pairs(self.seed, self.n, self.d)[0]

    @property
    def k(self):
        """(n, d): random numbers of keys."""
        return random_pairs(self.seed, self.n, self.d)[1]

    @property
    def walks(self):
        """(n, d): the sums of the products of q and k, step by step."""
        q, k = random_pairs(self.seed, self.n, self.d)
        return np.cumsum(q * k, axis=1)

    @property
    def scores(self):
        """(n,): q·k of each pair, where the walks end."""
        return self.walks[:, -1]

    @property
    def weights(self):
        """(3, 10): the softmax of the first ten scores, as they are, divided by √d, and by d."""
        row = self.scores[:ROW]
        return np.array([softmax(row / by) for by in (1, np.sqrt(self.d), self.d)])

    def _still(self):
        return walks(self.walks, title=self.title), ""

    def __repr__(self):
        return f"Walks(d={self.d}, n={self.n}, seed={self.seed})"


def random_pairs(seed, n, d):
    """q and k, each (n, d): standard normal numbers, the same here and in the page.

    Number j of the even ones is 32 bits, mixed by MurmurHash3's finalizer; Box and Muller make two
    normal numbers of two even ones. Row i, column t has its own two, whatever n and d are.
    """
    at = 2 * (np.arange(n)[:, None] * LONGEST + np.arange(d)).astype(np.uint32)
    start = _mixed(np.uint32(seed) + np.array([STEP]))
    r = np.sqrt(-2 * np.log(_even(start, at)))
    angle = 2 * np.pi * _even(start, at + np.uint32(1))
    return r * np.cos(angle), r * np.sin(angle)


STEP = np.uint32(0x9E3779B9)  # 2**32 by the golden ratio


def _mixed(x):
    x = (x ^ (x >> np.uint32(16))) * np.uint32(0x85EBCA6B)
    x = (x ^ (x >> np.uint32(13))) * np.uint32(0xC2B2AE35)
    return x ^ (x >> np.uint32(16))


def _even(start, at):
    """Numbers between 0 and 1, without both."""
    return (_mixed(start + at * STEP) + 0.5) / 2**32
