"""Exercises of real_models: one token back, the sink of each layer, the number of tokens that a
query looks at.
"""

import numpy as np

from attnlib.exercises import Exercise


def previous_by_hand(weights):
    """How much each head looks one token back. weights (layers, heads, n, n) -> (layers, heads)"""
    n = weights.shape[-1]
    queries = np.arange(1, n)  # the first has nobody before it
    # (layers, heads, n - 1) -> (layers, heads)
    return weights[:, :, queries, queries - 1].mean(axis=-1)


def _all_heads(rng):
    """Weights of sharp heads, so that no two places are alike; n differs from the number of layers
    and of heads.
    """
    trials = []
    for layers, heads, n in ((1, 2, 4), (2, 3, 5), (3, 2, 6), (2, 4, 3)):
        weights = np.exp(rng.normal(0, 1.5, (layers, heads, n, n)))
        trials.append((weights / weights.sum(axis=-1, keepdims=True),))
    return trials


def _along(weights, step, reduce=np.mean):
    """The weights on the keys `step` further, reduced over the queries that have one."""
    return reduce(np.diagonal(weights, step, axis1=-2, axis2=-1), axis=-1)


def _wrapped(weights):
    n = weights.shape[-1]
    return weights[:, :, np.arange(n), np.arange(n) - 1].mean(axis=-1)


def _hits(weights):
    n = weights.shape[-1]
    return (weights[..., 1:, :].argmax(axis=-1) == np.arange(n - 1)).mean(axis=-1)


previous = Exercise(
    previous_by_hand,
    title="One token back",
    level=1,
    minutes=7,
    inputs=_all_heads,
    names=("shares",),
    mistakes={
        "row 0 looked at the last token: weights[..., 0, -1] is the last column. The first query "
        "has nobody before it": _wrapped,
        "you divided by n: the first query has nobody before it, so the mean is over n - 1": (
            lambda w: _along(w, -1, np.sum) / w.shape[-1]
        ),
        "this is one token ahead: the query is the row, so the key before it is at [i, i - 1]": (
            lambda w: _along(w, 1)
        ),
        "this is how much each token looks at itself": lambda w: _along(w, 0),
        "this is two tokens back": lambda w: _along(w, -2),
        "you added up: the measure is a mean over the queries": lambda w: _along(w, -1, np.sum),
        "you took the largest: the measure is a mean over the queries": lambda w: _along(
            w, -1, np.max
        ),
        "you counted how often the token before is the one most looked at: add up the weights "
        "themselves": _hits,
        "you took the mean over the heads too: each head gets a number of its own": [
            lambda w: _along(w, -1).mean(axis=1),
            lambda w: _along(w, -1).mean(),
        ],
        "these are the weights of each query, not yet their mean": lambda w: np.diagonal(
            w, -1, axis1=-2, axis2=-1
        ),
        "np.diagonal went along the layers and heads: its last two axes must be named, axis1=-2, "
        "axis2=-1": [
            lambda w: np.diagonal(w, -1).mean(axis=-1),
            lambda w: np.diagonal(w, -1).mean(axis=0),
        ],
        "this is the share of the first token": [
            lambda w: w[..., 0].mean(axis=-1),
            lambda w: w[..., 1:, 0].mean(axis=-1),
        ],
    },
    hints=[
        (
            "Query i looks at the token before it with weights[..., i, i - 1]. Which i have such a"
            " token?"
        ),
        (
            "Those are the cells right below the diagonal: np.diagonal(weights, offset=-1,"
            " axis1=-2, axis2=-1)."
        ),
        (
            "What comes back is (layers, heads, n - 1): a mean over the last axis is what is asked"
            " for."
        ),
    ],
)


def sink_by_hand(weights):
    """How much of each layer's weight lies on the first token. weights (layers, heads, n, n)
    -> (layers,)
    """
    on_first = weights[:, :, 1:, 0]  # (layers, heads, n - 1): all queries but the first
    return on_first.mean(axis=(1, 2))


def _causal_and_not(rng):
    """Weights of all heads, in two of the trials causal ones, whose first row is 1, 0, 0 …"""
    trials = []
    for number, (weights,) in enumerate(_all_heads(rng)):
        if number % 2:
            weights = np.tril(weights)
            weights /= weights.sum(axis=-1, keepdims=True)
        trials.append((weights,))
    return trials


sink = Exercise(
    sink_by_hand,
    title="The sink, layer by layer",
    level=2,
    minutes=8,
    inputs=_causal_and_not,
    names=("shares",),
    mistakes={
        "the first query counts, too: behind a causal mask it can look at nobody else, so leave it "
        "out": (lambda w: w[..., 0].mean(axis=(1, 2))),
        "you took the row of the first query, where it looks: the column says who looks at it, "
        "weights[..., 0]": lambda w: w[..., 0, 1:].mean(axis=(1, 2)),
        "this is one number for each head: take the mean over the heads, too": (
            lambda w: w[..., 1:, 0].mean(axis=-1)
        ),
        "this is one number for each head, over all layers: each layer gets a number of its own": (
            lambda w: w[..., 1:, 0].mean(axis=(0, 2))
        ),
        "this is one number for all layers": lambda w: w[..., 1:, 0].mean(),
        "you added up the heads: take their mean": (
            lambda w: w[..., 1:, 0].mean(axis=-1).sum(axis=-1)
        ),
        "you divided by n: without the first query there are n - 1": (
            lambda w: w[..., 1:, 0].sum(axis=-1).mean(axis=-1) / w.shape[-1]
        ),
        "this is the last token": [
            lambda w: w[..., 1:, -1].mean(axis=(1, 2)),
            lambda w: w[..., :-1, -1].mean(axis=(1, 2)),
        ],
        "this is the second token: columns count from 0": [
            lambda w: w[..., 1].mean(axis=(1, 2)),
            lambda w: w[..., 1:, 1].mean(axis=(1, 2)),
        ],
        "you took the head with the most: the mean over all heads is asked for": (
            lambda w: w[..., 1:, 0].mean(axis=-1).max(axis=-1)
        ),
        "you took the mean over a row, which is 1/n in every head: the first token as a key is a "
        "column, weights[..., 0]": lambda w: w.mean(axis=(1, 2, 3)),
        "you left out the last query, not the first": lambda w: w[..., :-1, 0].mean(axis=(1, 2)),
    },
    hints=[
        "The axes are layers, heads, queries, keys. The first token as a key is weights[..., 0].",
        "All queries but the first: weights[:, :, 1:, 0]. What shape has it?",
        "Two axes must go, the heads and the queries: .mean(axis=(1, 2)).",
    ],
)


def tokens_by_hand(weights):
    """At how many tokens each query looks: e to the entropy. weights (n_q, n_k) -> (n_q,)"""
    logs = np.log(np.where(weights > 0, weights, 1))  # (n_q, n_k): where a weight is 0, log 1 = 0
    return np.exp(-(weights * logs).sum(axis=-1))


def _rows_with_zeros(rng):
    """Weights with zeros, an even row and a row of one token among them."""
    trials = []
    for n_q, n_k in ((3, 5), (4, 4), (5, 7), (6, 3)):
        weights = np.exp(rng.normal(0, 1.2, (n_q, n_k)))
        weights[0, rng.permutation(n_k)[:2]] = 0
        weights[1] = np.arange(n_k) < n_k - 1
        weights[2] = np.arange(n_k) == rng.integers(n_k)
        trials.append((weights / weights.sum(axis=-1, keepdims=True),))
    return trials


def _entropy(weights, log=np.log, axis=-1):
    return -(weights * log(np.where(weights > 0, weights, 1))).sum(axis=axis)


tokens = Exercise(
    tokens_by_hand,
    title="How many tokens?",
    level=2,
    minutes=12,
    inputs=_rows_with_zeros,
    names=("tokens",),
    mistakes={
        "0 · log 0 is NaN: a weight of 0 should add nothing": lambda w: np.exp(
            -(w * np.log(w)).sum(axis=-1)
        ),
        "a small number was added to every weight: near, but not exact. Take the log of 1 where "
        "the weight is 0": [
            lambda w: np.exp(-(w * np.log(w + 1e-3)).sum(axis=-1)),
            lambda w: np.exp(-(w * np.log(w + 1e-2)).sum(axis=-1)),
        ],
        "this is the entropy H: the number of tokens is e to the power of it": _entropy,
        "this is the entropy in bits: the number of tokens is 2 to the power of it": (
            lambda w: _entropy(w, np.log2)
        ),
        "the entropy is in bits, and the power is one of e: take np.log, or 2 to the power": (
            lambda w: np.exp(_entropy(w, np.log2))
        ),
        "the entropy is in nats, and the power is one of 2: take np.exp": (
            lambda w: 2 ** _entropy(w)
        ),
        "the minus is missing: H = -Σ w log w": lambda w: np.exp(-_entropy(w)),
        "you counted the weights above 0: the entropy counts a small weight for less": (
            lambda w: (w > 0).sum(axis=-1)
        ),
        "this is 1 / Σ w²: another number of tokens that is in use, but not e to the entropy": (
            lambda w: 1 / (w**2).sum(axis=-1)
        ),
        "this is 1 / the largest weight: that looks at one weight of each row only": (
            lambda w: 1 / w.max(axis=-1)
        ),
        "you added up over the queries: each query has a number of its own, so the sum is over the "
        "keys, axis=-1": [
            lambda w: np.exp(_entropy(w, axis=0)),
            lambda w: np.exp(_entropy(w, axis=None)),
        ],
        "you took the mean over the keys: H is a sum": lambda w: np.exp(_entropy(w) / w.shape[-1]),
        "you took the mean over the queries: each query has a number of its own": [
            lambda w: np.exp(_entropy(w)).mean(),
            lambda w: np.exp(_entropy(w).mean()),
        ],
        "H is divided by its largest value, log n: that is a share, not a number of tokens": [
            lambda w: _entropy(w) / np.log(w.shape[-1]),
            lambda w: np.exp(_entropy(w) / np.log(w.shape[-1])),
        ],
    },
    hints=[
        "First H for each row: -(weights * np.log(weights)).sum(axis=-1). Where does it fail?",
        (
            "log 0 is -inf, and 0 · -inf is NaN. But 0 · log 1 is 0: take the log of"
            " np.where(weights > 0, weights, 1)."
        ),
        "Then np.exp(H). A row of one token gives 1, a row that looks at k tokens alike gives k.",
    ],
)
