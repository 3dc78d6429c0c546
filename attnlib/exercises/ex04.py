"""Exercises of notebook 04: catch a leak, and survive an empty row."""

import numpy as np

from attnlib.attention import scaled_dot_product_attention, softmax
from attnlib.exercises import Exercise


def find_influence(attend, x):
    """Which token moves which output: entry (i, j) is True if nudging token j changes output i. (n, n)"""
    before = attend(x)
    moved = np.zeros((len(x), len(x)), bool)
    for j in range(len(x)):
        nudged = x.copy()
        nudged[j] += 1.0
        moved[:, j] = np.abs(attend(nudged) - before).max(axis=-1) > 1e-9
    return moved


def _attenders(rng):
    """Attention with a hidden mask, and once with the leak of a mask put on after the softmax."""
    trials = []
    for n, leaky in [(4, False), (5, False), (6, True)]:
        text = np.arange(n) < 2                                        # two texts that cannot see each other
        mask = (text[:, None] == text) & (np.tril(np.ones((n, n), bool)) | (rng.random((n, n)) < 0.3))

        def attend(x, mask=mask, leaky=leaky):
            if leaky:
                return (softmax(x @ x.T / 2) * np.tril(np.ones((len(x), len(x))))) @ x
            return scaled_dot_product_attention(x, x, x, mask=mask)[0]

        trials.append((attend, rng.normal(size=(n, 4))))
    return trials


def _transposed(attend, x):
    return find_influence(attend, x).T


def _no_copy(attend, x):
    x, before = x.copy(), attend(x)
    moved = np.zeros((len(x), len(x)), bool)
    for j in range(len(x)):
        x[j] += 1.0                                                    # and never put back
        moved[:, j] = np.abs(attend(x) - before).max(axis=-1) > 1e-9
    return moved


def _one_for_all(attend, x):
    before = attend(x)
    moved = np.zeros((len(x), len(x)), bool)
    for j in range(len(x)):
        nudged = x.copy()
        nudged[j] += 1.0
        moved[:, j] = np.abs(attend(nudged) - before).max() > 1e-9
    return moved


leaks = Exercise(
    find_influence,
    inputs=_attenders,
    names=("influence",),
    mistakes={
        "one maximum was taken for all outputs: max(axis=-1) keeps one number for each": _one_for_all,
        "rows and columns changed places: row i is the output that moves, column j the token that was nudged": _transposed,
        "the nudges pile up: work on a copy of x each time, or token 0 stays nudged while you try token 1": _no_copy,
    },
    hints=[
        "Run attend(x) once and keep the result. Then, for every token j: nudge it, run again, compare.",
        "nudged = x.copy(); nudged[j] += 1. The copy matters: each token is nudged alone.",
        "moved[:, j] = np.abs(attend(nudged) - before).max(axis=-1) > 1e-9",
    ],
)


def masked_softmax(scores, mask):
    """Softmax of each row over the allowed keys only; a row with no allowed key is all zeros. (n_q, n_k)"""
    weights = np.zeros(scores.shape)
    for i, allowed in enumerate(mask):
        if allowed.any():
            e = np.exp(scores[i, allowed] - scores[i, allowed].max())
            weights[i, allowed] = e / e.sum()
    return weights


def _scores(rng):
    trials = []
    for n_q, n_k, size in [(4, 4, 1), (3, 6, 3), (5, 5, 400)]:
        mask = rng.random((n_q, n_k)) < 0.6
        mask[0], mask[-1] = True, False                                # one full row, one empty row
        trials.append((rng.normal(0, size, (n_q, n_k)), mask))
    far = np.array([[0.0, 1.0, 1000.0], [1000.0, 999.0, 0.0], [-2e9, -2e9, 5.0]])
    return [*trials, (far, np.array([[True, True, False], [True, True, True], [True, True, False]]))]


def _filled(value):
    def wrong(scores, mask):
        scores = np.exp(np.where(mask, scores, value) - np.where(mask, scores, value).max(axis=-1, keepdims=True))
        return scores / scores.sum(axis=-1, keepdims=True)

    return wrong


def _renormalised(scores, mask):
    weights = softmax(scores) * mask
    return weights / np.maximum(weights.sum(axis=-1, keepdims=True), 1e-300)


empty_row = Exercise(
    masked_softmax,
    inputs=_scores,
    names=("weights",),
    mistakes={
        "the mask came after the softmax: the rows no longer sum to 1": lambda s, m: softmax(s) * m,
        "forbidden scores still count in the maximum or in the first sum: where they are far larger, the allowed "
        "weights round to 0, and you divide 0 by 0. Take both over the allowed keys only": _renormalised,
        "a row with nothing allowed became NaN: -inf minus -inf is not a number. Give such a row zeros": _filled(-np.inf),
        "a row with nothing allowed became even: with -1e9 everywhere, all keys look equally good. Give such a row zeros": _filled(-1e9),
        "masked scores were set to 0: exp(0) is 1, so masked keys still get a share": _filled(0.0),
        "the mask is upside down: here True means that the key may be looked at": lambda s, m: masked_softmax(s, ~m),
    },
    hints=[
        "Do it in this order: mask, then softmax. A key that is not allowed must not be in the sum either.",
        "np.where(mask, scores, -np.inf) works for every row that has at least one True. What happens in the last row?",
        "For a row without any True, the maximum is -inf. Replace it by 0 before subtracting, and divide by 1 where the sum is 0.",
    ],
)
