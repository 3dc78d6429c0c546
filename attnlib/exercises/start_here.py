"""Exercises and questions of start_here: shapes, and reading the table."""

import numpy as np

from attnlib.exercises import Exercise, Question

soft = Question(
    "start_here.soft",
    "cells",
    "The same head reads that *it was soft*. Where does *it* look most?",
    why="The head wants nouns, and rather living ones. *tired* and *soft* are no nouns: the head"
    " passes them over, as no reader does. How a machine could tell the two endings apart is the"
    " open question of this course.",
)

sums = Question(
    "start_here.sums",
    "choice",
    "Add up the weights of each row, then of each column. What do you get?",
    options=[
        (
            "1 for every row and every column",
            "For the rows, yes. Add up the column of *cat*: .85, and nine times .10.",
        ),
        "1 for every row, but columns differ",
        ("1 for every column, but rows differ", "Other way round: a row is who gives."),
        ("a different number for each", "Add up an even row: ten times .10."),
    ],
    right="1 for every row, but columns differ",
    why="Each token has the same amount of attention to give; what it gets is up to others.",
)

near = Question(
    "start_here.near",
    "split",
    "Pattern *local*, `window = 3`: how does *it* share out its 1 now?",
    why="The row must still add up to 1, and those left in sight keep their proportions. *mat* had"
    " 90 times as much as each of the other words in sight, and has it still: what *cat* had goes"
    " almost all to *mat*.",
)

longer = Question(
    "start_here.longer",
    "choice",
    "A text of 100 words, the same window: what share of all looks does it allow?",
    options=[
        ("nearly half, as before", "The window stayed as it was, but the text grew."),
        ("about a quarter", "That is the share for twice the text."),
        "about a twentieth",
        (
            "less than a hundredth",
            "All pairs are a hundred times as many, but ten times as many words look.",
        ),
    ],
    right="about a twentieth",
    why="Each word keeps five looks, itself included, however long the text is. All pairs grow with"
    " the square of the length. So twice the text leaves about half of the share, and ten times the"
    " text about a tenth.",
)

no_places = Question(
    "start_here.no_places",
    "cells",
    "Positions off: which of the other seven draw another picture? Mark all of them.",
    many=True,
    why="Those whose job speaks of places. (The number: by how much a weight changes at most.)"
    " Meaning and spelling stand in the word itself, wherever it is: *verb → who acts* looks at"
    " all that lives, before the verb or behind it.",
)


def predict_shapes(h, n):
    """The shapes of weights.sum(axis=-1), weights.mean(axis=0) and weights * mask: weights
    (h, n, n), mask (n, n).
    """
    return (h, n), (n, n), (h, n, n)


shapes = Exercise(
    predict_shapes,
    title="Shapes before numbers",
    level=1,
    minutes=10,
    inputs=lambda rng: [
        tuple(int(x) for x in rng.choice(np.arange(2, 12), 2, replace=False)) for _ in range(4)
    ],
    names=("row sums", "mean of the heads", "weights * mask"),
    mistakes={
        "the row sums kept an axis: summing over the keys (the last axis) removes it": (
            lambda h, n: ((h, n, 1), (n, n), (h, n, n))
        ),
        "the row sums were taken over the heads: axis=-1 is the last one, the keys": lambda h, n: (
            (n, n),
            (n, n),
            (h, n, n),
        ),
        "you kept one sum for each head: every row of every head has its own": lambda h, n: (
            (h,),
            (n, n),
            (h, n, n),
        ),
        "you added up the row sums of all heads: every head keeps its own": lambda h, n: (
            (n,),
            (n, n),
            (h, n, n),
        ),
        "the mean kept the heads: axis=0 is the first one, and a mean over it removes it": [
            lambda h, n: ((h, n), (h, n, n), (h, n, n)),
            lambda h, n: ((h, n), (1, n, n), (h, n, n)),
        ],
        "the mean was taken over the queries or the keys: axis=0 is the first one, the heads": (
            lambda h, n: ((h, n), (h, n), (h, n, n))
        ),
        "you kept one mean for each head: it goes over the heads, and leaves one table": (
            lambda h, n: ((h, n), (h,), (h, n, n))
        ),
        "the mask took the axis of the heads away: (n, n) is stretched over all heads": (
            lambda h, n: ((h, n), (n, n), (n, n))
        ),
        "the product lost an axis: * goes number by number, and the mask is stretched over all "
        "heads": lambda h, n: ((h, n), (n, n), (h, n)),
        "the heads got lost: every head has a table "
        "of its own, so the first axis stays h": lambda h, n: ((n,), (n, n), (n, n)),
    },
    hints=[
        (
            "Put numbers in: h = 2, n = 3. Make the arrays with np.ones((2, 3, 3)) and np.ones((3,"
            " 3)), and look at .shape."
        ),
        (
            "A sum or a mean over an axis removes that axis: axis=-1 is the last one, axis=0 the"
            " first."
        ),
        (
            "A mask (n, n) is stretched over all h heads, so weights * mask keeps the shape of"
            " weights."
        ),
    ],
)


def most_looked_at(weights):
    """For every head and query, the position of the key with the largest weight. (h, n, n)
    -> (h, n)
    """
    return weights.argmax(axis=-1)


def _tables(rng):
    shapes = [(1, 4, 4), (3, 5, 5), (2, 3, 6)]
    return [(w / w.sum(-1, keepdims=True),) for w in map(rng.random, shapes)]


looks_most_at = Exercise(
    most_looked_at,
    title="Read the table by code",
    level=1,
    minutes=10,
    inputs=_tables,
    names=("positions",),
    mistakes={
        "you took the largest of each column (axis=-2): that says by whom a key is looked at most, "
        "not at whom a query looks": lambda w: w.argmax(axis=-2),
        "you took the largest over the heads (axis=0)": lambda w: w.argmax(axis=0),
        "you returned the largest weights, not the positions where they stand": lambda w: w.max(
            axis=-1
        ),
        "you took the smallest of each row": lambda w: w.argmin(axis=-1),
        "you counted from 1: NumPy counts from 0": lambda w: w.argmax(axis=-1) + 1,
    },
    hints=[
        "One row per query: look along a row, from key to key. Which axis is that?",
        "NumPy has a function for the position of the largest number: argmax.",
        "The keys are the last axis: weights.argmax(axis=...).",
    ],
)
