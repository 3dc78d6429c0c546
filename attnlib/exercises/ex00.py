"""Exercises of notebook 00: shapes, and reading the table."""

import numpy as np

from attnlib.exercises import Exercise


def predict_shapes(h, n, d):
    """The shapes of q @ kᵀ, of its row sums, and of `scores` with a mask put on: h heads, n tokens, width d."""
    return (h, n, n), (h, n), (h, n, n)


shapes = Exercise(
    predict_shapes,
    title="Shapes before numbers",
    level=1,
    minutes=8,
    inputs=lambda rng: [tuple(int(x) for x in rng.choice(np.arange(2, 12), 3, replace=False)) for _ in range(4)],
    names=("scores", "row sums", "masked"),
    mistakes={
        "the heads got lost: every head has a table of its own, so the first axis stays h": lambda h, n, d: ((n, n), (n,), (n, n)),
        "the row sums kept an axis: summing over the keys (the last axis) removes it": lambda h, n, d: ((h, n, n), (h, n, 1), (h, n, n)),
        "the row sums were taken over the heads: axis=-1 is the last one, the keys": lambda h, n, d: ((h, n, n), (n, n), (h, n, n)),
        "you summed over the tokens; the width d is what is summed away": lambda h, n, d: ((h, d, d), (h, d), (h, d, d)),
        "q @ k came out (h, n, d): the width d is summed away, and what is left is token by token": lambda h, n, d: (
            (h, n, d),
            (h, n),
            (h, n, d),
        ),
        "the mask took the axis of the heads away: (n, n) is stretched over all heads": lambda h, n, d: ((h, n, n), (h, n), (n, n)),
        "you kept one sum for each head: every row of every head has its own": lambda h, n, d: ((h, n, n), (h,), (h, n, n)),
    },
    hints=[
        "Put numbers in: h = 2, n = 3, d = 5. Make the arrays with np.ones and look at .shape.",
        "q is (h, n, d); k transposed in its last two axes is (h, d, n). A matrix product keeps the outer axes and sums the inner one.",
        "A sum over the last axis removes it. A mask (n, n) is stretched over all h heads, so the result keeps the shape of scores.",
    ],
)


def most_looked_at(weights):
    """For every head and query, the position of the key with the largest weight. (h, n, n) -> (h, n)"""
    return weights.argmax(axis=-1)


def _tables(rng):
    shapes = [(1, 4, 4), (3, 5, 5), (2, 3, 6)]
    return [(w / w.sum(-1, keepdims=True),) for w in map(rng.random, shapes)]


looks_most_at = Exercise(
    most_looked_at,
    title="Read the table by code",
    level=1,
    minutes=5,
    inputs=_tables,
    names=("positions",),
    mistakes={
        "you took the largest of each column (axis=-2): that says by whom a key is looked at most, not at whom a query looks": lambda w: (
            w.argmax(axis=-2)
        ),
        "you took the largest over the heads (axis=0)": lambda w: w.argmax(axis=0),
        "you returned the largest weights, not the positions where they stand": lambda w: w.max(axis=-1),
        "you took the smallest of each row": lambda w: w.argmin(axis=-1),
        "you counted from 1: NumPy counts from 0": lambda w: w.argmax(axis=-1) + 1,
    },
    hints=[
        "One row per query: look along a row, from key to key. Which axis is that?",
        "NumPy has a function for the position of the largest number: argmax.",
        "The keys are the last axis: weights.argmax(axis=...).",
    ],
)
