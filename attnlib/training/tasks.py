"""The induction task: what came after this token the last time? And how to see that it is solved.

Olsson et al. 2022, "In-context Learning and Induction Heads".
"""

from typing import NamedTuple

import numpy as np

from attnlib import _check
from attnlib.measures import previous_share


class Batch(NamedTuple):
    """What `loss_and_gradients` asks for."""

    ids: np.ndarray  # (b, n)
    targets: np.ndarray  # (b, n) the next token
    where: np.ndarray  # (b, n) True where the past tells the next token


def induction_batch(rng, *, batch=32, n=64, vocabulary=64, period=(24, 40)):
    """Texts that repeat themselves: a block of different random tokens, again and again.

    period   how long the block is: drawn for each text from shortest … longest, or one number
             for all texts, which a model can learn by heart: looking a fixed distance back then
             gets everything right, and even `induction_score` on such texts is fooled
    returns  a `Batch`; the next token can be told from the second copy's first token on,
             i ≥ period: look for the same token before, and read on
    """
    batch, n = _check.integer("batch", batch), _check.integer("n", n, minimum=2)
    vocabulary = _check.integer("vocabulary", vocabulary)
    several = isinstance(period, (list, tuple)) or np.ndim(period)
    if several and len(_check.row("period", period)) != 2:
        raise ValueError(f"period must be a whole number or (shortest, longest), got {period!r}")
    shortest, longest = period if several else (period, period)
    longest = _check.integer("period", longest, maximum=min(vocabulary, n - 1))
    shortest = _check.integer("period", shortest, maximum=longest)
    rng = _check.generator(rng)
    periods = rng.integers(shortest, longest + 1, size=batch)  # (b,)
    blocks = rng.permuted(np.tile(np.arange(vocabulary), (batch, 1)), axis=1)  # (b, vocabulary)
    place = np.arange(n + 1) % periods[:, None]  # (b, n + 1)
    text = np.take_along_axis(blocks, place, axis=1)  # (b, n + 1)
    return Batch(text[:, :-1], text[:, 1:], np.arange(n) >= periods[:, None])


def induction_score(weights, ids):
    """How much a head looks at what came after earlier copies of the current token: 0 to 1.

    weights  (..., h, n, n) of one text, or (..., b, h, n, n) of a batch
    ids      (n,) or (b, n)
    returns  (..., h): the mean over all queries whose token was there before
    """
    weights, ids = _weights_and_ids(weights, ids)
    earlier = ids[..., :, None] == ids[..., None, :]  # (..., n, n) query, key
    after = np.zeros_like(earlier)
    after[..., 1:] = np.tril(earlier[..., :-1], -1)  # the key behind such a key
    return _mean_over_queries(weights, after)


def previous_token_score(weights):
    """How much a head looks one token back: the mean over all queries but the first.

    weights  (..., n, n)  ->  (...); weights[..., :25, :25] asks only the first 25 queries
    """
    weights = _check.floats("weights", weights, "n n")
    if weights.shape[-1] < 2:
        raise ValueError(f"weights must have at least two tokens, got {weights.shape}")
    return previous_share(weights)


def _weights_and_ids(weights, ids):
    """weights (..., b, h, n, n) and ids (b, n): one text is a batch of one."""
    weights, ids = _check.full("weights", weights, "... h n n"), _check.whole("ids", ids)
    lead = weights.shape[-4:-3] if ids.ndim == 2 else ()
    if ids.ndim not in (1, 2) or ids.shape[-1:] * 2 != weights.shape[-2:] or ids.shape[:-1] != lead:
        wanted = "(..., h, n, n) for ids (n,), or (..., b, h, n, n) for ids (b, n)"
        raise ValueError(f"weights must be {wanted}, got {weights.shape} for {ids.shape}")
    return (weights, ids) if ids.ndim == 2 else (weights[..., None, :, :, :], ids[None])


def _mean_over_queries(weights, keys):
    """The weight on the keys that are True, a mean over the queries that have any: (..., h)."""
    if not keys.any():
        raise ValueError("ids must repeat a token before the end: there is nothing to induce from")
    on_keys = (weights * keys[:, None]).sum(axis=(-4, -2, -1))  # (..., h)
    return on_keys / keys.any(axis=-1).sum()
