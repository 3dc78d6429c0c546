"""Masks: who may look at whom. True = may attend; combine masks with & (and) and | (or).

Row i is the query (who looks), column j is the key (who is looked at), as in the weights.
With fewer queries than keys the queries are the last tokens, so that the last query stands on
the last key ("bottom-right aligned"); `offset` is the place of query 0 among the keys.
"""

import numpy as np
from numpy.typing import NDArray

from attnlib import _check, _guard


def behind(n_q, n_k=None, offset=None) -> NDArray:
    """How many steps key j lies behind query i, negative ahead of it. (n_q, n_k)"""
    n_q, n_k, offset = _guard.behind(n_q, n_k, offset)
    return np.arange(n_q)[:, None] + offset - np.arange(n_k)


def full(n_q, n_k=None) -> NDArray:
    """Standard attention: everyone may look at everyone. (n_q, n_k)"""
    return np.ones(behind(n_q, n_k).shape, bool)


def causal(n_q, n_k=None, *, offset=None) -> NDArray:
    """Nobody looks at the future: key j at or before query i. (n_q, n_k)"""
    return behind(n_q, n_k, offset) >= 0


def local(n_q, n_k=None, *, window, offset=None) -> NDArray:
    """Only near tokens: less than `window` steps away, itself included. (n_q, n_k)"""
    window = _check.integer("window", window)
    return np.abs(behind(n_q, n_k, offset)) < window


def dilated(n_q, n_k=None, *, window, dilation, offset=None) -> NDArray:
    """A window with gaps: every `dilation`-th token, less than `window` such steps away. (n_q, n_k)

    Longformer (Beltagy et al. 2020), section 3.1.
    """
    window, dilation = _guard.dilated(window, dilation)
    distance = np.abs(behind(n_q, n_k, offset))
    return (distance % dilation == 0) & (distance // dilation < window)


def strided(n_q, n_k=None, *, stride, offset=None) -> NDArray:
    """Every `stride`-th token, counted from the query itself. (n_q, n_k)

    Sparse Transformer (Child et al. 2019), section 4.3, which adds `local` and `causal`.
    """
    stride = _check.integer("stride", stride)
    return behind(n_q, n_k, offset) % stride == 0


def prefix(n, *, n_prefix) -> NDArray:
    """Everyone sees the first `n_prefix` tokens; behind those, only the past. (n, n)

    The prefix language model of T5 (Raffel et al. 2020), figure 3.
    """
    n, n_prefix = _guard.square(n, n_prefix=n_prefix)
    return causal(n) | (np.arange(n) < n_prefix)


def padding(lengths, n_k) -> NDArray:
    """Hide the padding behind each text: key j before its length.

    lengths  a whole number -> mask (1, n_k)
             whole numbers (b,) -> mask (b, 1, 1, n_k), for weights (b, h, n_q, n_k)
    """
    lengths, n_k = _guard.padding(lengths, n_k)  # (1, 1), or (b, 1, 1, 1)
    return np.arange(n_k) < lengths


def documents(ids) -> NDArray:
    """Several texts packed in one row: a token sees only tokens with the same id, its own text.

    ids  (n,) -> mask (n, n);   (b, n) -> mask (b, 1, n, n), for weights (b, h, n, n)
    """
    ids = _guard.documents(ids)
    same = ids[..., :, None] == ids[..., None, :]
    return same if ids.ndim == 1 else same[:, None]


def global_tokens(n, *, n_global) -> NDArray:
    """The first `n_global` tokens see everyone, and everyone sees them. (n, n)

    Longformer (Beltagy et al. 2020), section 3.1.
    """
    n, n_global = _guard.global_tokens(n, n_global)
    first = np.arange(n) < n_global
    return first[:, None] | first[None, :]


def random_keys(n_q, n_k=None, *, n_random, rng=None) -> NDArray:
    """Each query sees `n_random` different keys drawn by chance. (n_q, n_k)

    rng  numpy Generator, default_rng(0) unless given

    BigBird (Zaheer et al. 2020), section 2.
    """
    n_q, n_k, n_random, rng = _guard.random_keys(n_q, n_k, n_random, rng)
    keys = np.tile(np.arange(n_k), (n_q, 1))  # in each row 0 … n_k - 1
    return rng.permuted(keys, axis=1) < n_random


def global_local(n, *, window, n_global) -> NDArray:
    """A window for everyone, and `n_global` first tokens that see all and are seen. (n, n)

    Longformer (Beltagy et al. 2020), figure 2d.
    """
    n, n_global = _guard.square(n, n_global=n_global)
    return local(n, window=window) | global_tokens(n, n_global=n_global)


def bigbird(n, *, window, n_global, n_random, rng=None) -> NDArray:
    """A window, global tokens, and `n_random` keys drawn by chance for each query. (n, n)

    A drawn key may be one that the window or the global tokens show already.

    rng  numpy Generator, default_rng(0) unless given

    BigBird (Zaheer et al. 2020), figure 1d.
    """
    n, n_global = _guard.square(n, n_global=n_global)
    drawn = random_keys(n, n_random=n_random, rng=rng)
    return global_local(n, window=window, n_global=n_global) | drawn


def streaming(n, *, window, n_sinks) -> NDArray:
    """A causal window, and the first `n_sinks` tokens, the sinks, which stay in sight. (n, n)

    StreamingLLM (Xiao et al. 2023), figure 1d.
    """
    n, n_sinks = _guard.square(n, n_sinks=n_sinks)
    return causal(n) & (local(n, window=window) | (np.arange(n) < n_sinks))


def receptive_field(mask, n_layers) -> NDArray:
    """What token i can know of after some layers with this mask: True = j can have reached i.

    One layer hears of those it looks at, two also of those whom they look at, and so on; the
    residual connection lets every token keep what it knows, itself at first.

    mask     boolean (..., n, n), the same in every layer
    returns  boolean (..., n, n): the n_layers-th power of (mask or identity)
    """
    mask, n_layers = _guard.receptive_field(mask, n_layers)
    known = _itself(mask)
    for _ in range(n_layers):
        before, known = known, next_layer(known, mask)
        if (known == before).all():  # more layers add nothing
            break
    return known


def hops(mask) -> NDArray:
    """How many layers it takes until token i knows of token j: 0 for itself, -1 for never.

    mask     boolean (..., n, n), the same in every layer
    returns  whole numbers (..., n, n): the length of the shortest path of looks from i to j
    """
    mask = _guard.square_mask(mask)
    known = _itself(mask)
    layers = np.where(known, 0, -1)
    for layer in range(1, mask.shape[-1]):
        before, known = known, next_layer(known, mask)
        layers[known & ~before] = layer
        if (known == before).all():  # more layers add nothing
            break
    return layers


def _itself(mask):
    """Before the first layer, a token knows itself."""
    return np.broadcast_to(np.eye(mask.shape[-1], dtype=bool), mask.shape).copy()


def next_layer(known, mask) -> NDArray:
    """Each token keeps what it knows, and learns what those it looks at know."""
    return known | (mask.astype(np.float32) @ known.astype(np.float32) > 0)


def density(mask) -> float:
    """The share of pairs that may attend, 0 to 1."""
    return float(_guard.density(mask).mean())


def empty_rows(mask) -> NDArray:
    """Which queries may look at nothing. (..., n_q, n_k) -> (..., n_q)"""
    return ~_check.boolean("mask", mask).any(axis=-1)


def influence(attend, x, *, size=1.0) -> NDArray:
    """Who really influences whom, measured: nudge one token at a time, see which outputs move.

    attend   a function (n, d) -> (n, d_out), or one that returns (output, weights)
    x        (n, d) the tokens
    size     how far token j is pushed, in every dimension; a layer norm on the way takes away
             just such a push, an RMS norm does not
    returns  (n, n): the largest change in output i when token j is nudged; 0 = i cannot see j
    """
    x, size = _guard.influence(attend, x, size)

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
