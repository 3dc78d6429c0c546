"""Exercises and questions of why_scale: measure the spread, repair a head, the slope of softmax."""

import numpy as np

from attnlib.attention import softmax
from attnlib.exercises import Exercise, Question

wide = Question(
    "why_scale.wide",
    "curve",
    "The head grows wider, and nothing is divided. Draw the largest of ten weights, in a typical"
    " row.",
    xlabel="d, columns of a query",
    ylabel="largest weight",
    why="The wider the head, the surer it is, and by chance alone: its scores stray further, and"
    " softmax turns leads into factors.",
)

nudge = Question(
    "why_scale.nudge",
    "choice",
    "The second-best word is nudged in both heads. Whose weights move?",
    options=[
        ("both heads', by about as much", "The nudge is the same. What is it next to the leads?"),
        (
            "the wide head's more",
            "Its scores are larger. But how much of its 1 does the second-best word have to move?",
        ),
        "the narrow head's alone",
        ("neither head's", "In a soft row any lead counts, a small one as well."),
    ],
    right="the narrow head's alone",
    why="In the wide head the best word leads by so much that 0.1 makes no difference; and who"
    " learns by small differences learns nothing from that.",
)

which = Question(
    "why_scale.which",
    "choice",
    "Eight heads of 64 columns, `d_model` is 512, and a head divides by the root of that. How far"
    " do its scores stray? They should stray by 1.",
    options=[
        ("by 1", "Yes, if a score added up 512 products. How many does it add up?"),
        "about a third as far as they should",
        ("about three times too far", "512 is more than 64, and it stands below the line."),
        ("an eighth as far as they should", "64 is an eighth of 512. And their roots?"),
    ],
    right="about a third as far as they should",
    why="The sum of 64 products strays by 8, and is divided by nearly 23.",
)

same = Question(
    "why_scale.same",
    "choice",
    "Query and key are the same 1,024 random numbers. How large is q·k / √d, about?",
    options=[
        ("0", "That is the mean for strangers, whose products cancel. Can a square be below 0?"),
        ("1", "That is the spread for strangers, whose products cancel mostly."),
        "32",
        ("1,024", "So large is q·k. What does the division leave?"),
    ],
    right="32",
    why="Every product is a square, so nothing cancels. The sum is about d, and d / √d is √d.",
)


def dot_spread(d, rng):
    """The standard deviation of q·k, measured on 4,000 pairs of random arrows with d columns."""
    q = rng.normal(size=(4000, d))
    k = rng.normal(size=(4000, d))
    return (q * k).sum(axis=1).std()


def _spread_fault(got, d, rng):
    try:
        kind, shape = np.asarray(got).dtype.kind, np.shape(got)
    except Exception:  # what a learner returns may be anything
        kind, shape = "?", ()
    if kind not in "iuf" or shape:
        return (
            "Return one number, the spread of the dot products. Got"
            f" {f'the shape {shape}' if shape else type(got).__name__}."
        )
    got, root = float(got), d**0.5
    if abs(got - root) < 1e-9 and root % 1:
        return (
            f"For d = {d} you returned {got:.6g}, exactly √d: that is the law, but here you should"
            " measure it. Draw pairs with rng."
        )
    if abs(got - root) < 0.13 * root:  # 1,000 pairs are enough, nearly always
        return ""
    near = _NEAR_ONE if d == 1 else _NEAR
    words = next(
        (words for words, value in near.items() if abs(got - value(d)) < 0.06 * value(d)), ""
    )
    if not words and abs(got) < 0.1 * root:
        words = (
            "That is near 0: the mean of the dot products. Some are positive, some negative;"
            " measure how far they stray"
        )
    if not words and got > 2.5 * d:
        words = (
            "That is far too much: add up the d products of a pair, sum(axis=1), and not over the"
            " pairs"
        )
    if not words and not np.isfinite(got):
        words = "That is not a number that can be measured"
    said = words or "That is too far off. Take at least 2,000 pairs, and all d columns of each"
    return f"For d = {d} you measured {got:.3g}. {said}."


_NEAR = {
    "That is near d, the variance: the standard "
    "deviation is its square root (.std(), not .var())": (lambda d: d),
    "That is near 1: one number of q, or one product, strays that far (or you divided by √d). "
    "Measure the dot products, which add up d products, as they are": (lambda d: 1),
    "That is near 1/√d: you took the mean of the d products; the dot product is their sum": (
        lambda d: d**-0.5
    ),
    "That is near 0.8·√d, the mean of the absolute values: the standard deviation is larger, "
    ".std()": (lambda d: (2 * d / np.pi) ** 0.5),
    "That is near √(2d), the spread of q·q, of q with itself, and the mean distance of q and k. "
    "Take q·k, two different draws": (lambda d: (2 * d) ** 0.5),
    "Your arrows seem to hold numbers from 0 to 1 only. Take rng.normal: they should point "
    "anywhere": (lambda d: (7 * d / 144) ** 0.5),
    "Your arrows seem to hold numbers from -1 to 1 only. Take rng.normal": lambda d: d**0.5 / 3,
}
_NEAR_ONE = {
    "That is the mean length of q: for large d it is "
    "near √d too, for d = 1 it is not. Measure q·k": (lambda d: (2 / np.pi) ** 0.5)
}


def _widths(rng):
    """First a width at which every mistake measures another number; then 1; then large ones."""
    large = [int(rng.integers(low, high)) for low, high in ((30, 60), (80, 120), (200, 300))]
    widths = [int(rng.integers(13, 16)), 1, *map(int, rng.permutation(large))]
    return [(d, np.random.default_rng(int(rng.integers(1 << 32)))) for d in widths]


spread = Exercise(
    dot_spread,
    title="Measure the spread",
    level=1,
    minutes=10,
    inputs=_widths,
    fault=_spread_fault,
    hints=[
        "Draw many pairs at once: rng.normal(size=(4000, d)) are 4,000 arrows with d columns.",
        "The dot product of pair number i is the sum of q[i] * k[i]: (q * k).sum(axis=1).",
        "How far numbers stray is .std().",
    ],
)


def repaired(x, W_q, W_k):
    """The weights of one head: x (n, d_model), W_q and W_k (d_model, d_head) -> (n, n)"""
    q, k = x @ W_q, x @ W_k  # (n, d_head)
    return softmax(q @ k.T / np.sqrt(q.shape[-1]))  # (n, n)


def _scaled(divisor):
    return lambda x, W_q, W_k: softmax((x @ W_q) @ (x @ W_k).T / divisor(x, W_q))


repair = Exercise(
    repaired,
    title="Repair the head",
    level=1,
    minutes=5,
    inputs=lambda rng: [
        (
            rng.normal(size=(n, d)),
            rng.normal(0, d**-0.5, (d, h)) * 2,
            rng.normal(0, d**-0.5, (d, h)) * 2,
        )
        for n, d, h in [(4, 12, 3), (5, 32, 8), (3, 64, 16), (6, 10, 2)]
    ],
    names=("weights",),
    mistakes={
        "the bug is still there: x.shape[-1] is d_model, the width of a token; the dot product "
        "adds up d_head numbers": _scaled(lambda x, W: np.sqrt(x.shape[-1])),
        "you divide by d_model itself: it should be the square root, and of d_head": _scaled(
            lambda x, W: x.shape[-1]
        ),
        "you divide by d_head, not by its square root (or by the square root twice)": _scaled(
            lambda x, W: W.shape[1]
        ),
        "you wrote d ** 1/2: Python reads (d ** 1) / 2. Write d ** 0.5, or np.sqrt(d)": [
            _scaled(lambda x, W: W.shape[1] * 2),
            _scaled(lambda x, W: W.shape[1] / 2),
        ],
        "you divide by the square root of n, the number of tokens": _scaled(
            lambda x, W: np.sqrt(len(x))
        ),
        "the scores are not divided at all": _scaled(lambda x, W: 1),
        "you multiply by √d_head instead of dividing": _scaled(lambda x, W: W.shape[1] ** -0.5),
        "you divide by the square root of the number of heads (d_model / d_head)": _scaled(
            lambda x, W: np.sqrt(W.shape[0] / W.shape[1])
        ),
        "the weights are divided by √d_head: divide the scores, before the softmax": (
            lambda x, W_q, W_k: softmax((x @ W_q) @ (x @ W_k).T) / np.sqrt(W_q.shape[1])
        ),
        "the scores are returned, without the softmax": (
            lambda x, W_q, W_k: (x @ W_q) @ (x @ W_k).T / np.sqrt(W_q.shape[1])
        ),
        "the scores are right, but the softmax runs down the columns": lambda x, W_q, W_k: softmax(
            (x @ W_q) @ (x @ W_k).T / np.sqrt(W_q.shape[1]), axis=0
        ),
        "q and k changed places: row i belongs to query i, so it is q @ k.T": lambda x, W_q, W_k: (
            repaired(x, W_k, W_q)
        ),
    },
    hints=[
        "How many products does one entry of q @ k.T add up? That is the d of √d.",
        "Print the shapes of x, q and k for W_q of the shape (12, 3).",
        "np.sqrt(q.shape[-1])",
    ],
)


def softmax_slope(weights):
    """How much weight i changes per change of score j: entry (i, j) of the table. (n,) -> (n, n)"""
    return np.diag(weights) - np.outer(weights, weights)


slope = Exercise(
    softmax_slope,
    title="The slope of softmax",
    level=3,
    minutes=25,
    inputs=lambda rng: [
        (softmax(rng.normal(0, size, n)),) for n, size in [(3, 1), (5, 2), (4, 4), (7, 1)]
    ],
    names=("slopes",),
    mistakes={
        "only the diagonal is there: raising one score also takes weight away from all others": (
            lambda w: np.diag(w * (1 - w))
        ),
        "the part that is taken away is missing: weight i loses weights[i] * weights[j]": (
            lambda w: np.diag(w)
        ),
        "the diagonal lacks its + weights[i]: raising the own score adds to the weight": (
            lambda w: -np.outer(w, w)
        ),
        "the sign is turned around: raising a score raises its own weight": (
            lambda w: np.outer(w, w) - np.diag(w)
        ),
        "w * w took the place of the table of "
        "all products, but it is one row: take np.outer(w, w)": (lambda w: np.diag(w) - w * w),
        "w @ w took the place of the table of all products, but it is one number: take np.outer(w, "
        "w)": (lambda w: np.diag(w) - w @ w),
        "the two parts are added: the product of the weights is taken away": (
            lambda w: np.diag(w) + np.outer(w, w)
        ),
        "1 stands on the diagonal where weights[i] belongs": (
            lambda w: np.eye(len(w)) - np.outer(w, w)
        ),
        "you have w_i (1 − w_j) everywhere: off the diagonal it is −w_i w_j": lambda w: np.outer(
            w, 1 - w
        ),
        "the rows do not sum to 0, because the weights were put through the softmax again": (
            lambda w: softmax_slope(softmax(w))
        ),
        "you returned one slope per weight; every weight depends on every score, so the result is "
        "a table (n, n)": (lambda w: w * (1 - w)),
    },
    hints=[
        (
            "weight_i = e_i / S with e_i = exp(score_i) and S = the sum of all. Score j is in S,"
            " and also in e_i if i = j."
        ),
        "If i is not j, only S changes: the slope is −e_i e_j / S², which is −weight_i · weight_j.",
        (
            "If i = j, there is e_i / S more: weight_i. So: np.diag(weights) minus a table of"
            " products, np.outer(weights, weights)."
        ),
    ],
)
