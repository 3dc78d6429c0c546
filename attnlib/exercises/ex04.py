"""Exercises of notebook 04: a window of the past, a leak, and an empty row."""

import numpy as np

from attnlib.attention import scaled_dot_product_attention, softmax
from attnlib.exercises import Exercise


def past_window(n, window):
    """True where a token may look: at itself and at the window - 1 tokens before it. (n, n)"""
    back = np.arange(n)[:, None] - np.arange(n)                        # (n, n): how far key j lies behind query i
    return (back >= 0) & (back < window)


def _back(rule):
    return lambda n, window: rule(np.arange(n)[:, None] - np.arange(n), window)


past = Exercise(
    past_window,
    title="A window of the past",
    level=1,
    minutes=8,
    inputs=lambda rng: [(int(n), int(w)) for n, w in zip(rng.permutation(np.arange(5, 9)), (2, 3, 4, 1))] + [(4, 9), (1, 1)],
    names=("mask",),
    mistakes={
        "the window is off by one: with <= a token sees window + 1 tokens; here it sees window, itself included": _back(
            lambda back, w: (back >= 0) & (back <= w)
        ),
        "the window is off by one the other way, or leaves out the token itself: window = 1 means only me": _back(
            lambda back, w: (back > 0) & (back < w)
        ),
        "a token does not see itself, but one more before it: window counts the token itself": _back(lambda back, w: (back > 0) & (back <= w)),
        "the future is allowed too: keys after the query are within the window on the other side": _back(lambda back, w: abs(back) < w),
        "rows and columns changed places, so that everyone looks into the future: row i is who looks": _back(
            lambda back, w: (back <= 0) & (-back < w)
        ),
        "the past is not limited: this is the causal mask without a window": _back(lambda back, w: back >= 0),
        "True and False changed places: True means may look": _back(lambda back, w: ~((back >= 0) & (back < w))),
    },
    hints=[
        "For every pair you need one number: how many steps key j lies behind query i.",
        "np.arange(n)[:, None] - np.arange(n) is the table of i - j: 0 on the diagonal, 1 just below it.",
        "Two rules must hold together: not in the future (0 <= i - j), and less than window steps away. Join them with &.",
    ],
)


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
    title="The leak test",
    level=2,
    minutes=12,
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
            row = scores[i, allowed].astype(float)
            e = np.exp(row - row.max())
            weights[i, allowed] = e / e.sum()
    return weights


def _scores(rng):
    trials = []
    for n_q, n_k, size in [(4, 4, 1), (3, 6, 3), (5, 5, 400)]:
        mask = rng.random((n_q, n_k)) < 0.6
        mask[0], mask[-1] = True, False                                # one full row, one empty row
        trials.append((rng.normal(0, size, (n_q, n_k)), mask))
    far = np.array([[0.0, 1.0, 1000.0], [1000.0, 999.0, 0.0], [-2e9, -2e9, 5.0]])
    half = rng.normal(0, 2, (4, 6)).astype(np.float16)
    holes = np.vstack([rng.random((3, 6)) < 0.6, np.zeros((1, 6), bool)])
    holes[:, 0] = [True, True, True, False]
    return [*trials, (far, np.array([[True, True, False], [True, True, True], [True, True, False]])), (half, holes)]


def _filled(value):
    def wrong(scores, mask):
        scores = np.exp(np.where(mask, scores, value) - np.where(mask, scores, value).max(axis=-1, keepdims=True))
        return scores / scores.sum(axis=-1, keepdims=True)

    return wrong


def _added(rows):
    """-1e9 added where the mask is False, in the dtype of the scores; `rows` also gives empty rows zeros."""

    def wrong(scores, mask):
        filled = scores + (1 - mask.astype(scores.dtype)) * np.asarray(-1e9, scores.dtype)
        e = np.exp(filled - filled.max(axis=-1, keepdims=True))
        weights = e / e.sum(axis=-1, keepdims=True)
        return np.where(mask.any(axis=-1, keepdims=True), weights, 0) if rows else weights

    return wrong


def _renormalised(scores, mask):
    weights = softmax(scores) * mask
    return weights / np.maximum(weights.sum(axis=-1, keepdims=True), 1e-300)


empty_row = Exercise(
    masked_softmax,
    title="The empty row",
    level=3,
    minutes=12,
    inputs=_scores,
    names=("weights",),
    mistakes={
        "the mask came after the softmax: the rows no longer sum to 1": lambda s, m: softmax(s) * m,
        "forbidden scores still count in the maximum or in the first sum: where they are far larger, the allowed "
        "weights round to 0, and you divide 0 by 0. Take both over the allowed keys only": _renormalised,
        "a row with nothing allowed became NaN: -inf minus -inf is not a number. Give such a row zeros": _filled(-np.inf),
        "a row with nothing allowed became even: with -1e9 everywhere, all keys look equally good. Give such a row zeros": _filled(-1e9),
        "−1e9 is added to forbidden scores: where nothing is allowed, a row of equal scores comes out even; and float16 has "
        "no −1e9: it becomes −inf there, and 0 · −inf is NaN": _added(False),
        "−1e9 is added to forbidden scores: it is no −inf (an allowed score of −2e9 loses against it), and float16 has no −1e9: "
        "it becomes −inf there, and 0 · −inf is NaN": _added(True),
        "masked scores were set to 0: exp(0) is 1, so masked keys still get a share": _filled(0.0),
        "the mask is upside down: here True means that the key may be looked at": lambda s, m: masked_softmax(s, ~m),
    },
    hints=[
        "Do it in this order: mask, then softmax. A key that is not allowed must not be in the sum either.",
        "np.where(mask, scores, -np.inf) works for every row that has at least one True. What happens in the last row?",
        "For a row without any True, the maximum is -inf. Replace it by 0 before subtracting, and divide by 1 where the sum is 0.",
    ],
)
