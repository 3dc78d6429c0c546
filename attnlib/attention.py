"""Attention: every query looks at every key, and takes a weighted mean of the values.

Tokens are rows, (..., n, d). Heads stand in front of them, (..., h, n, d_head).
Weights are (..., h, n_q, n_k): one row per query, and each row sums to 1.

Each function begins with its door in _guard.py, which refuses what does not fit and hands on arrays
that do; what stands below it is all that the function does. Layers with parameters are in heads.py.
"""

import numpy as np
from numpy.typing import NDArray

from attnlib import _guard


@np.errstate(over="ignore")  # a difference below -1e308 is -inf: its share is 0
def softmax(x, axis=-1, where=None) -> NDArray:
    """Turn numbers into shares: not negative, and 1 in sum along `axis`.

    exp(x - max) / sum(exp(x - max)): subtracting the maximum changes no result and keeps
    exp from overflowing.

    x        (...) real numbers; -inf gets the share 0
    where    boolean, broadcasts to x: False gets the share 0; a line without True is all zeros
    returns  the shape and float dtype of x (float16 is computed in float32)

    Raises ValueError where x holds NaN or +inf, unless `where` excludes it.
    """
    x, dtype = _guard.softmax(x, axis, where)  # -inf where `where` is False
    peak = x.max(axis=axis, keepdims=True, initial=-np.inf)
    e = x - np.where(peak == -np.inf, 0, peak)  # the largest becomes 0
    np.exp(e, out=e)  # in its own place: a second table would cost as much again
    total = e.sum(axis=axis, keepdims=True)
    e /= np.where(total == 0, 1, total)  # a line with nothing allowed stays 0
    return e.astype(dtype, copy=False)


def log_softmax(x) -> NDArray:
    """log(softmax(x)) along the last axis, without the overflow of either. (...) -> (...)"""
    x = x - x.max(axis=-1, keepdims=True)
    return x - np.log(np.exp(x).sum(axis=-1, keepdims=True))


def attention_scores(q, k, *, mask=None, bias=None, scale=None, softcap=None) -> NDArray:
    """How well each query fits each key: q·k · scale → softcap → + bias → -inf where masked.

    q        (..., n_q, d)  or  (..., h, n_q, d)
    k        (..., n_k, d)  or  (..., h_kv, n_k, d) with h divisible by h_kv:
             query head i reads kv head i // (h // h_kv)
    mask     boolean, True = may attend, broadcasts to (..., n_q, n_k)
    bias     numbers added to the scaled scores, broadcasts to (..., n_q, n_k)
    scale    1/√d unless given
    softcap  c > 0 keeps every score between -c and c: c · tanh(score / c)
    returns  (..., n_q, n_k)

    Vaswani et al. 2017, "Attention Is All You Need", equation 1; softcap: Gemma 2 (2024).
    """
    q, k, mask, bias, scale, softcap = _guard.attention_scores(q, k, mask, bias, scale, softcap)
    scale = q.shape[-1] ** -0.5 if scale is None else scale  # 1/√d
    scores = (q * scale) @ k.mT  # (..., n_q, n_k)
    if softcap is not None:
        scores = softcap * np.tanh(scores / softcap)
    if bias is not None:
        scores = scores + bias
    if mask is not None:
        np.copyto(scores, -np.inf, where=~mask)
    return scores


def scaled_dot_product_attention(
    q, k, v, *, mask=None, bias=None, scale=None, softcap=None, sinks=None
) -> tuple[NDArray, NDArray]:
    """softmax(q kᵀ / √d) v: the weights say where each query looks, the output what it gets.

    q k mask bias scale softcap   as in `attention_scores`
    v        (..., n_k, d_v), with as many heads as k
    sinks    (h,) one score per head for "nowhere": it takes a share of the softmax and gives
             nothing back, so that a row of weights sums to less than 1 (gpt-oss, 2025)
    returns  output (..., n_q, d_v) and weights (..., n_q, n_k), in the dtype of q;
             a query that may look at nothing gets weights 0 and output 0

    Vaswani et al. 2017, "Attention Is All You Need", equation 1.
    """
    q, k, v, sinks, dtype = _guard.scaled_dot_product_attention(q, k, v, sinks)
    scores = attention_scores(q, k, mask=mask, bias=bias, scale=scale, softcap=softcap)
    if sinks is None:
        weights = softmax(scores)  # (..., n_q, n_k)
    else:
        weights = softmax(np.concatenate([scores, sinks], axis=-1))[..., :-1]
    output = weights @ v  # (..., n_q, d_v)
    return output.astype(dtype, copy=False), weights.astype(dtype, copy=False)


def split_heads(x, n_heads) -> NDArray:
    """(..., n, h·d_head) -> (..., h, n, d_head): head 0 gets the first d_head columns, …"""
    x, n_heads = _guard.split_heads(x, n_heads)
    x = x.reshape(*x.shape[:-1], n_heads, x.shape[-1] // n_heads)  # (..., n, h, d_head)
    return x.swapaxes(-2, -3)  # (..., h, n, d_head)


def merge_heads(x) -> NDArray:
    """(..., h, n, d_head) -> (..., n, h·d_head): the heads side by side, as before the split."""
    x = _guard.merge_heads(x).swapaxes(-2, -3)  # (..., n, h, d_head)
    return x.reshape(*x.shape[:-2], x.shape[-2] * x.shape[-1])
