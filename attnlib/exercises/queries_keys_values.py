"""Exercises and questions of queries_keys_values: write attention, and shuffle a sentence."""

import numpy as np

from attnlib.attention import softmax
from attnlib.exercises import Exercise, Question

alike = Question(
    "queries_keys_values.alike",
    "cells",
    "Which cell of `x @ x.T` will be strongest?",
    why="A word has all its own features in common with itself, so no cell of a row is stronger"
    " than the one on the diagonal, and the strongest is where a word has most. Some pairs of words"
    " come near. The row of *it* has no stronger cell than its own.",
)

shares = Question(
    "queries_keys_values.shares",
    "split",
    "*it* shares out 1. Who gets how much?",
    why="exp(0) is 1, and eight ones add up. A lead of 1.4 is not much against so many.",
)

alive = Question(
    "queries_keys_values.alive",
    "curve",
    "*it* asks for 1 of *noun*, and for how much of *alive*? Ours asks for 0.4. Draw the weight of"
    " *cat*.",
    given=6,
    xlabel="alive, for 1 of noun, in the question of it",
    ylabel="weight of cat",
    why="An S, not a straight line. At 0 nothing tells the two nouns apart, and they share. At"
    " 0.5 *cat* has nine tenths of it; from 1 on there is nothing left to win.",
)

ending = Question(
    "queries_keys_values.ending",
    "choice",
    "Of 5,000 random heads: in how many does *it* prefer *cat* with one ending, and *mat* with the"
    " other?",
    options=[
        (
            "in about half of them",
            "As if a coin were tossed for each ending. But which rows make the scores of *cat* and"
            " *mat*?",
        ),
        ("in some hundreds", "Chance can do much, if it is given something that differs."),
        ("in a handful", "So few would be luck. What could luck work on here?"),
        "in not a single one",
    ],
    right="in not a single one",
    why="It is 0 by construction. The question of *it* is made from its own features, the keys of"
    " *cat* and *mat* from theirs, and the ending changes none of these: both scores stay the"
    " same numbers. The last word can take a share from both, and cannot change their order.",
)

table = Question(
    "queries_keys_values.table",
    "cells",
    "Our table is laid on these words. Which cell will be strongest?",
    why="The table knows places, not words: it looks most from place 7 to place 1, counted from 0."
    " Whoever stands there now looks, and is looked at.",
)


def turning(tired, soft, draws, rng):
    """Of so many random heads, in how many does *it* prefer *cat* with one ending, and *mat* with
    the other? tired, soft (10, d): the words of the story, with either ending.
    """
    cat, mat, it, turned = 1, 5, 7, 0
    for _ in range(draws):
        W_q, W_k = rng.normal(size=(2, tired.shape[1], 8))
        one, other = (x[it] @ W_q @ (x @ W_k).T for x in (tired, soft))
        turned += (one[cat] > one[mat]) != (other[cat] > other[mat])
    return int(turned)


def simple_attention(q, k, v):
    """Scaled dot-product attention for one head: q (n_q, d), k (n_k, d), v (n_k, d_v) -> output,
    weights.
    """
    scores = q @ k.T / np.sqrt(q.shape[-1])  # (n_q, n_k)
    scores = np.exp(scores - scores.max(axis=-1, keepdims=True))
    weights = scores / scores.sum(axis=-1, keepdims=True)  # (n_q, n_k), each row sums to 1
    return weights @ v, weights  # (n_q, d_v)


def _qkv(rng):
    sizes = [(3, 6, 4, 5), (4, 4, 3, 3), (5, 5, 8, 2), (1, 7, 2, 2)]
    trials = [
        tuple(rng.normal(0, 2, s) for s in [(n_q, d), (n_k, d), (n_k, d_v)])
        for n_q, n_k, d, d_v in sizes
    ]
    q, k, v = trials[0]
    return [*trials, (q * 300, k * 300, v)]  # scores in the hundred thousands


def _with(weights, v):
    return weights @ v, weights


def _naive(q, k, v, d, axis=-1):
    scores = np.exp(q @ k.T / np.sqrt(d))
    return _with(scores / scores.sum(axis=axis, keepdims=True), v)


def _scaled(divisor):
    """Attention with another divisor, with and without the maximum."""
    return [
        lambda q, k, v: _with(softmax(q @ k.T / divisor(q, k, v)), v),
        lambda q, k, v: _naive(q, k, v, divisor(q, k, v) ** 2),
    ]


def _all_keys(scores):
    return np.exp(scores - scores.max(axis=-1, keepdims=True))


def _one_maximum(q, k, v):
    scores = q @ k.T / np.sqrt(q.shape[-1])
    scores = np.exp(scores - scores.max())
    return _with(scores / scores.sum(axis=-1, keepdims=True), v)


def _mean_subtracted(q, k, v):
    scores = q @ k.T / np.sqrt(q.shape[-1])
    scores = np.exp(scores - scores.mean(axis=-1, keepdims=True))
    return _with(scores / scores.sum(axis=-1, keepdims=True), v)


attention = Exercise(
    simple_attention,
    title="Write attention",
    level=2,
    minutes=20,
    inputs=_qkv,
    names=("output", "weights"),
    mistakes={
        "q and k changed places: row i of the scores belongs to query i, so it is q @ k.T": (
            lambda q, k, v: simple_attention(k, q, v)
        ),
        "the scores are not divided by √d": lambda q, k, v: _with(softmax(q @ k.T), v),
        "the scores are divided by d, not by its square root": _scaled(lambda q, k, v: q.shape[-1]),
        "you wrote d ** 1/2: Python reads (d ** 1) / 2. Write d ** 0.5, or np.sqrt(d)": [
            *_scaled(lambda q, k, v: q.shape[-1] * 2),
            *_scaled(lambda q, k, v: q.shape[-1] / 2),
        ],
        "the scores are multiplied by √d: divide them": _scaled(
            lambda q, k, v: q.shape[-1] ** -0.5
        ),
        "the scores are divided by √n, the number of tokens; it should be √d, the width of q": [
            *_scaled(lambda q, k, v: np.sqrt(len(k))),
            *_scaled(lambda q, k, v: np.sqrt(len(q))),
        ],
        "the scores are divided by the root of the width of v; √d is the width of q": _scaled(
            lambda q, k, v: np.sqrt(v.shape[-1])
        ),
        "the weights are divided by √d: divide the scores, before the softmax": (
            lambda q, k, v: _with(softmax(q @ k.T) / np.sqrt(q.shape[-1]), v)
        ),
        "the softmax runs down the columns (axis 0): then the columns sum to 1, and the rows do "
        "not": [
            lambda q, k, v: _with(softmax(q @ k.T / np.sqrt(q.shape[-1]), axis=0), v),
            lambda q, k, v: _naive(q, k, v, q.shape[-1], axis=0),
        ],
        "the softmax runs over the whole table: all weights together sum to 1": [
            lambda q, k, v: _with(
                softmax((q @ k.T / np.sqrt(q.shape[-1])).ravel()).reshape(len(q), len(k)), v
            ),
            lambda q, k, v: _naive(q, k, v, q.shape[-1], axis=None),
        ],
        "exp is there, but nothing is divided by the sum of the row": [
            lambda q, k, v: _with(_all_keys(q @ k.T / np.sqrt(q.shape[-1])), v),
            lambda q, k, v: _with(np.exp(q @ k.T / np.sqrt(q.shape[-1])), v),
        ],
        "the two results changed places: first the output, then the weights": (
            lambda q, k, v: simple_attention(q, k, v)[::-1]
        ),
        "the keys are mixed: the weights come from q and k, the output from the values": (
            lambda q, k, v: (
                _with(simple_attention(q, k, v)[1], k)[:1] + simple_attention(q, k, v)[1:]
            )
        ),
        "you put on a causal mask: here everyone may look at everyone": lambda q, k, v: _with(
            softmax(q @ k.T / np.sqrt(q.shape[-1]), where=np.tri(len(q), len(k), dtype=bool)), v
        ),
        "the scores themselves are returned, without the softmax": lambda q, k, v: _with(
            q @ k.T / np.sqrt(q.shape[-1]), v
        ),
        "exp of large scores overflows: subtract the largest score of each row first": [
            lambda q, k, v: _naive(q, k, v, q.shape[-1]),
            _mean_subtracted,
        ],
        "two things are missing: the scores are not divided by √d, and exp of large scores "
        "overflows": lambda q, k, v: _naive(q, k, v, 1),
        "one maximum was subtracted for the whole table: each row needs its own, or rows far below "
        "it become 0/0": _one_maximum,
    },
    hints=[
        "Three lines: scores, weights, output. Write the shape of each behind it.",
        "scores = q @ k.T / np.sqrt(d), where d is the width of a query: q.shape[-1].",
        (
            "Each row of weights is exp(scores) divided by the sum of exp(scores) in that row:"
            " sum(axis=-1, keepdims=True). Subtract the row's maximum first, or large scores"
            " overflow."
        ),
        "Return two things: weights @ v, weights.",
    ],
)


def weights_after_shuffle(weights, order):
    """Weights of a sentence -> weights of the sentence in another order, token order[i] at place i.
    No attention needed.
    """
    return weights[order][:, order]


def _shuffles(rng):
    """Orders that move every token, and that are not undone by doing them twice: all places in one
    circle.
    """
    trials = []
    for n in (4, 6, 9):
        circle, order = rng.permutation(n), np.empty(n, int)
        order[circle] = np.roll(circle, 1)
        trials.append((softmax(rng.normal(0, 2, (n, n))), order))
    return trials


shuffled = Exercise(
    weights_after_shuffle,
    title="Shuffle the sentence",
    level=2,
    minutes=10,
    inputs=_shuffles,
    names=("weights",),
    mistakes={
        "only the rows moved: the keys are the same tokens in the new order too": (
            lambda w, order: w[order]
        ),
        "only the columns moved: the queries are in the new order too": lambda w, order: w[
            :, order
        ],
        "the order was undone instead of applied: place i gets token order[i]": lambda w, order: w[
            np.argsort(order)
        ][:, np.argsort(order)],
        "w[order, order] takes only the diagonal; index the rows, then the columns": (
            lambda w, order: w[order, order]
        ),
        "rows and columns changed places": lambda w, order: w[order][:, order].T,
        "nothing moved": lambda w, order: w,
    },
    hints=[
        (
            "Who sits at place 0 of the new sentence? Token order[0]. Its row moves along with it."
            " And the columns?"
        ),
        (
            "weights[order] puts the rows in the new order. The keys are the same tokens, so the"
            " columns need the same order."
        ),
        "weights[order][:, ...]",
    ],
)
