"""Exercises and questions of masks: a window of the past, a leak, and an empty row."""

import numpy as np

from attnlib import masks
from attnlib.attention import scaled_dot_product_attention, softmax
from attnlib.exercises import Exercise, Question

zero = Question(
    "masks.zero",
    "split",
    "Scores −4.5 and 0 are allowed, and eight forbidden ones are set to 0. How does *cat* share out"
    " its 1?",
    why="exp(0) is 1: a score of 0 is an ordinary score, here as good as that of the best word, and"
    " eight ones add up. What a 0 lets through depends on the other scores, and no softmax"
    " knows where their 0 was.",
)

again = Question(
    "masks.again",
    "choice",
    "Erased after the softmax, then each row divided by what is left of it: does it pass the leak"
    " test?",
    options=[
        (
            "no, the forbidden words are still in the sum",
            "They are in the sum of each weight, and in what is left of the row. Divide one by the"
            " other.",
        ),
        ("no, but it leaks less", "Write down one weight, divided by the sum of the weights left."),
        "yes, the old sum cancels",
        (
            "only if the push is gentle",
            "Nothing of a forbidden word is left in a row, so no push of it counts.",
        ),
    ],
    right="yes, the old sum cancels",
    why="Each weight is exp(score) over the old sum, and so is what is left of the row."
    " In floating point it can still fail: where a forbidden score is far above all allowed ones,"
    " their weights round to 0, and the row becomes 0 ÷ 0.",
)


def gallery(n):
    """Eight masks (n, n) under letters, for `purposes`: the letter is all that is said of them."""
    kinds = (
        masks.strided(n, stride=3),
        masks.documents(np.arange(n) >= n // 2),
        masks.random_keys(n, n_random=min(3, n)),
        masks.padding(max(n - 3, 1), n) & masks.full(n),
        masks.prefix(n, n_prefix=min(4, n)),
        masks.global_tokens(n, n_global=1),
        masks.dilated(n, window=3, dilation=2),
        masks.causal(n) & masks.local(n, window=3),
    )
    return dict(zip("ABCDEFGH", kinds))


PURPOSES = [
    "write, with a narrow window",
    "read a question, then write",
    "two texts in one row",
    "the end of the row is no text",
    "a wide window with gaps",
    "every third word",
    "one sees all, and is seen",
    "shortcuts by chance",
]
MATCHES = np.array(list("ABCDEFGH")) == np.array(list("HEBDGAFC"))[:, None]  # (8, 8)
purposes = Question(
    "masks.purposes",
    "cells",
    "Which mask is for what? Choose one letter for each line.",
    many=True,
    why="Look at the rows: whom may one word see? At the corner above the diagonal: is the future"
    " open? And at the columns: is someone seen by all, or by nobody?",
)

inside = Question(
    "masks.inside",
    "cells",
    "Which forbidden cells leak? A row is who hears. Choose all of them.",
    many=True,
    why="Each word was mixed with the next one before attention began, so it hears that one, and no"
    " other that comes later. The last was mixed with the first, which it may see anyway.",
)

filling = Question(
    "masks.filling",
    "choice",
    "The lower rows are not empty: the filling asks, and hears the words. Must its rows be masked,"
    " too?",
    options=[
        (
            "yes, or the filling gets into the words",
            "By which way? The columns of the filling are empty: nobody hears it.",
        ),
        ("yes, or rows no longer sum to 1", "Each row has a sum of its own."),
        "no, if nobody reads what they bring back",
        (
            "no, and it may be averaged with the rest",
            "Nobody hears the filling, but its own outputs are there: do not count them.",
        ),
    ],
    right="no, if nobody reads what they bring back",
    why="What the filling brings back stands in its own rows, and no word looks there, nor in"
    " later layers. Masked as well, they would be empty rows, which are NaN in some libraries."
    " Whoever averages over all outputs, or over the error at all places, leaves them out by hand.",
)


def past_window(n, window):
    """True where a token may look: at itself and at the window - 1 tokens before it. (n, n)"""
    back = np.arange(n)[:, None] - np.arange(n)  # (n, n): how far key j lies behind query i
    return (back >= 0) & (back < window)


def _back(rule):
    return lambda n, window: rule(np.arange(n)[:, None] - np.arange(n), window)


def _sliced(n, window):
    mask = np.zeros((n, n), bool)
    for i in range(n):
        mask[i, i - window + 1 : i + 1] = True
    return mask


def _sizes(rng):
    many = zip(rng.choice(np.arange(5, 12), 4, replace=False), rng.permutation([1, 2, 3, 4]))
    return [*((int(n), int(window)) for n, window in many), (4, 9), (1, 1)]


past = Exercise(
    past_window,
    title="A window of the past",
    level=1,
    minutes=10,
    inputs=_sizes,
    names=("mask",),
    mistakes={
        "the window is off by one: with <= a token sees window + 1 tokens; here it sees window, "
        "itself included": _back(lambda back, w: (back >= 0) & (back <= w)),
        "the window is off by one the other way, or leaves out the token itself: window = 1 means "
        "only me": [
            _back(lambda back, w: (back > 0) & (back < w)),
            _back(lambda back, w: (back >= 0) & (back < w - 1)),
        ],
        "a token does not see itself, but one more before it: window counts the token itself": (
            _back(lambda back, w: (back > 0) & (back <= w))
        ),
        "the future is allowed too: for a key after the query, i - j is negative, and that is no "
        "step back": [
            _back(lambda back, w: abs(back) < w),
            _back(lambda back, w: abs(back) <= w),
            _back(lambda back, w: back < w),
            _back(lambda back, w: back <= w),
        ],
        "the two rules are joined by |: both rules must hold, so it is &": _back(
            lambda back, w: (back >= 0) | (back < w)
        ),
        "rows and columns changed places, so that everyone looks into the future: row i is who "
        "looks": [
            _back(lambda back, w: (back <= 0) & (-back < w)),
            _back(lambda back, w: (back <= 0) & (-back <= w)),
        ],
        "a slice starts below 0, which counts from the end, so the first rows are empty: start at "
        "max(0, i - window + 1)": _sliced,
        "the window is the same for every row: it should move along with the query": _back(
            lambda back, w: (back >= 0) & (np.arange(len(back)) < w)
        ),
        "the past is not limited: this is the causal mask without a window": _back(
            lambda back, w: back >= 0
        ),
        "True and False changed places: True means may look": _back(
            lambda back, w: ~((back >= 0) & (back < w))
        ),
    },
    hints=[
        "For every pair you need one number: how many steps key j lies behind query i.",
        (
            "np.arange(n)[:, None] - np.arange(n) is the table of i - j: 0 on the diagonal, 1 just"
            " below it."
        ),
        (
            "Two rules must hold together: not in the future (0 <= i - j), and less than window"
            " steps away. Join them with &."
        ),
    ],
)


def find_influence(attend, x):
    """Which token moves which output: entry (i, j) is True if nudging token j changes output i.
    (n, n)
    """
    before = attend(x)
    moved = np.zeros((len(x), len(x)), bool)
    for j in range(len(x)):
        nudged = x.copy()
        nudged[j] += 1.0
        moved[:, j] = np.abs(attend(nudged) - before).max(axis=-1) > 1e-9
    return moved


def _attenders(rng):
    """Attention with a hidden mask, and once with the leak of a mask put on after the softmax.

    One of them answers faintly and with the sign turned, so that effects may be small, and negative
    everywhere.
    """
    trials = []
    for n, d, leaky, size in [(4, 5, False, 1), (5, 5, False, -0.01), (6, 4, True, 1)]:
        text = rng.permutation(n) < 2  # two texts that cannot see each other
        mask = (text[:, None] == text) & (
            np.tril(np.ones((n, n), bool)) | (rng.random((n, n)) < 0.5)
        )
        mask[tuple(np.flatnonzero(text))] = False  # so that rows and columns differ

        def attend(x, mask=mask, leaky=leaky, size=size):
            if leaky:
                return (softmax(x @ x.T / 2) * np.tril(np.ones((len(x), len(x))))) @ x
            return scaled_dot_product_attention(x, x, x, mask=mask)[0] * size

        trials.append((attend, rng.normal(size=(n, d))))
    return trials


def _transposed(attend, x):
    return find_influence(attend, x).T


def _no_copy(attend, x):
    x, before = x.copy(), attend(x)
    moved = np.zeros((len(x), len(x)), bool)
    for j in range(len(x)):
        x[j] += 1.0  # and never put back
        moved[:, j] = np.abs(attend(x) - before).max(axis=-1) > 1e-9
    return moved


def _nudging(moves, where=lambda j: j):
    """find_influence with one part exchanged: how an output moves, or what is nudged."""

    def wrong(attend, x):
        before = attend(x)
        moved = np.zeros((len(x), len(x)), bool)
        for j in range(len(x)):
            nudged = x.copy()
            nudged[where(j)] += 1.0
            moved[:, j] = moves(attend(nudged) - before)
        return moved

    return wrong


leaks = Exercise(
    find_influence,
    title="The leak test",
    level=2,
    minutes=16,
    inputs=_attenders,
    names=("influence",),
    mistakes={
        "one maximum was taken for all outputs: max(axis=-1) keeps one number for each": _nudging(
            lambda change: np.abs(change).max() > 1e-9
        ),
        "the maximum is taken over the tokens (axis 0): take it over the features of each output, "
        "axis=-1": _nudging(lambda change: np.abs(change).max(axis=0) > 1e-9),
        "np.abs is missing: a number that becomes smaller has moved too": _nudging(
            lambda change: change.max(axis=-1) > 1e-9
        ),
        "you nudged feature j of all tokens, nudged[:, j]: token j is the row nudged[j]": _nudging(
            lambda change: np.abs(change).max(axis=-1) > 1e-9, where=lambda j: np.s_[:, j]
        ),
        "True and False changed places: True means that the output moves": (
            lambda attend, x: ~find_influence(attend, x)
        ),
        "nothing moved at all: nudged = x is the same array under a second name, so you compared "
        "it with itself. Nudge x.copy()": lambda attend, x: np.zeros((len(x), len(x)), bool),
        "rows and columns changed places: row i is the output that moves, column j the token that "
        "was nudged": _transposed,
        "the nudges pile up: work on a copy of x each time, or token 0 stays nudged while you try "
        "token 1": _no_copy,
    },
    hints=[
        (
            "Run attend(x) once and keep the result. Then, for every token j: nudge it, run again,"
            " compare."
        ),
        "nudged = x.copy(); nudged[j] += 1. The copy matters: each token is nudged alone.",
        "moved[:, j] = np.abs(attend(nudged) - before).max(axis=-1) > 1e-9",
    ],
)


def masked_softmax(scores, mask):
    """Softmax of each row over the allowed keys only; a row with no allowed key is all zeros.
    (n_q, n_k)
    """
    weights = np.zeros(scores.shape)
    for i, allowed in enumerate(mask):
        if allowed.any():
            row = scores[i, allowed].astype(float)
            e = np.exp(row - row.max())
            weights[i, allowed] = e / e.sum()
    return weights


def _scores(rng):
    trials = []
    # not square: without keepdims they raise
    for n_q, n_k, size in [(4, 5, 1), (3, 6, 3), (5, 7, 400)]:
        mask = rng.random((n_q, n_k)) < 0.6
        mask[0], mask[-1] = True, False  # one full row, one empty row
        trials.append((rng.normal(0, size, (n_q, n_k)), mask))
    far = np.array([[0.0, 1.0, 1000.0], [1000.0, 999.0, 0.0], [-2e9, -2e9, 5.0]])
    half = rng.normal(0, 2, (4, 6)).astype(np.float16)
    holes = np.vstack([rng.random((3, 6)) < 0.6, np.zeros((1, 6), bool)])
    holes[:, 0] = [True, True, True, False]
    return [
        *trials,
        (far, np.array([[True, True, False], [True, True, True], [True, True, False]])),
        (half, holes),
    ]


def _filled(value):
    def wrong(scores, mask):
        scores = np.exp(
            np.where(mask, scores, value)
            - np.where(mask, scores, value).max(axis=-1, keepdims=True)
        )
        return scores / scores.sum(axis=-1, keepdims=True)

    return wrong


def _added(rows):
    """-1e9 added where the mask is False, in the dtype of the scores; `rows` also gives empty rows
    zeros.
    """

    def wrong(scores, mask):
        filled = scores + (1 - mask.astype(scores.dtype)) * np.asarray(-1e9, scores.dtype)
        e = np.exp(filled - filled.max(axis=-1, keepdims=True))
        weights = e / e.sum(axis=-1, keepdims=True)
        return np.where(mask.any(axis=-1, keepdims=True), weights, 0) if rows else weights

    return wrong


def _renormalised(tiny):
    def wrong(scores, mask):
        weights = softmax(scores) * mask
        total = weights.sum(axis=-1, keepdims=True)
        return weights / (np.maximum(total, 1e-300) if tiny is None else total + tiny)

    return wrong


def _without_maximum(scores, mask):
    e = np.where(mask, np.exp(scores), 0)
    return e / e.sum(axis=-1, keepdims=True)


def _unkept(peak, total, guarded):
    """Without keepdims for the maximum, the sum, or both; `guarded`: nothing is divided by 0."""

    def wrong(scores, mask):
        inside = np.where(mask, scores, -np.inf)
        e = np.exp(inside - inside.max(axis=-1, keepdims=peak))
        sums = e.sum(axis=-1, keepdims=total)
        return e / (np.where(sums == 0, 1, sums) if guarded else sums)

    return wrong


def _zeros(wrong):
    """The same, with zeros in the rows that allow nothing."""
    return lambda scores, mask: np.where(mask.any(axis=-1, keepdims=True), wrong(scores, mask), 0)


empty_row = Exercise(
    masked_softmax,
    title="The empty row",
    level=3,
    minutes=18,
    inputs=_scores,
    names=("weights",),
    mistakes={
        "the mask came after the softmax: the rows no longer sum to 1": lambda s, m: softmax(s) * m,
        "forbidden scores still count in the maximum or in the first sum: where they are far "
        "larger, the allowed weights round to 0, and you divide 0 by 0. Take both over the allowed "
        "keys only": [
            *map(_renormalised, (None, 0, 1e-9, 1e-8, 1e-12)),
            lambda s, m: np.nan_to_num(_renormalised(0)(s, m)),
        ],
        "exp of large scores overflows: subtract the largest allowed score of each row first": [
            _without_maximum,
            _zeros(_without_maximum),
            lambda s, m: np.nan_to_num(_without_maximum(s, m)),
        ],
        "keepdims=True is missing: without it the maxima or sums of the rows stand in a row "
        "themselves, (n,), and meet the columns. Write it in max and in sum": [
            _unkept(peak, total, guarded)
            for guarded in (True, False)
            for peak, total in ((0, 0), (0, 1), (1, 0))
        ],
        "a row with nothing allowed became NaN: -inf minus -inf is not a number. Give such a row "
        "zeros": _filled(-np.inf),
        "a row with nothing allowed became even: with -1e9 everywhere, all keys look equally good. "
        "Give such a row zeros": _filled(-1e9),
        "a row with nothing allowed became even. Give such a row zeros": lambda s, m: np.where(
            m.any(axis=-1, keepdims=True), masked_softmax(s, m), 1 / s.shape[-1]
        ),
        "a large negative number took the place of −inf: an allowed score of −2e9 loses against "
        "it. Take -np.inf": [
            _zeros(_filled(-1e9)),
            lambda s, m: _filled(-1e9)(s, m) * m.any(axis=-1, keepdims=True),
        ],
        "−1e9 is added to forbidden scores: where nothing is allowed, a row of equal scores comes "
        "out even; and float16 has no −1e9: it becomes −inf there, and 0 · −inf is NaN": _added(
            False
        ),
        "−1e9 is added to forbidden scores: it is no −inf (an allowed score of −2e9 loses against "
        "it), and float16 has no −1e9: it becomes −inf there, and 0 · −inf is NaN": [
            _added(True),
            lambda s, m: _added(False)(s, m) * m.any(axis=-1, keepdims=True),
        ],
        "the mask is not used": lambda s, m: softmax(s),
        "the softmax runs down the columns: each row, axis=-1, is one question": [
            lambda s, m: softmax(s, axis=0, where=m),
            lambda s, m: masked_softmax(s.T, m.T).T,
        ],
        "masked scores were set to 0: exp(0) is 1, so masked keys still get a share": _filled(0.0),
        "the mask is upside down: here True means that the key may be looked at": lambda s, m: (
            masked_softmax(s, ~m)
        ),
    },
    hints=[
        (
            "Do it in this order: mask, then softmax. A key that is not allowed must not be in the"
            " sum either."
        ),
        (
            "np.where(mask, scores, -np.inf) works for every row that has at least one True. What"
            " happens in the last row?"
        ),
        (
            "For a row without any True, the maximum is -inf. Replace it by 0 before subtracting,"
            " and divide by 1 where the sum is 0."
        ),
    ],
)
