"""What a head does, in one number: how much it looks one token back, at a sink, at how many tokens,
and how far.

Each measure of a head takes weights (..., n_q, n_k), whose rows share out 1, and returns one number
per head, (...), in their dtype: the mean over its queries. The last query stands at the last key,
so query i at the place i + n_k - n_q. A query that looks at nobody, a row of zeros, does not count;
where no query counts, the number is 0.

`within_diagonals` takes scores (..., n, n), and says how much of them the distance does not decide.
`directions` and `closest` take rows (..., n, d), such as the residual stream, and say how well they
can be told apart.
"""

import numpy as np

from attnlib import _check


def previous_share(weights):
    """How much a head looks one token back, 0 to 1: a mean over all queries but the first. (...,
    n_q, n_k) -> (...)
    """
    return step_share(weights, -1)


def next_share(weights):
    """How much a head looks one token ahead, 0 to 1: a mean over all queries but the last. (...,
    n_q, n_k) -> (...)
    """
    return step_share(weights, 1)


def step_share(weights, step):
    """How much a head looks `step` tokens further, 0 to 1: -1 is the token before, 0 itself.

    weights  (..., n_q, n_k) -> (...): a mean over the queries that have such a key
    """
    weights = _shares(weights)
    n_q, n_k = weights.shape[-2:]
    offset = n_k - n_q + _check.integer("step", step, minimum=None)
    on_step = np.diagonal(weights, offset, axis1=-2, axis2=-1)  # (..., m)
    if not on_step.shape[-1]:
        raise ValueError(f"step={step} leads out of the weights, {weights.shape}")
    first = max(0, -offset)  # the queries before have no such key
    return _mean(on_step, _looks(weights)[..., first : first + on_step.shape[-1]])


def sink_share(weights, key=0):
    """How much of a head's weight lies on one key, the first unless said otherwise; -1 is the last.
    0 to 1.

    weights  (..., n_q, n_k) -> (...): a mean over all queries but `key` itself. In a model that
             writes, the first token can look at nobody else, which says nothing; queries before
             `key` count there as 0

    Xiao et al. 2023, "Efficient Streaming Language Models with Attention Sinks", section 3.1.
    """
    weights = _shares(weights)
    n_q, n_k = weights.shape[-2:]
    key = _check.integer("key", key, minimum=-n_k, maximum=n_k - 1) % n_k
    others = np.arange(n_k - n_q, n_k) != key  # (n_q,)
    return _mean(weights[..., key], _looks(weights) & others)


def entropy(weights):
    """How evenly a head looks, in nats: 0 at one token, log n at n tokens alike. (..., n_q, n_k) ->
    (...)

    exp(entropy) is a number of tokens: so many, all alike, would have the same entropy.

    Shannon 1948, "A Mathematical Theory of Communication", section 6.
    """
    weights = _shares(weights)
    logs = np.log(weights, out=np.zeros_like(weights), where=weights > 0)  # 0 · log 0 is 0
    return _mean(-(weights * logs).sum(axis=-1), _looks(weights))


def distance(weights):
    """How far a head looks on average, in tokens, in either direction. (..., n_q, n_k) -> (...)

    Vig and Belinkov 2019, "Analyzing the Structure of Attention in a Transformer Language Model".
    """
    weights = _shares(weights)
    n_q, n_k = weights.shape[-2:]
    far = np.abs(np.arange(n_k - n_q, n_k)[:, None] - np.arange(n_k))  # (n_q, n_k)
    return _mean((weights * far.astype(weights.dtype)).sum(axis=-1), _looks(weights))


# ---- scores: what does the distance decide? ------------------------------------------------------


def within_diagonals(scores):
    """How much of the spread of scores lies within diagonals, 0 to 1; 0: the distance alone
    decides. (..., n, n) -> (...)

    It is the root mean square of what is left after each diagonal's mean was taken away, as a share
    of the standard deviation of all scores; scores that are all the same give 0.
    """
    scores = _check.finite("scores", _check.floats("scores", scores, "n n")).astype(np.float64)
    n = scores.shape[-1]
    if scores.shape[-2] != n or not n:
        raise ValueError(f"scores must be square, got {scores.shape}")
    left = scores.copy()
    for k in range(1 - n, n):
        i = np.arange(max(-k, 0), n - max(k, 0))  # the diagonal k: scores[i, i + k]
        left[..., i, i + k] -= scores[..., i, i + k].mean(axis=-1, keepdims=True)
    spread = scores.std(axis=(-2, -1))
    return np.sqrt((left**2).mean(axis=(-2, -1))) / np.where(spread > 0, spread, 1)


# ---- rows: can they be told apart? ---------------------------------------------------------------


def directions(rows, *, least=1e-6):
    """In how many independent directions the rows differ: from 0, all the same, to n - 1. (..., n,
    d) -> (...)

    least   what counts as a difference, as a share of the largest singular value of the rows
            themselves

    It is the rank of the rows after their mean was taken away; and 0 means that they can no longer
    be told apart.
    """
    rows = _rows(rows)
    # (..., min(n, d))
    apart = np.linalg.svd(rows - rows.mean(axis=-2, keepdims=True), compute_uv=False)
    whole = np.linalg.svd(rows, compute_uv=False)[..., :1]  # (..., 1)
    return (apart > _check.positive("least", least) * whole).sum(axis=-1)


def closest(rows):
    """The distance of the two nearest rows, as a share of the length of the longest row. (..., n,
    d) -> (...)

    0 means that two of them are the same. One row alone is infinitely far from any other.
    """
    rows = _rows(rows)
    longest = np.sqrt((rows**2).sum(axis=-1).max(axis=-1))  # (...)
    # (..., n, n)
    pairs = np.sqrt(((rows[..., :, None, :] - rows[..., None, :, :]) ** 2).sum(axis=-1))
    pairs[..., range(rows.shape[-2]), range(rows.shape[-2])] = np.inf
    return pairs.min(axis=(-2, -1)) / np.where(longest > 0, longest, 1)


# ---- parts ---------------------------------------------------------------------------------------


def _shares(weights):
    """Weights as floats, half precision as single; ValueError unless they can be shares of 1."""
    weights = _check.finite("weights", _check.floats("weights", weights, "n_q n_k"))
    n_q, n_k = weights.shape[-2:]
    if not 0 < n_q <= n_k:
        raise ValueError(
            f"weights must have a query, and a key for each query, got {weights.shape}"
        )
    weights = weights.astype(np.promote_types(weights.dtype, np.float32), copy=False)
    low, most = weights.min(initial=0), weights.sum(axis=-1).max(initial=0)
    if low < 0 or most > 1.1:  # 1.1: weights that were kept in 8 bits
        wrong = f"one is {low:.3g}" if low < 0 else f"a row sums to {most:.3g}"
        raise ValueError(
            f"weights must be shares of 1, but {wrong}; scores become shares by softmax"
        )
    return weights


def _rows(rows):
    """Rows as float64; ValueError unless they are finite and at least one."""
    rows = _check.finite("rows", _check.floats("rows", rows, "n d"))
    if not rows.shape[-2] or not rows.shape[-1]:
        raise ValueError(f"rows must have at least one row and one column, got {rows.shape}")
    return rows.astype(np.float64, copy=False)


def _looks(weights):
    """Which queries look at anyone. (..., n_q, n_k) -> (..., n_q)"""
    return weights.any(axis=-1)


def _mean(values, counts):
    """The mean of the values that count, 0 where none does. Both (..., m) -> (...)"""
    total = np.where(counts, values, values.dtype.type(0)).sum(axis=-1)
    return total / np.maximum(counts.sum(axis=-1), 1).astype(values.dtype)
