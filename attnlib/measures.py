"""What a head does, in one number: how much it looks one token back, at a sink, at how many tokens.

Each measure of a head takes weights (..., n_q, n_k), whose rows share out 1, and returns one number
per head, (...), in their dtype: the mean over its queries. The last query stands at the last key,
so query i at the place i + n_k - n_q. A query that looks at nobody, a row of zeros, does not count;
where no query counts, the number is 0. What a model returned for one text, a tuple of layers
(1, h, n_q, n_k), is taken as (layers, h, n_q, n_k).

`within_diagonals` takes scores (..., n, n), and says how much of them the distance does not decide.
`overlap` holds a head against another that does nothing but one job. `directions` and `closest`
take rows (..., n, d), such as the residual stream, and say how well they can be told apart.
"""

import numpy as np
from numpy.typing import NDArray

from attnlib import _guard


def previous_share(weights) -> NDArray:
    """How much a head looks one token back, 0 to 1: a mean over all queries but the first.

    weights  (..., n_q, n_k) -> (...)
    """
    return step_share(weights, -1)


def next_share(weights) -> NDArray:
    """How much a head looks one token ahead, 0 to 1: a mean over all queries but the last.

    weights  (..., n_q, n_k) -> (...)
    """
    return step_share(weights, 1)


def step_share(weights, step) -> NDArray:
    """How much a head looks `step` tokens further, 0 to 1: -1 is the token before, 0 itself.

    weights  (..., n_q, n_k) -> (...): a mean over the queries that have such a key
    """
    weights, diagonal = _guard.step_share(weights, step)
    on_step = np.diagonal(weights, diagonal, axis1=-2, axis2=-1)  # (..., m)
    first = max(0, -diagonal)  # the queries before have no such key
    return _mean(on_step, _looks(weights)[..., first : first + on_step.shape[-1]])


def sink_share(weights, key=0) -> NDArray:
    """How much of a head's weight lies on one key, 0 to 1: the first key unless given, -1 the last.

    weights  (..., n_q, n_k) -> (...): a mean over all queries but `key` itself. In a model that
             writes, the first token can look at nobody else, which says nothing; queries before
             `key` count there as 0

    Xiao et al. 2023, "Efficient Streaming Language Models with Attention Sinks", section 3.1.
    """
    weights, key = _guard.sink_share(weights, key)
    n_q, n_k = weights.shape[-2:]
    others = np.arange(n_k - n_q, n_k) != key  # (n_q,)
    return _mean(weights[..., key], _looks(weights) & others)


def entropy(weights) -> NDArray:
    """How evenly a head looks, in nats: 0 at one token, log n at n tokens alike.

    weights  (..., n_q, n_k) -> (...)

    exp(entropy) is a number of tokens: so many, all alike, would have the same entropy.

    Shannon 1948, "A Mathematical Theory of Communication", section 6.
    """
    weights = _guard.shares(weights)
    logs = np.log(weights, out=np.zeros_like(weights), where=weights > 0)  # 0 · log 0 is 0
    return _mean(-(weights * logs).sum(axis=-1), _looks(weights))


def distance(weights) -> NDArray:
    """How far a head looks on average, in tokens, in either direction. (..., n_q, n_k) -> (...)

    Vig and Belinkov 2019, "Analyzing the Structure of Attention in a Transformer Language Model".
    """
    weights = _guard.shares(weights)
    n_q, n_k = weights.shape[-2:]
    far = np.abs(np.arange(n_k - n_q, n_k)[:, None] - np.arange(n_k))  # (n_q, n_k)
    return _mean((weights * far.astype(weights.dtype)).sum(axis=-1), _looks(weights))


def overlap(weights, alone, itself=False) -> NDArray:
    """How well a head does a job, 0 to 1: of what the job's own head gives to other words, how much
    does this head give, too?

    weights  (..., n, n) -> (...)
    alone    (..., n, n), what a head looks at that has this job alone
    itself   count looks at oneself as well? A word learns nothing by them

    The mean goes over the words that have the job: whose own head looks at another word more than
    at everyone alike. NaN if none has it.
    """
    weights, alone, itself = _guard.overlap(weights, alone, itself)
    n = alone.shape[-1]
    wanted = alone if itself else alone * (1 - np.eye(n, dtype=alone.dtype))  # (..., n, n)
    has_job = wanted.max(axis=-1) > 1.01 / n  # (..., n): an even row has no job
    part = np.minimum(weights, wanted).sum(axis=-1) / np.where(has_job, wanted.sum(axis=-1), 1)
    counts = has_job.sum(axis=-1).astype(part.dtype)  # (...)
    return (part * has_job).sum(axis=-1) / np.where(counts > 0, counts, np.nan)


# ---- scores: what does the distance decide? ------------------------------------------------------


def within_diagonals(scores) -> NDArray:
    """How much of the spread of scores lies within diagonals, 0 to 1; 0: only the distance decides.

    scores  (..., n, n) -> (...)

    It is the root mean square of what is left after each diagonal's mean was taken away, as a share
    of the standard deviation of all scores; scores that are all the same give 0.
    """
    scores = _guard.within_diagonals(scores)
    left, n = scores.copy(), scores.shape[-1]
    for k in range(1 - n, n):
        i = np.arange(max(-k, 0), n - max(k, 0))  # the diagonal k: scores[i, i + k]
        left[..., i, i + k] -= scores[..., i, i + k].mean(axis=-1, keepdims=True)
    spread = scores.std(axis=(-2, -1))
    return np.sqrt((left**2).mean(axis=(-2, -1))) / np.where(spread > 0, spread, 1)


# ---- rows: can they be told apart? ---------------------------------------------------------------


def directions(rows, *, least=1e-6) -> NDArray:
    """In how many independent directions the rows differ: from 0, all the same, to n - 1.

    rows    (..., n, d) -> (...)
    least   what counts as a difference, as a share of the rows' largest singular value

    It is the rank of the rows after their mean was taken away; and 0 means that they can no longer
    be told apart.
    """
    rows, least = _guard.directions(rows, least)
    centred = rows - rows.mean(axis=-2, keepdims=True)  # (..., n, d)
    apart = np.linalg.svd(centred, compute_uv=False)  # (..., min(n, d))
    whole = np.linalg.svd(rows, compute_uv=False)[..., :1]  # (..., 1)
    return (apart > least * whole).sum(axis=-1)


def closest(rows) -> NDArray:
    """The distance of the two nearest rows, as a share of the length of the longest row.

    rows  (..., n, d) -> (...)

    0 means that two of them are the same. One row alone is infinitely far from any other.
    """
    rows = _guard.rows(rows)
    longest = np.sqrt((rows**2).sum(axis=-1).max(axis=-1))  # (...)
    apart = rows[..., :, None, :] - rows[..., None, :, :]  # (..., n, n, d)
    pairs = np.sqrt((apart**2).sum(axis=-1))  # (..., n, n)
    pairs[..., range(rows.shape[-2]), range(rows.shape[-2])] = np.inf
    return pairs.min(axis=(-2, -1)) / np.where(longest > 0, longest, 1)


# ---- parts ---------------------------------------------------------------------------------------


def _looks(weights):
    """Which queries look at anyone. (..., n_q, n_k) -> (..., n_q)"""
    return weights.any(axis=-1)


def _mean(values, counts):
    """The mean of the values that count, 0 where none does. Both (..., m) -> (...)"""
    total = np.where(counts, values, values.dtype.type(0)).sum(axis=-1)
    return total / np.maximum(counts.sum(axis=-1), 1).astype(values.dtype)
