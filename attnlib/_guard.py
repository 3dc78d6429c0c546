"""The doors of the ground floor: one for each function that has arguments to check, by its name.

A door refuses what its function cannot take, before any work, and hands on arrays that fit; float16
comes out as float32. A function begins with one line through its door; what follows is the lesson.
"""

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
