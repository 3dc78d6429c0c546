"""The doors of the ground floor: one for each function that has arguments to check, by its name.

A door refuses what its function cannot take, before any work, and hands on arrays that fit; float16
comes out as float32. A function begins with one line through its door; what follows is the lesson.
"""

from typing import NamedTuple

import numpy as np

from attnlib import _check

# ---- attention -----------------------------------------------------------------------------------


def softmax(x, axis, where):
    """x with -inf where `where` is False, and the dtype of the answer."""
    x = _check.floats("x", x, "")
    if x.ndim == 0:
        raise ValueError("x must have at least one axis, got a single number")
    if not -x.ndim <= _check.integer("axis", axis, minimum=None) < x.ndim:
        raise ValueError(f"axis {axis} does not exist: x has the shape {x.shape}")
    if where is not None:
        where = _check.broadcasts("where", _check.boolean("where", where), x.shape)
        x = np.where(where, x, -np.inf).astype(x.dtype, copy=False)
    dtype = x.dtype
    if dtype == np.float16:
        x = x.astype(np.float32)
    return _check.below_infinity("x", x), dtype


def attention_scores(q, k, mask, bias, scale, softcap):
    """Arrays that fit, k with as many heads as q, and numbers in the dtype of q; no product of q
    and k overflows.
    """
    q, k = fitting(q, k)
    k = repeat_kv(k, q, "k")
    number = q.dtype.type
    scale = number(q.shape[-1] ** -0.5 if scale is None else _check.positive("scale", scale))
    bound = _check.square_sum(q) * _check.square_sum(k)  # |q·k|² is at most |q|²|k|²
    if not bound * max(float(scale), 1) ** 2 < 1e70:
        with np.errstate(over="ignore", invalid="ignore"):
            _check.finite("q @ k", (q * scale) @ k.mT)
    if softcap is not None:
        softcap = number(_check.positive("softcap", softcap))
    if bias is None and mask is None:
        return q, k, mask, bias, scale, softcap
    shape = (*leading(q, k, "k"), q.shape[-2], k.shape[-2])
    if bias is not None:
        bias = _check.broadcasts("bias", _check.floats("bias", bias, ""), shape)
        bias = _check.below_infinity("bias", bias).astype(q.dtype, copy=False)
    if mask is not None:
        mask = _check.broadcasts("mask", _check.boolean("mask", mask), shape)
    return q, k, mask, bias, scale, softcap


def scaled_dot_product_attention(q, k, v, sinks):
    """q, k, v as arrays that fit each other, k and v with as many heads as q; sinks as a column
    beside the scores, (..., n_q, 1); and the dtype of the answer.
    """
    dtype = _check.floats("q", q, "n_q d").dtype
    q, k, v = fitting(q, k, v)
    k, v = repeat_kv(k, q, "k"), repeat_kv(v, q, "v")
    if sinks is not None:
        sinks = _check.finite("sinks", _check.floats("sinks", sinks, "h"))
        shape = (*leading(q, k, "k"), q.shape[-2], k.shape[-2])
        if len(shape) < 3 or sinks.shape != shape[-3:-2]:
            found = f"got {sinks.shape} for weights of the shape {shape}"
            raise ValueError(f"sinks must have one number per head, {found}")
        sinks = np.broadcast_to(sinks[:, None, None], (*shape[:-1], 1)).astype(q.dtype)
    return q, k, v, sinks, dtype


def split_heads(x, n_heads):
    """x as an array whose width n_heads divides."""
    x, n_heads = np.asarray(x), _check.integer("n_heads", n_heads)
    if x.ndim < 2 or x.shape[-1] % n_heads:
        wanted = f"(..., n, d) with d divisible by n_heads={n_heads}"
        raise ValueError(f"x must have the shape {wanted}, got {x.shape}")
    return x, n_heads


def merge_heads(x):
    """x as an array with an axis of heads."""
    x = np.asarray(x)
    if x.ndim < 3:
        raise ValueError(f"x must have the shape (..., h, n, d_head), got {x.shape}")
    return x


def fitting(*qkv):
    """q, k (and v) as finite arrays of one float dtype whose shapes fit each other."""
    axes = ("q", "n_q d"), ("k", "n_k d"), ("v", "n_k d_v")
    arrays = [_check.floats(name, x, wanted) for (name, wanted), x in zip(axes, qkv)]
    q, k, *v = arrays
    if q.shape[-1] != k.shape[-1]:
        raise ValueError(f"q and k must have the same last axis d, {_shapes(arrays)}")
    if v and k.shape[:-1] != v[0].shape[:-1]:
        raise ValueError(f"k and v must agree on every axis but the last, {_shapes(arrays)}")
    if not q.size or not k.size:
        raise ValueError(f"q and k need at least one token and one dimension, {_shapes(arrays)}")
    for name, array in zip("qkv", arrays):
        _check.finite(name, array)
    if q.dtype == np.float16 or any(array.dtype != q.dtype for array in arrays):
        dtype = np.result_type(np.float32, *arrays)
        arrays = [array.astype(dtype, copy=False) for array in arrays]
    return arrays


def _shapes(arrays):
    return "got " + ", ".join(f"{name} {array.shape}" for name, array in zip("qkv", arrays))


def repeat_kv(x, q, name):
    """Repeat each kv head for its group of query heads: (..., h_kv, n, d) -> (..., h, n, d)."""
    if x.shape[:-2] == q.shape[:-2]:
        return x
    if q.ndim > 2 and x.ndim > 2 and x.shape[-3] not in (1, q.shape[-3]):
        if q.shape[-3] % x.shape[-3]:
            found = f"got q {q.shape}, {name} {x.shape}"
            raise ValueError(f"the heads of q must be a multiple of those of {name}, {found}")
        x = np.repeat(x, q.shape[-3] // x.shape[-3], axis=-3)
    leading(q, x, name)
    return x


def leading(q, x, name):
    """The axes in front of tokens and numbers, broadcast: (batch …, h)."""
    if x.shape[:-2] == q.shape[:-2]:
        return q.shape[:-2]
    try:
        return np.broadcast_shapes(q.shape[:-2], x.shape[:-2])
    except ValueError:
        found = f"got q {q.shape}, {name} {x.shape}"
        raise ValueError(f"the leading axes of q and {name} do not fit, {found}") from None


# ---- efficient -----------------------------------------------------------------------------------


class Heads(NamedTuple):
    """q, k and v as one matrix per head, and what is the same for all of them."""

    q: np.ndarray  # (*lead, n_q, d)    views: nothing is repeated in memory
    k: np.ndarray  # (*lead or fewer heads, n_k, d)
    v: np.ndarray
    group: int  # query heads per kv head
    dtype: np.dtype
    scale: float
    softcap: float | None

    n_q = property(lambda self: self.q.shape[-2])
    n_k = property(lambda self: self.k.shape[-2])
    offset = property(lambda self: self.n_k - self.n_q)

    def one(self, head):
        """q, k and v of one head: query head i reads kv head i // group."""
        kv = (*head[:-1], head[-1] // self.group) if head else ()
        return self.q[head], self.k[kv], self.v[kv]

    def stretched(self, name, array):
        """A view of a mask or a bias with the shape of the weights."""
        shape = (*self.q.shape[:-1], self.n_k)
        return np.broadcast_to(_check.broadcasts(name, array, shape), shape)


def flash_attention(q, k, v, causal, mask, bias, scale, softcap, block, workers):
    """The heads, and mask and bias as views with the shape of the weights."""
    found = heads(q, k, v, scale, softcap)
    if block is not None:
        _check.integer("block", block)
    if mask is not None:
        mask = found.stretched("mask", _check.boolean("mask", mask))
    if bias is not None:
        bias = _check.below_infinity("bias", _check.floats("bias", bias, ""))
        bias = found.stretched("bias", bias)
    _check.flag("causal", causal)
    if workers is not None:
        _check.integer("workers", workers)
    return found, mask, bias


def local_attention(q, k, v, window, causal, n_global, scale, softcap, workers):
    """The heads."""
    found = heads(q, k, v, scale, softcap)
    _check.integer("window", window)
    if _check.integer("n_global", n_global, minimum=0) and found.offset < 0:
        shapes = f"got n_q={found.n_q}, n_k={found.n_k}"
        raise ValueError(f"with n_global, q must have no more tokens than k, {shapes}")
    _check.flag("causal", causal)
    if workers is not None:
        _check.integer("workers", workers)
    return found


def flash_steps(q, k, v, block):
    """q, k and v of one head, and the number of keys in a tile."""
    q, k, v = fitting(q, k, v)
    if q.ndim > 2 or k.ndim > 2:
        wanted = "flash_steps shows one head, q (n_q, d), k (n_k, d), v (n_k, d_v)"
        raise ValueError(f"{wanted}, {_shapes([q, k, v])}")
    return q, k, v, _check.integer("block", block)


def heads(q, k, v, scale, softcap):
    """The `Heads` of q, k and v that fit each other."""
    dtype = _check.floats("q", q, "n_q d").dtype
    q, k, v = fitting(q, k, v)
    scale = q.shape[-1] ** -0.5 if scale is None else _check.positive("scale", scale)
    softcap = None if softcap is None else _check.positive("softcap", softcap)
    shapes, group = f"got q {q.shape}, k {k.shape}", 1
    if q.ndim > 2 and k.ndim > 2 and k.shape[-3] not in (1, q.shape[-3]):
        group, rest = divmod(q.shape[-3], k.shape[-3])
        if rest:
            raise ValueError(f"the heads of q must be a multiple of those of k, {shapes}")
    full = (*k.shape[:-3], k.shape[-3] * group) if k.ndim > 2 else ()
    try:
        lead = np.broadcast_shapes(q.shape[:-2], full)
    except ValueError:
        raise ValueError(f"the leading axes of q and k do not fit, {shapes}") from None
    fewer = (*lead[:-1], lead[-1] // group) if lead else ()
    q = np.broadcast_to(q, (*lead, *q.shape[-2:]))
    k, v = (np.broadcast_to(x, (*fewer, *x.shape[-2:])) for x in (k, v))
    return Heads(q, k, v, group, dtype, scale, softcap)
