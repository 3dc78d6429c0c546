"""Exercises of notebook 03: write attention, and shuffle a sentence."""

import numpy as np

from attnlib.attention import softmax
from attnlib.exercises import Exercise


def simple_attention(q, k, v):
    """Scaled dot-product attention for one head: q (n_q, d), k (n_k, d), v (n_k, d_v) -> output, weights."""
    scores = q @ k.T / np.sqrt(q.shape[-1])                            # (n_q, n_k)
    scores = np.exp(scores - scores.max(axis=-1, keepdims=True))
    weights = scores / scores.sum(axis=-1, keepdims=True)              # (n_q, n_k), each row sums to 1
    return weights @ v, weights                                        # (n_q, d_v)


def _qkv(rng):
    sizes = [(3, 6, 4, 5), (4, 4, 3, 3), (5, 5, 8, 2), (1, 7, 2, 2)]
    trials = [tuple(rng.normal(0, 2, s) for s in [(n_q, d), (n_k, d), (n_k, d_v)]) for n_q, n_k, d, d_v in sizes]
    q, k, v = trials[0]
    return [*trials, (q * 300, k * 300, v)]                            # scores in the hundred thousands


def _with(weights, v):
    return weights @ v, weights


def _naive(q, k, v, d):
    scores = np.exp(q @ k.T / np.sqrt(d))
    return _with(scores / scores.sum(axis=-1, keepdims=True), v)


def _one_maximum(q, k, v):
    scores = q @ k.T / np.sqrt(q.shape[-1])
    scores = np.exp(scores - scores.max())
    return _with(scores / scores.sum(axis=-1, keepdims=True), v)


attention = Exercise(
    simple_attention,
    title="Write attention",
    level=2,
    minutes=15,
    inputs=_qkv,
    names=("output", "weights"),
    mistakes={
        "q and k changed places: row i of the scores belongs to query i, so it is q @ k.T": lambda q, k, v: simple_attention(k, q, v),
        "the scores are not divided by √d": lambda q, k, v: _with(softmax(q @ k.T), v),
        "the scores are divided by d, not by its square root": lambda q, k, v: _with(softmax(q @ k.T / q.shape[-1]), v),
        "the scores are divided by √n, the number of tokens; it should be √d, the width of q": lambda q, k, v: _with(
            softmax(q @ k.T / np.sqrt(len(k))), v
        ),
        "the softmax runs down the columns (axis 0): then the columns sum to 1, and the rows do not": lambda q, k, v: _with(
            softmax(q @ k.T / np.sqrt(q.shape[-1]), axis=0), v
        ),
        "the softmax runs over the whole table: all weights together sum to 1": lambda q, k, v: _with(
            softmax((q @ k.T / np.sqrt(q.shape[-1])).ravel()).reshape(len(q), len(k)), v
        ),
        "the scores themselves are returned, without the softmax": lambda q, k, v: _with(q @ k.T / np.sqrt(q.shape[-1]), v),
        "exp of large scores overflows: subtract the largest score of each row first": lambda q, k, v: _naive(q, k, v, q.shape[-1]),
        "two things are missing: the scores are not divided by √d, and exp of large scores overflows": lambda q, k, v: _naive(q, k, v, 1),
        "one maximum was subtracted for the whole table: each row needs its own, or rows far below it become 0/0": _one_maximum,
    },
    hints=[
        "Three lines: scores, weights, output. Write the shape of each behind it.",
        "scores = q @ k.T / np.sqrt(d), where d is the width of a query: q.shape[-1].",
        "Each row of weights is exp(scores) divided by the sum of exp(scores) in that row: sum(axis=-1, keepdims=True). "
        "Subtract the row's maximum first, or large scores overflow.",
        "Return two things: weights @ v, weights.",
    ],
)


def weights_after_shuffle(weights, order):
    """Weights of a sentence -> weights of the sentence in another order, token order[i] at place i. No attention needed."""
    return weights[order][:, order]


def _shuffles(rng):
    return [(softmax(rng.normal(0, 2, (n, n))), rng.permutation(n)) for n in (4, 6, 9)]


shuffled = Exercise(
    weights_after_shuffle,
    title="Shuffle the sentence",
    level=2,
    minutes=10,
    inputs=_shuffles,
    names=("weights",),
    mistakes={
        "only the rows moved: the keys are the same tokens in the new order too": lambda w, order: w[order],
        "only the columns moved: the queries are in the new order too": lambda w, order: w[:, order],
        "the order was undone instead of applied: place i gets token order[i]": lambda w, order: (
            w[np.argsort(order)][:, np.argsort(order)]
        ),
        "w[order, order] takes only the diagonal; index the rows, then the columns": lambda w, order: w[order, order],
        "rows and columns changed places": lambda w, order: w[order][:, order].T,
    },
    hints=[
        "Who sits at place 0 of the new sentence? Token order[0]. Its row moves along with it. And the columns?",
        "weights[order] puts the rows in the new order. The keys are the same tokens, so the columns need the same order.",
        "weights[order][:, ...]",
    ],
)
