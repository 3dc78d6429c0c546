"""Answers to the exercises of capstone."""

import itertools

import numpy as np

from attnlib import masks
from attnlib.masks import density
from attnlib.show.pareto import front
from attnlib.training.recall import SAFE

# ---- cost --------------------------------------------------------------------------------


def by_counting(mask):
    layers, heads, n, _ = mask.shape
    allowed = sum(bool(mask[place]) for place in np.ndindex(mask.shape))
    return allowed / (layers * heads * n * n), allowed / (layers * heads * n)


def by_keys(mask):
    looks = mask.sum(axis=-1).mean()
    return looks / mask.shape[-1], looks


def share_and(looks):
    return lambda mask: (mask.mean(), looks(mask))


# ---- the front ---------------------------------------------------------------------------


def by_a_walk(costs, scores):
    """From the cheapest on; of equal prices the best first."""
    on_front, best = np.zeros(len(costs), bool), (np.inf, -np.inf)
    for i in np.lexsort((-scores, costs)):
        if scores[i] > best[1] or (costs[i], scores[i]) == best:
            on_front[i], best = True, (costs[i], scores[i])
    return on_front


def pair_by_pair(costs, scores):
    beaten = set()
    for i, j in itertools.permutations(range(len(costs)), 2):
        if (
            costs[j] <= costs[i]
            and scores[j] >= scores[i]
            and (costs[j], scores[j]) != (costs[i], scores[i])
        ):
            beaten.add(i)
    return [i not in beaten for i in range(len(costs))]


def beaten_if(rule):
    """Out if for any other design rule(its cost, its score, my cost, my score)."""

    def answer(costs, scores):
        m = range(len(costs))
        return np.array(
            [
                not any(rule(costs[j], scores[j], costs[i], scores[i]) for j in m if j != i)
                for i in m
            ]
        )

    return answer


# ---- a design ----------------------------------------------------------------------------


def build(layer_0=(), layer_1=(), others=lambda n: np.eye(n, dtype=bool)):
    """A design from {head: function n -> mask} of each layer; the other heads see what `others`
    says.
    """

    def design(n):
        mask = np.zeros((2, 4, n, n), bool) | others(n)
        for layer, heads in enumerate((layer_0, layer_1)):
            for head, pattern in dict(heads).items():
                mask[layer, head] = pattern(n)
        return mask

    return design


def back(window):
    return lambda n: masks.causal(n) & masks.local(n, window=window)


READ, FIND = {SAFE[0]: back(2)}, {SAFE[1]: masks.causal}
narrow = build(dict.fromkeys(range(4), back(2)), FIND)


def only_back(n):
    """The reader looks at the token before, and not at itself."""
    mask = np.eye(n, k=-1, dtype=bool)
    mask[0, 0] = True
    return mask


def nobody_else(n):
    """Forgets that the other heads need a row, too."""
    return np.logical_and(
        build(READ, FIND)(n), build(READ, FIND, lambda n: np.zeros((n, n), bool))(n)
    )


def same_for_all(pattern):
    return lambda n: pattern(n)


chance = np.random.default_rng(0)


def changing(n):
    mask = build(READ, FIND)(n)
    mask[0, 0] |= masks.causal(n) & (chance.random((n, n)) < 0.01)
    return mask


RIGHT = {
    "capstone.cost": [
        by_counting,
        by_keys,
        lambda mask: (density(mask), density(mask) * mask.shape[2]),
        lambda mask: (
            np.count_nonzero(mask) / mask.size,
            np.count_nonzero(mask) / mask[..., 0].size,
        ),
        lambda mask: (
            mask.mean(axis=(2, 3)).mean(),
            np.mean([head.sum() / len(head) for layer in mask for head in layer]),
        ),
    ],
    "capstone.front": [
        by_a_walk,
        pair_by_pair,
        front,
        lambda c, s: np.array(
            [s[i] >= s[c <= c[i]].max() and c[i] <= c[s >= s[i]].min() for i in range(len(c))]
        ),
    ],
    "capstone.design": [
        build(READ, FIND),
        narrow,
        build({SAFE[0]: only_back}, FIND),
        build(READ, FIND | {0: lambda n: masks.streaming(n, window=1, n_sinks=1)}),
        build({SAFE[0]: back(3)}, FIND),
        lambda n: build(READ, FIND)(n).tolist(),
    ],
}
WRONG = {
    "capstone.cost": {
        "of the past alone": (
            lambda m: (m.sum() / np.tril(np.ones_like(m)).sum(), by_keys(m)[1]),
            "of the past alone",
        ),
        "~mask": (lambda m: by_keys(~m), "what may not attend was counted"),
        "1 - mean": (lambda m: (1 - m.mean(), by_keys(m)[1]), "what may not attend was counted"),
        "mask[0, 0]": (lambda m: by_keys(m[:1, :1]), "only the first head of the first layer"),
        "mask[0]": (lambda m: by_keys(m[:1]), "only the first layer"),
        "the sum over heads": (
            share_and(lambda m: m.sum() / m.shape[-1]),
            "looks is the sum over layers and heads",
        ),
        "the number of pairs": (lambda m: (m.sum(), by_keys(m)[1]), "share is the number of pairs"),
        "/ n**2": (lambda m: (m.sum() / m.shape[-1] ** 2, by_keys(m)[1]), "divided by n² alone"),
        "/ n": (lambda m: (m.sum() / m.shape[-1], by_keys(m)[1]), "share is not right yet"),
        "the largest": (
            share_and(lambda m: m.sum(axis=-1).max()),
            "the largest number that any token has",
        ),
        "changed places": (lambda m: by_keys(m)[::-1], "changed places"),
        "looks of every token": (share_and(lambda m: m.sum(axis=-1)), "looks should be one number"),
        "looks of every head": (
            share_and(lambda m: m.sum(axis=-1).mean(axis=-1)),
            "looks should be one number",
        ),
        "keys seen by nobody left out": (
            share_and(lambda m: m.any(axis=-2).sum(axis=-1).mean()),
            "looks is not right yet",
        ),
        "in percent": (lambda m: (100 * m.mean(), by_keys(m)[1]), "share is not right yet"),
        "share alone": (lambda m: m.mean(), "It should return 2 things"),
        "times n²": (share_and(lambda m: m.mean() * m.shape[-1] ** 2), "looks is not right yet"),
        "len(mask) keys": (share_and(lambda m: m.mean() * len(m)), "looks is not right yet"),
    },
    "capstone.front": {
        "or": (beaten_if(lambda c, s, mine, my: c < mine or s > my), "it must be no worse in both"),
        "and, both strict": (
            beaten_if(lambda c, s, mine, my: c < mine and s > my),
            "as cheap and better",
        ),
        "and, none strict": (
            beaten_if(lambda c, s, mine, my: c <= mine and s >= my),
            "threw each other out",
        ),
        "scores strict": (
            beaten_if(lambda c, s, mine, my: c <= mine and s > my),
            "equal scores were no reason",
        ),
        "costs strict": (
            beaten_if(lambda c, s, mine, my: c < mine and s >= my),
            "equal prices were no reason",
        ),
        "dear is good": (lambda c, s: front(-c, s), "a high cost counts as good"),
        "scores == max": (lambda c, s: s == s.max(), "only the best score is left"),
        "argmax": (lambda c, s: np.arange(len(s)) == s.argmax(), "only the best score is left"),
        "costs == min": (lambda c, s: c == c.min(), "only the cheapest is left"),
        "score / cost": (lambda c, s: s / c == (s / c).max(), "no exchange rate"),
        "the beaten": (lambda c, s: ~front(c, s), "you return who is beaten"),
        "places": (lambda c, s: np.flatnonzero(front(c, s)), "on_front"),
        "0 and 1": (lambda c, s: front(c, s).astype(int), "on_front should be True and False"),
        "everybody": (lambda c, s: np.ones(len(c), bool), "on_front is not right yet"),
        "nobody": (lambda c, s: np.zeros(len(c), bool), "on_front is not right yet"),
        "itself is a rival, too": (
            lambda c, s: np.array([not ((c <= a) & (s >= b)).any() for a, b in zip(c, s)]),
            "",
        ),
        "above the mean": (lambda c, s: s > s.mean(), ""),
        "sorted": (lambda c, s: front(c, s)[np.argsort(c)], ""),
    },
    "capstone.design": {
        "the whole past": (
            same_for_all(masks.causal),
            "looks per token and head, on average, and the budget is 8",
        ),
        "everybody": (same_for_all(masks.full), "looks ahead at token 1"),
        "a window": (same_for_all(back(8)), "but forgets: recall"),
        "a window of 8 and sinks": (
            same_for_all(lambda n: masks.streaming(n, window=5, n_sinks=2)),
            "but forgets: recall",
        ),
        "a window that looks ahead": (
            same_for_all(lambda n: masks.local(n, window=4)),
            "looks ahead",
        ),
        "bigbird": (
            same_for_all(
                lambda n: masks.causal(n) & masks.bigbird(n, window=3, n_global=1, n_random=3)
            ),
            "but forgets: recall",
        ),
        "a stride": (
            same_for_all(lambda n: masks.causal(n) & (masks.strided(n, stride=12) | back(2)(n))),
            "but forgets",
        ),
        "two layers, one mask each": (
            lambda n: np.stack([np.stack([back(2)(n)] * 4), np.stack([masks.causal(n)] * 4)]),
            "and the budget is 8",
        ),
        "the wrong finder": (build(READ, {(SAFE[1] + 1) % 4: masks.causal}), "but forgets: recall"),
        "the wrong reader": (build({(SAFE[0] + 1) % 4: back(2)}, FIND), "but forgets: recall"),
        "the layers changed places": (build(FIND, READ), "but forgets: recall"),
        "no reader": (build((), FIND), "but forgets: recall"),
        "a finder with a window": (build(READ, {SAFE[1]: back(20)}), "but forgets: recall"),
        "nobody else": (nobody_else, "may look at nothing (layer 0, head 0)"),
        "numbers": (lambda n: build(READ, FIND)(n) * 1.0, "a mask is an array of True and False"),
        "one length for all": (lambda n: build(READ, FIND)(16), "got (2, 4, 16, 16)"),
        "three heads": (lambda n: build(READ, FIND)(n)[:, :3], "got (2, 3, "),
        "chance that changes": (changing, "Two calls gave two masks"),
        "one layer": (lambda n: build(READ, FIND)(n)[1], ""),
    },
}
