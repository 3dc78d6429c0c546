"""Exercises and questions of similarity_and_softmax: alike in direction, a softmax that survives
1000, a soft look-up.
"""

import numpy as np

from attnlib.attention import softmax
from attnlib.exercises import Exercise, Question

hard = Question(
    "similarity_and_softmax.hard",
    "curve",
    "You believe only the friend who agrees most with you. Your taste turns once around. Draw your"
    " guess.",
    given=0,
    limits=(0, 10),
    xlabel="angle of your taste, degrees",
    ylabel="guessed stars",
    why="One friend's stars, then all at once another's. Dora, whose arrow is longest, has the"
    " widest stretch. Between two jumps turning changes nothing, so there is nothing to learn by.",
)

lead = Question(
    "similarity_and_softmax.lead",
    "split",
    "Scores 2, 1 and 0: softmax shares out 1. Who gets how much?",
    why="Each gets *e* times as much as the next, about 2.7 times. A lead of 1 is worth that much"
    " wherever the scores are.",
)

squares = Question(
    "similarity_and_softmax.squares",
    "cells",
    "Shares by squares: who gets the largest?",
    why="A square forgets the sign. To disagree strongly counts as much as to agree strongly, so"
    " the worst match wins.",
)

shift = Question(
    "similarity_and_softmax.shift",
    "choice",
    "Take 1000 off each of the scores 1000, 999 and 0. What should happen to their shares?",
    options=[
        ("the first two get less", "They are smaller now. But so are all: has any lead changed?"),
        ("the last one gets nothing", "exp of a negative number is small, and never below 0."),
        "they stay as they are",
        (
            "they can no longer sum to 1",
            "Whatever exp makes of the scores is divided by its own sum.",
        ),
    ],
    right="they stay as they are",
    why="All leads are what they were. Above and below the fraction line everything is divided by"
    " the same number.",
)

loud = Question(
    "similarity_and_softmax.loud",
    "choice",
    "Cem's arrow becomes three times as long. To whom does he matter more than before?",
    options=[
        ("to everyone", "What becomes of a score that was below 0?"),
        "to those less than a right angle away",
        (
            "to nobody: his direction is the same",
            "The cosine is the same. A dot product also has his length in it.",
        ),
        (
            "to those more than a right angle away",
            "Their scores with him are negative. Three times as long, and they are more so.",
        ),
    ],
    right="to those less than a right angle away",
    why="A positive score becomes three times as large, and a negative one three times as far below"
    " 0. A long key weighs more with its friends, and less with everyone else.",
)


def cosines(x):
    """The cosine of the angle between two rows; 0 where a row has no length. (n, d) -> (n, n)"""
    lengths = np.sqrt((x**2).sum(axis=1, keepdims=True))  # (n, 1)
    unit = x / np.where(lengths == 0, 1, lengths)  # (n, d): every row has length 1, or 0
    return unit @ unit.T  # (n, n)


def _rows(rng):
    # (4, 4): without keepdims it does not raise
    trials = [(rng.normal(0, 2, shape),) for shape in [(3, 2), (4, 4), (2, 7)]]
    holed = rng.normal(size=(4, 3))
    holed[1] = 0
    return [*trials, (holed,)]


def _lengths(x, **how):
    return np.sqrt((x**2).sum(**how))


def _guarded(x):
    """The length of each row, with 1 in place of 0. (n, 1)"""
    lengths = _lengths(x, axis=1, keepdims=True)
    return np.where(lengths == 0, 1, lengths)


alike = Exercise(
    cosines,
    title="Alike in direction",
    level=2,
    minutes=13,
    inputs=_rows,
    names=("cosines",),
    mistakes={
        "the dot products are right, but not divided "
        "by the lengths: long arrows still count more": (lambda x: x @ x.T),
        "only one of the two lengths was divided out: row i needs it, and column j too": [
            lambda x: x @ x.T / _lengths(x, axis=1, keepdims=True),
            lambda x: x @ x.T / _lengths(x, axis=1),
            lambda x: x @ x.T / _guarded(x),
            lambda x: x @ x.T / _guarded(x).T,
        ],
        "you divided by the squared length of one row: a cosine has two lengths below the line, "
        "one of each row": [
            lambda x: x @ x.T / (x**2).sum(axis=1, keepdims=True),
            lambda x: x @ x.T / (x**2).sum(axis=1),
            lambda x: x @ x.T / _guarded(x) ** 2,
        ],
        "you divided by the squared lengths: the length is the square root of the sum of squares": [
            lambda x: x @ x.T / np.outer((x**2).sum(axis=1), (x**2).sum(axis=1)),
            lambda x: x @ x.T / (_guarded(x) @ _guarded(x).T) ** 2,
        ],
        "you divided by one length for all rows: each row has its own (axis=1), and a cosine has "
        "two": (lambda x: x @ x.T / _lengths(x)),
        "the length is the sum of the absolute values: "
        "it should be the root of the sum of squares": [
            lambda x: x @ x.T / np.outer(abs(x).sum(axis=1), abs(x).sum(axis=1)),
            lambda x: (
                x @ x.T / np.maximum(np.outer(abs(x).sum(axis=1), abs(x).sum(axis=1)), 1e-300)
            ),
        ],
        "the length was taken over all rows at once: each row has its own, sum(axis=1)": (
            lambda x: x @ x.T / (x**2).sum()
        ),
        "keepdims=True is missing: without it the lengths stand in a row, (n,), and divide the "
        "columns": lambda x: (x / _lengths(x, axis=1)) @ (x / _lengths(x, axis=1)).T,
        "the lengths were taken down the columns (axis 0): a row is one arrow, so sum along it": (
            lambda x: (
                (x / _lengths(x, axis=0, keepdims=True))
                @ (x / _lengths(x, axis=0, keepdims=True)).T
            )
        ),
        "a row of length 0 became NaN: it points nowhere, so 0/0 should be 0 here": lambda x: (
            x @ x.T / np.outer(_lengths(x, axis=1), _lengths(x, axis=1))
        ),
        "you returned distances: near rows get small "
        "numbers, but alike rows should get large ones": lambda x: _lengths(
            x[:, None] - x, axis=-1
        ),
        "you returned angles: leave out the arccos": lambda x: np.arccos(
            np.clip(cosines(x), -1, 1)
        ),
        "abs took the sign away: rows that "
        "point in opposite directions have the cosine -1": lambda x: abs(cosines(x)),
    },
    hints=[
        "Dot product = length × length × cosine. Which two lengths have to go?",
        (
            "The length of each row: np.sqrt((x ** 2).sum(axis=1, keepdims=True)). Divide x by it"
            " first, then multiply."
        ),
        (
            "A row of zeros has length 0. Use np.where(lengths == 0, 1, lengths) below the line: 0"
            " / 1 is 0."
        ),
    ],
)


def stable_softmax(x):
    """Shares along the last axis, for numbers of any size. (..., n) -> (..., n)"""
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def _numbers(rng):
    sizes = [((5,), 1), ((3, 4), 2), ((4, 4), 3), ((2, 3, 5), 2)]
    trials = [(rng.normal(0, size, shape),) for shape, size in sizes]
    far = rng.normal(0, 1000, (3, 4))
    far[0, 0] = 4000.0  # far above the mean of its row, too
    far[1] = -1000, 200, 201, 202  # and these only above the smallest
    return [
        *trials,
        (far,),
        (rng.normal(-3000, 2, (3, 4)),),
        (np.array([[0.0, 1.0], [50_000.0, 50_001.0]]),),
    ]


def _exp_over(x, **how):
    return np.exp(x) / np.exp(x).sum(**how)


def _unkept(peak, total):
    """Softmax without keepdims in one place or in both: peak(x) is subtracted, total says whether
    the sum keeps its axis.
    """

    def wrong(x):
        e = np.exp(x - peak(x))
        return e / e.sum(axis=-1, keepdims=total)

    return wrong


def _one_maximum(x):
    e = np.exp(x - x.max())
    return e / e.sum(axis=-1, keepdims=True)


survives = Exercise(
    stable_softmax,
    title="A softmax that survives 1000",
    level=2,
    minutes=16,
    inputs=_numbers,
    names=("shares",),
    mistakes={
        "exp of large numbers overflows, inf / inf is NaN: subtract the largest number of each row "
        "first": lambda x: _exp_over(x, axis=-1, keepdims=True),
        "keepdims=True is missing: without it the maxima or sums of the rows stand in a row "
        "themselves, (n,), and meet the columns. Write it in max and in sum": [
            _unkept(lambda x: x.max(axis=-1), False),
            _unkept(lambda x: x.max(axis=-1), True),
            _unkept(lambda x: x.max(axis=-1, keepdims=True), False),
            _unkept(lambda x: x.max(), False),
            _unkept(lambda x: 0, False),
        ],
        "everything was divided by one sum: each row needs its own, sum(axis=-1, keepdims=True)": [
            lambda x: (
                np.exp(x - x.max(axis=-1, keepdims=True))
                / np.exp(x - x.max(axis=-1, keepdims=True)).sum()
            ),
            lambda x: softmax(x.ravel()).reshape(x.shape),
            lambda x: np.exp(x) / np.exp(x).sum(),
        ],
        "the sum runs down the columns (axis 0): then columns sum to 1, and rows do not": [
            lambda x: softmax(x, axis=0),
            lambda x: _exp_over(x, axis=0),
            lambda x: (
                np.exp(x - x.max(axis=-1, keepdims=True))
                / np.exp(x - x.max(axis=-1, keepdims=True)).sum(axis=0)
            ),
        ],
        "the maximum of each column was subtracted (axis 0): each row needs its own, or its shares "
        "change": lambda x: _exp_over(x - x.max(axis=0), axis=-1, keepdims=True),
        "one maximum was subtracted for the whole array: rows far below it become 0/0. Each row "
        "needs its own": _one_maximum,
        "the mean was subtracted: a number far above the mean still overflows. Subtract the "
        "largest": lambda x: _exp_over(x - x.mean(axis=-1, keepdims=True), axis=-1, keepdims=True),
        "the shares are of the numbers themselves, without exp: negative numbers give negative "
        "shares": lambda x: x / x.sum(axis=-1, keepdims=True),
        "the smallest number was subtracted: a number far above it still overflows. Subtract the "
        "largest": lambda x: _exp_over(x - x.min(axis=-1, keepdims=True), axis=-1, keepdims=True),
        "the largest number was divided out instead of subtracted": [
            lambda x: _exp_over(x / x.max(axis=-1, keepdims=True), axis=-1, keepdims=True),
            lambda x: _exp_over(x / np.abs(x).max(axis=-1, keepdims=True), axis=-1, keepdims=True),
        ],
        "nan_to_num hides what overflowed, but the right shares are not 0 there: subtract the "
        "largest number of each row first": lambda x: np.nan_to_num(
            _exp_over(x, axis=-1, keepdims=True)
        ),
        "clip made different numbers equal: subtract the largest number of each row, then nothing "
        "needs a clip": [
            lambda x: _exp_over(np.clip(x, -700, 700), axis=-1, keepdims=True),
            lambda x: _exp_over(np.clip(x, -500, 500), axis=-1, keepdims=True),
            lambda x: _exp_over(np.minimum(x, 700), axis=-1, keepdims=True),
        ],
        "exp is there, but nothing is divided by the sum of the row": lambda x: np.exp(
            x - x.max(axis=-1, keepdims=True)
        ),
        "exp(−x) was taken: the smallest number got the largest share": [
            lambda x: softmax(-x),
            lambda x: _exp_over(-x, axis=-1, keepdims=True),
        ],
        "the largest number gets everything: this is a "
        "hard choice, and softmax is a soft one": lambda x: (
            x == x.max(axis=-1, keepdims=True)
        ).astype(float),
    },
    hints=[
        "exp(x - c) / sum(exp(x - c)) is the same for every c. Which c keeps exp from overflowing?",
        (
            "Take the largest of each row: x.max(axis=-1, keepdims=True). Then the largest exponent"
            " is 0, and exp(0) is 1."
        ),
        "keepdims=True keeps the axis, with length 1, so that every row is divided by its own sum.",
    ],
)


def soft_lookup(query, keys, values, temperature):
    """The mean of the values, weighted by how well each key fits: query (d,), keys (n, d), values
    (n, d_v) -> (d_v,)
    """
    weights = softmax(keys @ query / temperature)  # (n,)
    return weights @ values  # (d_v,)


def _lookups(rng):
    sizes = [(5, 2, 1, 1.0), (4, 3, 2, 0.5), (6, 6, 6, 2.0), (3, 2, 4, 0.1)]
    return [
        (rng.normal(size=d), rng.normal(size=(n, d)), rng.normal(size=(n, d_v)), t)
        for n, d, d_v, t in sizes
    ]


lookup = Exercise(
    soft_lookup,
    title="A soft look-up",
    level=1,
    minutes=6,
    inputs=_lookups,
    names=("answer",),
    mistakes={
        "the temperature is not used": lambda q, k, v, t: softmax(k @ q) @ v,
        "the scores are multiplied by the temperature: a high temperature should make the answer "
        "more even": lambda q, k, v, t: softmax(k @ q * t) @ v,
        "the weights are divided by the temperature: divide the scores, before the softmax": (
            lambda q, k, v, t: softmax(k @ q) / t @ v
        ),
        "the scores weigh the values directly, without the softmax": (
            lambda q, k, v, t: (k @ q / t) @ v
        ),
        "only the best entry answers: that is a hard look-up": lambda q, k, v, t: v[
            np.argmax(k @ q)
        ],
        "all entries answer alike: that is the plain mean": lambda q, k, v, t: v.mean(axis=0),
        "you returned the weights, not the mixture of the values": lambda q, k, v, t: softmax(
            k @ q / t
        ),
        "the query is compared with the values: compare it with the keys, and mix the values": (
            lambda q, k, v, t: softmax(v @ q / t) @ v
        ),
        "the keys are mixed: the weights come from the keys, the answer from the values": (
            lambda q, k, v, t: softmax(k @ q / t) @ k
        ),
        "distances took the place of dot products": [
            lambda q, k, v, t: softmax(-_lengths(k - q, axis=1) / t) @ v,
            lambda q, k, v, t: softmax(-(_lengths(k - q, axis=1) ** 2) / t) @ v,
        ],
        "you divided out the lengths: that compares directions only; here it is the plain dot "
        "product": [
            lambda q, k, v, t: softmax(k @ q / _lengths(k, axis=1) / _lengths(q) / t) @ v,
            lambda q, k, v, t: softmax(k @ q / _lengths(k, axis=1) / _lengths(q)) @ v,
        ],
        "you also divided by √d: here the temperature alone divides the scores": (
            lambda q, k, v, t: softmax(k @ q / np.sqrt(len(q)) / t) @ v
        ),
        "you divided by √d instead of the temperature": (
            lambda q, k, v, t: softmax(k @ q / np.sqrt(len(q))) @ v
        ),
        "the mean was taken at the end: the weights already sum to 1, so add the weighted values "
        "up": lambda q, k, v, t: softmax(k @ q / t) @ v / len(v),
    },
    hints=[
        "Three steps: scores, weights, mixture.",
        (
            "keys @ query is one score per entry, (n,). Divide it by the temperature, then take the"
            " softmax."
        ),
        "weights @ values adds up the rows of values, each times its weight.",
    ],
)
