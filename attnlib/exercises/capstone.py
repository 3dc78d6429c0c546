"""Exercises of capstone: what a design costs, who is on the front, and a design of one's own."""

import numpy as np

from attnlib import masks
from attnlib.course import capstone
from attnlib.exercises import Exercise, overheard

LOOKS, ENOUGH = 8, 0.9  # of the design: keys per token and head; share of right answers

# ---- what it costs -----------------------------------------------------------------------


def price(mask):
    """mask (layers, heads, n, n) -> the share of pairs that may attend, and the looks of a token in
    a head.
    """
    share = mask.mean()  # of layers · heads · n² pairs
    return share, share * mask.shape[-1]  # n keys, so many of them allowed


def _priced(rng):
    """Layers, heads and n all differ, so that no number stands for another."""
    trials = []
    for layers, heads, n in [(1, 1, 4), (2, 3, 5), (3, 2, 7), (2, 4, 9)]:
        drawn = rng.random((layers, heads, n, n)) < rng.uniform(0.25, 0.6)
        trials.append(((drawn | np.eye(n, dtype=bool)) & masks.causal(n),))
    return trials


def _cost(share, looks):
    return lambda mask: (share(mask), looks(mask))


def _possible(mask):
    return masks.causal(mask.shape[-1]).sum() * mask.shape[0] * mask.shape[1]


cost = Exercise(
    price,
    title="What does it cost?",
    level=1,
    minutes=6,
    inputs=_priced,
    names=("share", "looks"),
    mistakes={
        "the share is taken of the past alone, n (n + 1) / 2 pairs: here it is of all n², as "
        "everywhere in the course": _cost(
            lambda m: m.sum() / _possible(m), lambda m: m.mean() * m.shape[-1]
        ),
        "what may not attend was counted: True = may attend": [
            lambda m: price(~m),
            _cost(lambda m: 1 - m.mean(), lambda m: m.mean() * m.shape[-1]),
        ],
        "only the first head of the first layer was counted": lambda m: price(m[0, 0]),
        "only the first layer was counted": lambda m: price(m[0]),
        "looks is the sum over layers and heads: the mean is asked for, what one token spends in "
        "one head": [
            _cost(np.mean, lambda m: m.sum() / m.shape[-1]),
            _cost(np.mean, lambda m: m.sum(axis=(0, 1, 3)).mean()),
        ],
        "share is the number of pairs: divide it by how many pairs there are": _cost(
            np.sum, lambda m: m.mean() * m.shape[-1]
        ),
        "the share was divided by n² alone: every head of every layer has n² pairs": _cost(
            lambda m: m.sum() / m.shape[-1] ** 2, lambda m: m.mean() * m.shape[-1]
        ),
        "looks is the largest number that any token has: the mean is asked for": _cost(
            np.mean, lambda m: m.sum(axis=-1).max()
        ),
        "the two changed places: first the share, then the looks": lambda m: price(m)[::-1],
    },
    hints=[
        "A boolean array counts as 0 and 1: its mean is the share that is True.",
        (
            "A share of n keys is share · n keys. The last axis, mask.shape[-1], says how many keys"
            " there are."
        ),
        "return mask.mean(), mask.mean() * mask.shape[-1]",
    ],
)

# ---- who is on the front -----------------------------------------------------------------


def best_of_their_price(costs, scores):
    """costs, scores (m,) -> boolean (m,): True where no other design beats this one."""
    on_front = np.ones(len(costs), bool)
    for i in range(len(costs)):
        no_worse = (costs <= costs[i]) & (scores >= scores[i])
        better = (costs < costs[i]) | (scores > scores[i])
        on_front[i] = not (no_worse & better).any()
    return on_front


# cost and score: three on the front, two that are beaten
STAIRS = [(1, 2), (3, 12), (6, 16), (5, 10), (7, 8)]
MARKETS = [
    STAIRS,
    [*STAIRS, (1, 1)],  # as cheap as the cheapest, and worse
    [*STAIRS, (4, 12), (9, 16)],  # as good as one of the front, and dearer
    [*STAIRS, (3, 12), (6, 16)],  # two of the front, twice
    [(1, 18), *STAIRS[1:]],  # one beats all
]


def _markets(rng):
    """The designs of MARKETS in any order, at other prices and with other scores."""
    trials = []
    for designs in MARKETS:
        costs, scores = np.array(designs, float)[rng.permutation(len(designs))].T
        trials.append(
            (
                np.round(costs * rng.uniform(0.02, 0.05), 3),
                np.round(scores * rng.uniform(0.04, 0.05), 3),
            )
        )
    return trials


def _beaten(rule):
    """On the front unless some other design beats it by this rule of (its cost, score; mine)."""
    return lambda costs, scores: np.array(
        [
            not any(rule(costs[j], scores[j], c, s) for j in range(len(costs)) if j != i)
            for i, (c, s) in enumerate(zip(costs, scores))
        ]
    )


front = Exercise(
    best_of_their_price,
    title="Who is on the front?",
    level=2,
    minutes=12,
    inputs=_markets,
    names=("on_front",),
    mistakes={
        "a design is out as soon as another is cheaper or better: it must be no worse in both": (
            _beaten(lambda c, s, mine, my: c < mine or s > my)
        ),
        "a design is out only where another is cheaper and better: as cheap and better, or as good "
        "and cheaper, beats it, too": _beaten(lambda c, s, mine, my: c < mine and s > my),
        "two designs that are the same in both threw each other out: neither is better than the "
        "other": _beaten(lambda c, s, mine, my: c <= mine and s >= my),
        "equal scores were no reason to look at the price: as good and cheaper beats it, too": (
            _beaten(lambda c, s, mine, my: c <= mine and s > my)
        ),
        "equal prices were no reason to look at the score: as cheap and better beats it, too": (
            _beaten(lambda c, s, mine, my: c < mine and s >= my)
        ),
        "a high cost counts as good: cheap is good, and a high score is": _beaten(
            lambda c, s, mine, my: c >= mine and s >= my and (c > mine or s > my)
        ),
        "only the best score is left: the cheaper ones that nothing beats are on the front, too": [
            lambda c, s: s == s.max(),
            lambda c, s: np.arange(len(s)) == s.argmax(),
        ],
        "only the cheapest is left": [
            lambda c, s: c == c.min(),
            lambda c, s: np.arange(len(c)) == c.argmin(),
        ],
        "the best ratio of score to cost won: a front has no exchange rate": (
            lambda c, s: s / c == (s / c).max()
        ),
        "you return who is beaten: the others are asked for": lambda c, s: (
            ~best_of_their_price(c, s)
        ),
    },
    hints=[
        (
            "Take one design i, and ask of all others: who costs as little or less, and scores as"
            " much or more?"
        ),
        (
            "Such a rival beats i only if it is really better in one of the two; else the two are"
            " the same."
        ),
        (
            "no_worse = (costs <= costs[i]) & (scores >= scores[i]);  better = (costs < costs[i]) |"
            " (scores > scores[i])"
        ),
    ],
)

# ---- a design ----------------------------------------------------------------------------


def one_reads_one_finds(n):
    """A head of the first layer looks one token back, one of the second at all; the others see only
    themselves.
    """
    mask = np.zeros((2, 4, n, n), bool) | np.eye(n, dtype=bool)  # (layers, heads, n, n)
    mask[0, 2] = masks.causal(n) & masks.local(n, window=2)
    mask[1, 1] = masks.causal(n)
    return mask


def _design_fault(mask, n):
    """What is wrong with a design at one length, in words; empty if nothing is."""
    try:
        result = capstone.score(lambda _: mask, looks=LOOKS, lengths=(n,))
    except capstone.BrokenRule as error:
        return f"A rule is broken. {error}."
    weak = [
        f"{task} {right:.2f}"
        for task, right in (("recall", result.recall), ("copying", result.copying))
        if right < ENOUGH
    ]
    if not weak:
        return ""
    looks = f"It costs {result.cost * n:.1f} looks per token and head, within the budget of {LOOKS}"
    return f"{looks}, but forgets: {' and '.join(weak)}, and {ENOUGH} is wanted for each."


def _lengths(rng):
    """Three lengths, the first one twice: the same call must give the same mask."""
    drawn = rng.choice(
        np.arange(min(capstone.LENGTHS), max(capstone.LENGTHS) + 1, 2), 3, replace=False
    ).tolist()
    return [(n,) for n in [*drawn, drawn[0]]]


class Design(Exercise):
    """An exercise whose answer must be the same in every call."""

    def judge(self, function, seed=None):
        watched, calls = overheard(function)
        passed, report = super().judge(watched, seed)
        first = {}  # length -> the mask of its first call
        if passed and not all(np.array_equal(first.setdefault(n, mask), mask) for mask, n in calls):
            return (
                False,
                (
                    "Two calls gave two masks. Chance needs a fixed seed, np.random.default_rng(0),"
                    " made inside the function."
                ),
            )
        return passed, report


design = Design(
    one_reads_one_finds,
    title="Your pattern",
    level=3,
    minutes=25,
    inputs=_lengths,
    names=("mask",),
    fault=_design_fault,
    hints=[
        (
            f"With one mask for all heads {LOOKS} looks are not enough. Give each head its own:"
            " start with np.zeros((2, 4, n, n), bool)."
        ),
        (
            "A question is answered in two steps: a token learns who stood before it, and then a"
            " later one looks for it, however far. Which layer needs only a short look, and which a"
            " long one?"
        ),
        (
            "Which head has learned the long look? Try the four, one at a time, or see who looks"
            " where in section 6. The others may see nothing but themselves: np.eye(n, dtype=bool)"
            " is a mask without empty rows, and costs one look per token."
        ),
        (
            "Layer 0, head 2: a causal window of 2. Layer 1, head 1: masks.causal(n). All others:"
            " only themselves."
        ),
    ],
)
