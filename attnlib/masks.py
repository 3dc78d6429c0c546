"""Masks: who may look at whom. Boolean arrays, True = may attend; combine them with & (and) and | (or).

Row i is the query (who looks), column j is the key (who is looked at). With fewer queries than keys the
queries are the last tokens ("bottom-right aligned"), so that the last query sits on the last key.
"""

import numpy as np

from attnlib import _check


def full(n_q, n_k=None):
    """Standard attention: everyone may look at everyone. (n_q, n_k)"""
    return np.ones(_distance(n_q, n_k).shape, bool)


def causal(n_q, n_k=None, *, offset=None):
    """Nobody looks at the future: key j ≤ query i + offset. (n_q, n_k)

    offset   position of query 0 among the keys: n_k - n_q unless given (the last query sees every key)
    """
    return _distance(n_q, n_k, offset) >= 0


def local(n_q, n_k=None, *, window, offset=None):
    """A token sees every token less than `window` steps away, itself included: |i - j| < window. (n_q, n_k)"""
    return np.abs(_distance(n_q, n_k, offset)) < _check.integer("window", window)


def dilated(n_q, n_k=None, *, window, dilation, offset=None):
    """A local window with gaps: every `dilation`-th token, less than `window` of these steps away. (n_q, n_k)

    Longformer (Beltagy et al. 2020), section 3.1.
    """
    distance = np.abs(_distance(n_q, n_k, offset))
    dilation = _check.integer("dilation", dilation)
    return (distance % dilation == 0) & (distance // dilation < _check.integer("window", window))


def strided(n_q, n_k=None, *, stride, offset=None):
    """Every `stride`-th token, counted from the query itself. (n_q, n_k)

    Sparse Transformer (Child et al. 2019), section 4.2; there combined with `local` and `causal`.
    """
    return _distance(n_q, n_k, offset) % _check.integer("stride", stride) == 0


def prefix(n, *, n_prefix):
    """Everyone sees the first `n_prefix` tokens; after those, only the past. (n, n)

    The prefix language model of T5 (Raffel et al. 2020), figure 3.
    """
    n_prefix = _check.integer("n_prefix", n_prefix, minimum=0)
    return causal(n) | (np.arange(n) < n_prefix)


def padding(lengths, n_k):
    """Hide the padding behind each sentence: key j < length.

    lengths   an int -> mask (1, n_k);   an array (b,) of ints -> mask (b, 1, 1, n_k), for weights (b, h, n_q, n_k)
    """
    n_k = _check.integer("n_k", n_k)
    lengths = np.asarray(lengths)
    if lengths.dtype.kind not in "iu" or (lengths < 0).any() or (lengths > n_k).any():
        raise ValueError(f"lengths must be whole numbers from 0 to n_k={n_k}, got {lengths.tolist()}")
    lengths = lengths.reshape(1, 1) if lengths.ndim == 0 else lengths[..., None, None, None]
    return np.arange(n_k) < lengths


def documents(ids):
    """Several texts packed in one row: a token sees only its own text, the tokens with the same id.

    ids   (n,) -> mask (n, n);   (b, n) -> mask (b, 1, n, n), for weights (b, h, n, n)
    """
    ids = np.asarray(ids)
    if ids.ndim not in (1, 2) or ids.dtype.kind not in "iub":
        raise ValueError(f"ids must be whole numbers of the shape (n,) or (b, n), got {ids.dtype} {ids.shape}")
    same = ids[..., :, None] == ids[..., None, :]
    return same if ids.ndim == 1 else same[:, None]


def global_tokens(n, *, n_global):
    """The first `n_global` tokens see everyone, and everyone sees them. (n, n)

    Longformer (Beltagy et al. 2020), section 3.1.
    """
    first = np.arange(_check.integer("n", n)) < _check.integer("n_global", n_global, minimum=0)
    return first[:, None] | first[None, :]


def random_keys(n_q, n_k=None, *, n_random, rng=None):
    """Each query sees `n_random` different keys drawn by chance. (n_q, n_k)

    rng   numpy Generator, default_rng(0) unless given.   BigBird (Zaheer et al. 2020), section 2.
    """
    n_q, n_k = _distance(n_q, n_k).shape
    n_random = _check.integer("n_random", n_random, minimum=0, maximum=n_k)
    rng = np.random.default_rng(0) if rng is None else rng
    rank = rng.random((n_q, n_k)).argsort(axis=1).argsort(axis=1)      # each row: 0 .. n_k - 1, shuffled
    return rank < n_random


def global_local(n, *, window, n_global):
    """A local window for everyone, and `n_global` first tokens that see all and are seen by all. (n, n)

    Longformer (Beltagy et al. 2020), figure 2d.
    """
    return local(n, window=window) | global_tokens(n, n_global=n_global)


def density(mask):
    """The share of pairs that may attend, 0 to 1: the cost of a pattern, if only these pairs were computed."""
    return float(_check.boolean("mask", mask).mean())


def empty_rows(mask):
    """Which queries may look at nothing. (..., n_q, n_k) -> (..., n_q)"""
    return ~_check.boolean("mask", mask).any(axis=-1)


def influence(attend, x, *, size=1.0):
    """Who really influences whom, measured: nudge one token at a time and see which outputs move. (n, n)

    attend    a function (n, d) -> (n, d_out), or one that returns (output, weights)
    x         (n, d) the tokens
    size      how far token j is pushed, in every dimension
    returns   entry (i, j): the largest change in output i when token j is nudged; 0 means that i cannot see j
    """
    x = _check.finite("x", _check.floats("x", x, "n d"))
    if x.ndim != 2:
        raise ValueError(f"x must have the shape (n, d), got {x.shape}")

    def output(tokens):
        result = attend(tokens)
        return np.asarray(result[0] if isinstance(result, tuple) else result)

    before = output(x)
    change = np.zeros((len(x), len(x)))
    for j in range(len(x)):
        nudged = x.copy()
        nudged[j] += size
        change[:, j] = np.abs(output(nudged) - before).max(axis=-1)
    return change


def _distance(n_q, n_k=None, offset=None):
    """How many steps key j lies behind query i: i + offset - j, negative for the future. (n_q, n_k)"""
    n_q = _check.integer("n_q", n_q)
    n_k = n_q if n_k is None else _check.integer("n_k", n_k)
    offset = n_k - n_q if offset is None else _check.integer("offset", offset, minimum=None)
    return np.arange(n_q)[:, None] + offset - np.arange(n_k)[None, :]
