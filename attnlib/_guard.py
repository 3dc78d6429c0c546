"""The doors of the ground floor: one for each function that has arguments to check, by its name.

A door refuses what its function cannot take, before any work, and hands on arrays that fit; float16
comes out as float32. A function begins with one line through its door; what follows is the lesson.
"""

import threading
from functools import partial, wraps
from inspect import signature
from types import FunctionType
from typing import NamedTuple

import numpy as np

from attnlib import _brought, _check

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
    """Finite arrays that fit, k with as many heads as q; no product of q and k overflows."""
    q, k = fitting(q, k)
    longest = max(_check.length("q", q), 1) * max(_check.length("k", k), 1)  # |q·k| ≤ |q||k|
    k = repeat_kv(k, q, "k")
    scale = None if scale is None else _check.positive("scale", scale)
    factor = q.shape[-1] ** -0.5 if scale is None else scale
    if not longest * max(factor, 1) < 1e35:  # then only the product itself can tell
        with np.errstate(over="ignore", invalid="ignore"):
            _check.finite("q @ k", (q * factor) @ k.mT)
    if softcap is not None:
        softcap = _check.positive("softcap", softcap)
    if bias is None and mask is None:
        return q, k, mask, bias, scale, softcap
    shape = (*leading(q, k, "k"), q.shape[-2], k.shape[-2])
    if bias is not None:
        bias = _check.broadcasts("bias", _check.floats("bias", bias, ""), shape)
        dtype = wide_enough(bias, q.dtype)
        q, bias = q.astype(dtype, copy=False), bias.astype(dtype, copy=False)
    if mask is not None:
        mask = weights_mask(mask, shape)
    return q, k, mask, bias, scale, softcap


def scaled_dot_product_attention(q, k, v, sinks):
    """q, k, v as arrays that fit each other, v with as many heads as q; sinks as a column
    beside the scores, (..., n_q, 1); and the dtype of the answer.
    """
    dtype = _check.floats("q", q, "n_q d").dtype
    q, k, v = fitting(q, k, v)  # attention_scores looks whether q and k are finite
    _check.finite("v", v)
    lead, v = leading(q, k, "k"), repeat_kv(v, q, "v")
    if sinks is not None:
        sinks = _check.finite("sinks", _check.floats("sinks", sinks, "h"))
        shape = (*lead, q.shape[-2], k.shape[-2])
        if len(shape) < 3 or sinks.shape != shape[-3:-2]:
            found = f"got {sinks.shape} for weights of the shape {shape}"
            raise ValueError(f"sinks must have one number per head, {found}")
        sinks = np.broadcast_to(sinks[:, None, None], (*shape[:-1], 1)).astype(q.dtype)
    return q, k, v, sinks, dtype


def wide_enough(bias, dtype):
    """The float type in which a bias stays finite where it is: `dtype`, or float64 for numbers
    beyond it, as np.finfo(float).min. ValueError where a score cannot be added to it.
    """
    most = bias.max(initial=0)
    if not most <= np.finfo(np.float64).max / 2:
        _check.below_infinity("bias", bias)
        raise ValueError(f"bias must leave room for the scores, up to 8e307, got {most:.3g}")
    if most <= np.finfo(dtype).max / 2:
        if np.can_cast(bias.dtype, dtype) or bias.min(initial=0) >= np.finfo(dtype).min:
            return dtype
        if bias.min(initial=0, where=bias > -np.inf) >= np.finfo(dtype).min:
            return dtype
    return np.result_type(dtype, np.float64)


def split_heads(x, n_heads):
    """x as an array whose width n_heads divides."""
    x, n_heads = _check.numbers("x", x), _check.integer("n_heads", n_heads)
    if x.ndim < 2 or x.shape[-1] % n_heads:
        wanted = f"(..., n, d) with d divisible by n_heads={n_heads}"
        raise ValueError(f"x must have the shape {wanted}, got {x.shape}")
    return x, n_heads


def merge_heads(x):
    """x as an array with an axis of heads."""
    x = _check.numbers("x", x)
    if x.ndim < 3:
        raise ValueError(f"x must have the shape (..., h, n, d_head), got {x.shape}")
    return x


def fitting(*qkv):
    """q, k (and v) as arrays of one float dtype whose shapes fit each other."""
    axes = ("q", "n_q d"), ("k", "n_k d"), ("v", "n_k d_v")
    arrays = [_check.floats(name, x, wanted) for (name, wanted), x in zip(axes, qkv)]
    q, k, *v = arrays
    if q.shape[-1] != k.shape[-1]:
        raise ValueError(f"q and k must have the same last axis d, {_shapes(arrays)}")
    if v and k.shape[:-1] != v[0].shape[:-1]:
        raise ValueError(f"k and v must agree on every axis but the last, {_shapes(arrays)}")
    if not q.size or not k.size:
        raise ValueError(f"q and k need at least one token and one dimension, {_shapes(arrays)}")
    if q.dtype == np.float16 or any(array.dtype != q.dtype for array in arrays):
        dtype = np.result_type(np.float32, *arrays)
        arrays = [array.astype(dtype, copy=False) for array in arrays]
    return arrays


def _finite(arrays):
    return [_check.finite(name, array) for name, array in zip("qkv", arrays)]


def _shapes(arrays):
    return "got " + ", ".join(f"{name} {array.shape}" for name, array in zip("qkv", arrays))


def repeat_kv(x, q, name):
    """Repeat each kv head for its group of query heads: (..., h_kv, n, d) -> (..., h, n, d)."""
    leading(q, x, name)
    if q.ndim > 2 and x.ndim > 2 and x.shape[-3] not in (1, q.shape[-3]):
        x = np.repeat(x, q.shape[-3] // x.shape[-3], axis=-3)
    return x


def leading(q, x, name):
    """The axes in front of tokens and numbers, (batch …, h): those of q and x, which has to fit."""
    lead = x.shape[:-2]
    if lead == q.shape[:-2]:
        return lead
    found = f"got q {q.shape}, {name} {x.shape}"
    if q.ndim > 2 and x.ndim > 2 and x.shape[-3] not in (1, q.shape[-3]):
        if q.shape[-3] % x.shape[-3]:
            raise ValueError(f"the heads of q must be a multiple of those of {name}, {found}")
        lead = (*lead[:-1], q.shape[-3])
    try:
        return np.broadcast_shapes(q.shape[:-2], lead)
    except ValueError:
        raise ValueError(f"the leading axes of q and {name} do not fit, {found}") from None


# ---- heads ---------------------------------------------------------------------------------------


def multi_head(d_model, d_context, n_heads, n_kv_heads, d_head, use_bias, rng):
    """The sizes of an attention layer, those that were not given filled in; and a generator."""
    d_model = _check.integer("d_model", d_model)
    d_context = _check.integer("d_context", d_model if d_context is None else d_context)
    n_heads = _check.integer("n_heads", n_heads)
    n_kv_heads = _check.integer("n_kv_heads", n_heads if n_kv_heads is None else n_kv_heads)
    if n_heads % n_kv_heads:
        raise ValueError(f"n_heads={n_heads} must be divisible by n_kv_heads={n_kv_heads}")
    if d_head is None and d_model % n_heads:
        wanted = f"divisible by n_heads={n_heads}, or give d_head="
        raise ValueError(f"d_model={d_model} must be {wanted}")
    d_head = _check.integer("d_head", d_model // n_heads if d_head is None else d_head)
    _check.flag("use_bias", use_bias)
    return d_model, d_context, n_heads, n_kv_heads, d_head, _check.generator(rng)


def kept(k, v, held_k, held_v):
    """k and v as float arrays that fit each other and what a `KVCache` holds."""
    k, v = _check.floats("k", k, "n d_head"), _check.floats("v", v, "n d_v")
    if k.shape[:-1] != v.shape[:-1] or 0 in k.shape + v.shape:
        wanted = "agree on every axis but the last, with at least one token and one dimension"
        raise ValueError(f"k and v must {wanted}, got k {k.shape}, v {v.shape}")
    for name, new, old in (("k", k, held_k), ("v", v, held_v)):
        if old is not None and new.dtype != old.dtype:
            raise TypeError(f"{name} must be {old.dtype}, as what is held, got {new.dtype}")
        if old is not None and _but_tokens(new) != _but_tokens(old):
            held = f"any n must fit what is held, {old.shape}"
            raise ValueError(f"{name} has the shape {new.shape}, which for {held}")
    return k, v


def _but_tokens(x):
    """The shape without the axis of the tokens: (..., h_kv, n, d) -> (..., h_kv, d)."""
    return (*x.shape[:-2], x.shape[-1])


# ---- masks ---------------------------------------------------------------------------------------


def behind(n_q, n_k, offset):
    """Whole numbers; without an offset the last query stands at the last key."""
    n_q = _check.integer("n_q", n_q)
    n_k = n_q if n_k is None else _check.integer("n_k", n_k)
    offset = n_k - n_q if offset is None else _check.integer("offset", offset, minimum=None)
    if n_q * n_k > _check.LARGEST:
        raise ValueError(f"n_q and n_k must make a table that can be held, got {n_q} and {n_k}")
    return n_q, n_k, offset


def square(n, **sizes):
    """n tokens, which look at each other; and what else is a whole number, 0 or above."""
    n = _check.integer("n", n)
    behind(n, n, None)
    return n, *(_check.integer(name, size, minimum=0) for name, size in sizes.items())


def dilated(window, dilation):
    """Two whole numbers."""
    dilation = _check.integer("dilation", dilation)
    return _check.integer("window", window), dilation


def padding(lengths, n_k):
    """The lengths with axes for heads, queries and keys."""
    n_k, lengths = _check.integer("n_k", n_k), _check.array("lengths", lengths)
    whole = lengths.dtype.kind in "iu" and lengths.ndim < 2
    if lengths.ndim and lengths.shape[-1] == n_k > 1 and np.isin(lengths, (0, 1)).all():
        wanted = "how many tokens each text has, (b,), got what looks like a 0/1 mask of the shape"
        fix = "that is a mask already, as a boolean one: mask.astype(bool)"
        fix += ", for a batch (b, n_k) with [:, None, None, :] behind" if lengths.ndim > 1 else ""
        raise ValueError(f"lengths must be {wanted} {lengths.shape}; {fix}")
    if not whole or (lengths < 0).any() or (lengths > n_k).any():
        wanted = f"whole numbers from 0 to n_k={n_k}, one or an array (b,)"
        raise ValueError(f"lengths must be {wanted}, got {lengths.tolist()}")
    return (lengths.reshape(1, 1) if lengths.ndim == 0 else lengths[:, None, None, None]), n_k


def documents(ids):
    """The ids as an array, (n,) or (b, n)."""
    ids = _check.array("ids", ids)
    if ids.ndim not in (1, 2) or ids.dtype.kind not in "iub":
        wanted = "whole numbers of the shape (n,) or (b, n)"
        raise ValueError(f"ids must be {wanted}, got {ids.dtype} {ids.shape}")
    return ids


def global_tokens(n, n_global):
    """Two whole numbers."""
    return square(n, n_global=n_global)


def random_keys(n_q, n_k, n_random, rng):
    """Whole numbers, n_random of them at most n_k, and a generator."""
    n_q, n_k, _ = behind(n_q, n_k, None)
    n_random = _check.integer("n_random", n_random, minimum=0, maximum=n_k)
    return n_q, n_k, n_random, _check.generator(rng)


def weights_mask(mask, shape):
    """A boolean mask that can be stretched to the shape of the weights."""
    return _check.broadcasts("mask", _check.boolean("mask", mask), shape)


def batch_mask(mask, shape):
    """The mask for ids of a shape, (n,) or (b, n), as a boolean array. That of a padded batch needs
    axes for heads and queries, which is said; a batch of one text gets them.
    """
    if mask is None:
        return None
    mask = _check.boolean("mask", mask)
    if mask.ndim == 2 == len(shape) and mask.shape == shape:
        if len(mask) == 1:
            return mask[:, None, None, :]
        if shape[0] != shape[1]:  # else its rows could be queries
            wanted = "(b, 1, 1, n), with axes for heads and queries: mask[:, None, None, :]"
            raise ValueError(f"mask has the shape of ids, {mask.shape}, and must be {wanted}")
    return mask


def square_mask(mask):
    """The mask as a boolean array (..., n, n)."""
    mask = _check.boolean("mask", mask)
    if mask.ndim < 2 or mask.shape[-1] != mask.shape[-2]:
        raise ValueError(f"mask must have the shape (..., n, n), got {mask.shape}")
    return mask


def receptive_field(mask, n_layers):
    """The mask as a boolean array (..., n, n), and a whole number."""
    return square_mask(mask), _check.integer("n_layers", n_layers, minimum=0)


def density(mask):
    """The mask as a boolean array with something in it."""
    mask = _check.boolean("mask", mask)
    if mask.size == 0:
        raise ValueError(f"mask must hold at least one pair, got the shape {mask.shape}")
    return mask


def influence(attend, x, size):
    """A function, x as a finite array (n, d), and a number above 0."""
    _check.function("attend", attend, "a function (n, d) -> (n, d_out)")
    x = _check.finite("x", _check.floats("x", x, "n d"))
    size = _check.positive("size", size)
    if x.ndim != 2 or not x.size:
        raise ValueError(f"x must have the shape (n, d), got {x.shape}")
    return x, size


# ---- encodings -----------------------------------------------------------------------------------


def sinusoidal(n, d_model, base, layout):
    """A length, an even width, and the base as a float."""
    n, d_model = _check.integer("n", n), _check.integer("d_model", d_model, minimum=2)
    if d_model % 2:
        raise ValueError(f"d_model must be even, a sine and a cosine per hand, got {d_model}")
    _check.choice("layout", layout, ["interleaved", "half"])
    return n, d_model, _check.positive("base", base)


def frequencies(d, base):
    """An even width, and the base as a float."""
    d = _check.integer("d", d, minimum=2)
    if d % 2:
        raise ValueError(f"d must be even, two numbers per pair, got {d}")
    return d, _check.positive("base", base)


def rotary_angles(positions, d_head, base):
    """Finite positions, an even width, and the base as a float."""
    positions = _check.finite("positions", _check.floats("positions", positions, ""))
    d_head = _check.integer("d_head", d_head, minimum=2)
    if d_head % 2:
        raise ValueError(f"d_head must be even, so that its numbers form pairs, got {d_head}")
    return positions, d_head, _check.positive("base", base)


def added(n, held):
    """How many rows, and how many there were before."""
    return _check.integer("n", n), _check.integer("held", held, minimum=0)


def turned(x, positions, name="x"):
    """Queries or keys (..., n, d_head) of an even width; finite positions of them, or None."""
    x = _check.finite(name, _check.floats(name, x, "n d_head"))
    if x.shape[-1] % 2 or not x.shape[-1]:
        raise ValueError(f"{name} must have an even d_head, as numbers form pairs, got {x.shape}")
    if positions is None:
        return x, None
    positions = _check.finite("positions", _check.floats("positions", positions, "n"))
    batch = x.shape[:1] if positions.ndim == 2 and x.ndim > 3 else ()
    if positions.shape not in ((*batch, x.shape[-2]), (*(1 for _ in batch), x.shape[-2])):
        raise ValueError(
            f"positions must have the shape (n,) or (b, n) for {name} {x.shape}, got"
            f" {positions.shape}"
        )
    return x, positions


def rotary_part(value):
    """A share above 0, at most 1."""
    found = _check.positive("partial", value)
    if found > 1:
        raise ValueError(f"partial must be at most 1, all columns of a head, got {value!r}")
    return found


def turned_columns(partial, d_head):
    """How many of the columns of a head turn: an even number where it is a part of them."""
    columns = d_head if partial == 1 else int(_check.integer("d_head", d_head) * partial)
    if partial < 1 and (columns % 2 or not columns):
        wanted = "must turn an even number of columns, at least 2"
        raise ValueError(f"partial {wanted}: {partial:g} of d_head={d_head} is {columns}")
    return columns


def rotate(x, angles, layout, name="x"):
    """x, angles that fit its pairs, and how many pairs there are."""
    x = _check.floats(name, x, "n d_head")
    angles = _check.finite("angles", _check.floats("angles", angles, "n pairs"))
    half = x.shape[-1] // 2
    if x.shape[-1] % 2:
        raise ValueError(f"{name} must have an even d_head, as numbers form pairs, got {x.shape}")
    _check.broadcasts("angles", angles, (*x.shape[:-1], half), "the pairs'")
    _check.choice("layout", layout, ["half", "interleaved"])
    return x, angles, half


def placed(turned, x):
    """What an encoding made of queries or keys x: an array of their shape and dtype."""
    turned = _check.floats("turned(x, positions)", turned, "")
    if turned.shape != x.shape:
        wanted = f"keep the shape of x, {x.shape}"
        raise ValueError(f"turned(x, positions) must {wanted}, got {turned.shape}")
    return turned.astype(x.dtype, copy=False)


def positions(value, names, kind):
    """Refuses what is not None, one of the names or, where there is a kind, an object of it."""
    if value is None or (kind is not None and isinstance(value, kind)):
        return
    if kind is not None and not isinstance(value, str):
        named = f"positions must be one of {', '.join(map(repr, names))}, got {value!r}"
        mine = f"one of your own is an object of a class made from encodings.{kind.__name__}"
        raise ValueError(f"{named}; {mine}")
    _check.choice("positions", value, names)


def t5_bucket(distance, bidirectional, n_buckets, max_distance):
    """Whole distances; per direction, how many buckets and how many of them hold one distance."""
    distance = _check.array("distance", distance)
    if distance.dtype.kind not in "iu":
        raise TypeError(f"distance must hold whole numbers, got an array of {distance.dtype}")
    return distance, *buckets(bidirectional, n_buckets, max_distance)


def buckets(bidirectional, n_buckets, max_distance):
    """Per direction: how many buckets, and how many of them hold one distance."""
    sides = 2 if _check.flag("bidirectional", bidirectional) else 1
    found = _check.integer("n_buckets", n_buckets, minimum=2 * sides) // sides
    _check.integer("max_distance", max_distance, minimum=found // 2 + 1)
    return found, found // 2


def t5_bias(table):
    """The table as an array (n_buckets, h)."""
    table = _check.floats("table", table, "n_buckets h")
    if table.ndim != 2 or 0 in table.shape:
        raise ValueError(f"table must have the shape (n_buckets, h), got {table.shape}")
    return table


# ---- layers --------------------------------------------------------------------------------------


def layer_norm(x, gain, bias, eps):
    """x, gain (1 unless given) and bias (0 unless given) that fit it, eps; the answer's dtype."""
    x, gain, eps, dtype = rms_norm(x, gain, eps)
    if bias is None:
        return x, gain, x.dtype.type(0), eps, dtype
    bias = _check.broadcasts("bias", _check.floats("bias", bias, ""), x.shape, "x's")
    return x, gain, bias, eps, dtype


def rms_norm(x, gain, eps):
    """x, gain (1 unless given) that fits it, eps; and the dtype of the answer."""
    x = _check.floats("x", x, "d")
    if x.shape[-1] == 0:
        raise ValueError(f"x must have at least one number in a row, got {x.shape}")
    x, eps, dtype = _check.finite("x", x), _check.positive("eps", eps), x.dtype
    if dtype == np.float16:
        x = x.astype(np.float32)
    if gain is None:
        return x, x.dtype.type(1), eps, dtype
    gain = _check.broadcasts("gain", _check.floats("gain", gain, ""), x.shape, "x's")
    return x, gain, eps, dtype


def norm_maker(norm_type, eps, names):
    """Refuses a norm that there is not, and an eps that is not above 0."""
    _check.choice("norm_type", norm_type, names)
    if eps is not None:
        _check.positive("eps", eps)


def feed_forward(d_model, d_hidden, activation, gated, use_bias, rng, names):
    """The widths, and a generator."""
    d_model = _check.integer("d_model", d_model)
    d_hidden = _check.integer("d_hidden", 4 * d_model if d_hidden is None else d_hidden)
    _check.choice("activation", activation, names)
    _check.flag("gated", gated)
    _check.flag("use_bias", use_bias)
    return d_model, d_hidden, _check.generator(rng)


def cross(x, context, context_mask, n_held, attention):
    """The tokens, and where no cache holds the source: its tokens, and who may look at whom of
    them, as a boolean array that fits, or None.
    """
    x = _check.tokens("x", x, len(attention.W_q))
    if n_held:
        return x, context, context_mask
    if context is None:
        raise ValueError("context must be given, unless a filled cache is")
    context = _check.tokens("context", context, x.shape[-1], "n_source d_model")
    if context_mask is not None:
        shape = (*x.shape[:-2], attention.n_heads, x.shape[-2], context.shape[-2])
        mask = _check.boolean("context_mask", context_mask)
        context_mask = _check.broadcasts("context_mask", mask, shape)
    return x, context, context_mask


def has_parts(layer, name="layer"):
    """The layer itself, which holds arrays."""
    no_layer = isinstance(layer, (type, FunctionType, np.ndarray))
    if no_layer or not hasattr(layer, "__dict__"):
        raise TypeError(f"{name} must be a layer or a model, got {_check.short(layer)}")
    return layer


def cast(layer, dtype):
    """A layer, and a type of float."""
    return has_parts(layer), _check.float_type("dtype", dtype)


def gelu(x, approximate):
    """x as a float array."""
    x = _check.floats("x", x, "")
    _check.choice("approximate", approximate, ["none", "tanh"])
    return x


# ---- measures ------------------------------------------------------------------------------------


def shares(weights, name="weights"):
    """Weights as floats, half precision as single; ValueError unless they can be shares of 1."""
    weights = _brought.weights(name, weights)
    low = weights.min(initial=0)
    if not np.isneginf(low):  # that is a score, of which more below
        _check.finite(name, weights)
    n_q, n_k = weights.shape[-2:]
    if not 0 < n_q <= n_k:
        wanted = "a query, and a key for each query"
        raise ValueError(f"{name} must have {wanted}, got {weights.shape}")
    weights = weights.astype(np.promote_types(weights.dtype, np.float32), copy=False)
    most = 0 if low < 0 else weights.sum(axis=-1).max(initial=0)
    if low < 0 or most > 1.1:  # 1.1: weights that were kept in 8 bits
        wrong = f"one is {low:.3g}" if low < 0 else f"a row sums to {most:.3g}"
        fix = "scores become shares by softmax"
        fix += "" if low < 0 else ", and model.eval() ends the dropout of a model in training"
        raise ValueError(f"{name} must be shares of 1, but {wrong}; {fix}")
    return weights


def step_share(weights, step):
    """Weights, and the diagonal on which key and query are `step` tokens apart."""
    weights = shares(weights)
    n_q, n_k = weights.shape[-2:]
    diagonal = n_k - n_q + _check.integer("step", step, minimum=None)
    if not -n_q < diagonal < n_k:
        raise ValueError(f"step={step} leads out of the weights, {weights.shape}")
    return weights, diagonal


def sink_share(weights, key):
    """Weights, and the key counted from the front."""
    weights = shares(weights)
    n_k = weights.shape[-1]
    return weights, _check.integer("key", key, minimum=-n_k, maximum=n_k - 1) % n_k


def overlap(weights, alone, itself):
    """Two tables of shares of the same shape, square; and a flag."""
    weights, alone = shares(weights), shares(alone, "alone")
    if weights.shape != alone.shape or weights.shape[-1] != weights.shape[-2]:
        raise ValueError(
            "weights and alone must be tables (..., n, n) of the same words, got"
            f" {weights.shape} and {alone.shape}"
        )
    return weights, alone, _check.flag("itself", itself)


def within_diagonals(scores):
    """Finite scores (..., n, n) in float64."""
    scores = _check.finite("scores", _check.floats("scores", scores, "n n")).astype(np.float64)
    n = scores.shape[-1]
    if scores.shape[-2] != n or not n:
        raise ValueError(f"scores must be square, got {scores.shape}")
    return scores


def rows(rows):
    """Rows as float64; ValueError unless they are finite and at least one."""
    rows = _check.finite("rows", _check.floats("rows", rows, "n d"))
    if not rows.shape[-2] or not rows.shape[-1]:
        raise ValueError(f"rows must have at least one row and one column, got {rows.shape}")
    return rows.astype(np.float64, copy=False)


def directions(matrix, least):
    """Rows, and a number above 0."""
    return rows(matrix), _check.positive("least", least)


# ---- effects -------------------------------------------------------------------------------------


def value_norms(weights, values, W_o):
    """Arrays that fit: a row of values for each key, d_head rows of W_o for each head."""
    weights = _brought.no_scores("weights", _brought.weights("weights", weights, "h n_q n_k"))
    values = _check.finite("values", _check.floats("values", values, "h n_k d_head"))
    W_o = _check.finite("W_o", _check.floats("W_o", W_o, "h·d_head d_model"))
    n_heads, d_head = weights.shape[-3], values.shape[-1]
    found = f"got weights {weights.shape}, values {values.shape}, W_o {W_o.shape}"
    if values.shape[-2] != weights.shape[-1] or not values.shape[-3] or n_heads % values.shape[-3]:
        raise ValueError(
            f"values must have a row for each key, and heads that fit those of weights, {found}"
        )
    if W_o.ndim != 2 or len(W_o) != n_heads * d_head:
        raise ValueError(
            f"W_o must have the shape (h·d_head, d_model) with {n_heads}·{d_head} rows, {found}"
        )
    return weights, values, W_o


def rollout(weights, residual):
    """The weights as an array (layers, h, n, n); the residual is a share."""
    weights = _brought.brought("weights", weights, choose=False).array
    weights = _brought.no_scores("weights", _check.floats("weights", weights, "layers h n n"))
    weights = _check.finite("weights", weights)
    if weights.ndim != 4 or weights.shape[-1] != weights.shape[-2] or 0 in weights.shape:
        raise ValueError(f"weights must have the shape (layers, h, n, n), got {weights.shape}")
    if not 0 <= _check.number("residual", residual) <= 1:
        raise ValueError(f"residual must be a share, 0 to 1, got {residual!r}")
    return weights


def redrawn(weights, values, wish):
    """One row of weights, its values, and a wish, as float64 arrays that fit each other."""
    weights = _check.finite("weights", _check.floats("weights", weights, "n_k")).astype(float)
    values = _check.finite("values", _check.floats("values", values, "n_k d")).astype(float)
    wish = _check.finite("wish", _check.floats("wish", wish, "n_k")).astype(float)
    if (
        weights.ndim != 1
        or values.ndim != 2
        or weights.shape != wish.shape
        or len(values) != len(weights)
    ):
        shapes = f"got {weights.shape}, {values.shape} and {wish.shape}"
        raise ValueError(
            f"weights, values and wish must have the shapes (n_k,), (n_k, d) and (n_k,), {shapes}"
        )
    if (weights < 0).any():
        raise ValueError(f"weights must not be below 0, got {weights.min():.3g}")
    return weights, values, wish


def rank_correlation(a, b):
    """Two finite arrays of one shape (n,)."""
    a, b = (_check.finite(name, _check.floats(name, x, "n")) for name, x in (("a", a), ("b", b)))
    if a.ndim != 1 or a.shape != b.shape:
        raise ValueError(f"a and b must have the same shape (n,), got {a.shape} and {b.shape}")
    return a, b


def divergence(logits, others):
    """Finite arrays (..., vocabulary) that fit each other."""
    both = (("logits", logits), ("others", others))
    logits, others = (_check.finite(name, _check.floats(name, x, "vocabulary")) for name, x in both)
    try:
        shape = np.broadcast_shapes(logits.shape, others.shape)
    except ValueError:
        shape = (0,)
    if logits.shape[-1:] != others.shape[-1:] or not shape[-1]:
        found = f"got {logits.shape} and {others.shape}"
        raise ValueError(f"logits and others must have the same vocabulary and fit, {found}")
    return logits, others


def head_effects(layers, measure, mean):
    """A list of attention layers, a function, and whether to put means in their place."""
    layers = _check.row("layers", layers, "attention layers")
    for one in layers:
        if not hasattr(one, "n_heads"):
            wanted = "layers must be attention layers, each a SelfAttention or CrossAttention"
            raise TypeError(f"{wanted}, got {type(one).__name__}")
    if not layers:
        raise ValueError("layers must be attention layers, one at least, got none")
    _check.function("measure", measure, "a function that runs the model and returns a number")
    _check.flag("mean", mean)
    return layers


def one_text(model, ids, name="ids"):
    """A model with logits, and ids as whole numbers (n,)."""
    _check.able("model", model, "logits")
    ids = _check.array(name, ids)
    if ids.ndim != 1 or not ids.size or ids.dtype.kind not in "iu":
        raise ValueError(f"{name} must be whole numbers (n,), got {ids.dtype} {ids.shape}")
    return ids


def swap_each(model, ids, candidates):
    """Ids as whole numbers (n,), and the candidates as such (m,)."""
    return one_text(model, ids), one_text(model, candidates, "candidates")


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
    """The heads, and mask and bias as views with the shape of the weights; block and workers as
    whole numbers.
    """
    found = heads(q, k, v, scale, softcap)
    block = whole_or_none("block", block)
    if mask is not None:
        mask = found.stretched("mask", _check.boolean("mask", mask))
    if bias is not None:
        bias = _check.floats("bias", bias, "")
        dtype = wide_enough(bias, found.q.dtype)
        bias = found.stretched("bias", bias)
        q, k, v = (x.astype(dtype, copy=False) for x in found[:3])
        found = found._replace(q=q, k=k, v=v)
    _check.flag("causal", causal)
    return found, mask, bias, block, whole_or_none("workers", workers)


def local_attention(q, k, v, window, causal, n_global, scale, softcap, workers):
    """The heads; window, n_global and workers as whole numbers."""
    found, window = heads(q, k, v, scale, softcap), _check.integer("window", window)
    n_global = _check.integer("n_global", n_global, minimum=0)
    if n_global and found.offset < 0:
        shapes = f"got n_q={found.n_q}, n_k={found.n_k}"
        raise ValueError(f"with n_global, q must have no more tokens than k, {shapes}")
    _check.flag("causal", causal)
    return found, window, n_global, whole_or_none("workers", workers)


def whole_or_none(name, value):
    """A whole number, or None."""
    return None if value is None else _check.integer(name, value)


def flash_steps(q, k, v, block):
    """q, k and v of one head, and the number of keys in a tile."""
    q, k, v = _finite(fitting(q, k, v))
    if q.ndim > 2 or k.ndim > 2:
        wanted = "flash_steps shows one head, q (n_q, d), k (n_k, d), v (n_k, d_v)"
        raise ValueError(f"{wanted}, {_shapes([q, k, v])}")
    return q, k, v, _check.integer("block", block)


def heads(q, k, v, scale, softcap):
    """The `Heads` of q, k and v that fit each other."""
    dtype = _check.floats("q", q, "n_q d").dtype
    q, k, v = _finite(fitting(q, k, v))
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


# ---- training ------------------------------------------------------------------------------------


class Thread(threading.local):
    """Whether it works behind the door of a backward pass."""

    behind = False


_thread = Thread()


def backward(*fits, **kinds):
    """The door of a backward pass: an argument has its axes, "... n d", and an axis of one name is
    as long in all; or it goes through a check of its own. `fits` look at several together.

    Inside a backward pass, as that of a whole model, nobody asks again.
    """
    axes = {name: kind for name, kind in kinds.items() if isinstance(kind, str)}
    checks = kinds | {name: partial(_check.full, axes=kind) for name, kind in axes.items()}

    def before(function):
        known = signature(function)

        @_check.door(**checks)
        @wraps(function)
        def asked(*given, **options):
            found = known.bind(*given, **options)
            found.apply_defaults()
            same_axes(axes, found.arguments)
            for fit in fits:
                fit(*(found.arguments[name] for name in signature(fit).parameters))
            _thread.behind = True
            try:
                return function(*given, **options)
            finally:
                _thread.behind = False

        @wraps(function)
        def checked(*given, **options):
            if _thread.behind:
                return function(*given, **options)
            return asked(*given, **options)

        return checked

    return before


def same_axes(axes, arrays):
    """Refuses arrays in which an axis of one name has two lengths."""
    lengths = {}
    for name, wanted in axes.items():
        if arrays[name] is None:
            continue
        shape, names = arrays[name].shape, wanted.split()
        lead = len(shape) - len(names) + 1
        parts = (shape[:lead], *shape[lead:]) if names[0] == "..." else shape
        for axis, part in zip(names, parts):
            length, other = lengths.setdefault(axis, (part, name))
            if part != length:
                raise ValueError(
                    f"{name} must have the shape ({', '.join(names)}), with {axis} = {length} as in"
                    f" {other}, got {shape}"
                )


def softmax_backward(weights, axis):
    """An axis that the weights have."""
    if not -weights.ndim <= _check.integer("axis", axis, minimum=None) < weights.ndim:
        raise ValueError(f"axis {axis} does not exist: weights have the shape {weights.shape}")


def approximate(name, value):
    """Of `gelu`."""
    return _check.choice(name, value, ["none", "tanh"])


def attention_backward(grad_output, q, k, v, weights):
    """What the forward pass gave has the shapes that q, k and v lead to."""
    q, k, v = fitting(q, k, v)
    lead = np.broadcast_shapes(leading(q, k, "k"), leading(q, v, "v"))
    n_q, n_k, d_v = q.shape[-2], k.shape[-2], v.shape[-1]
    for name, x, n in (("grad_output", grad_output, d_v), ("weights", weights, n_k)):
        if x.shape != (*lead, n_q, n):
            raise ValueError(f"{name} must have the shape {(*lead, n_q, n)}, got {x.shape}")


def rotate_backward(grad_output, angles, layout):
    """Angles for the pairs."""
    rotate(grad_output, angles, layout, "grad_output")


def rotary_backward(grad_output, positions):
    """Positions of the tokens."""
    turned(grad_output, positions, "grad_output")


def t5_bias_backward(grad_bias, t5):
    """As many heads."""
    if len(grad_bias) != t5.table.shape[-1]:
        wanted = f"(h={t5.table.shape[-1]}, n_q, n_k), as many heads as t5"
        raise ValueError(f"grad_bias must have the shape {wanted}, got {grad_bias.shape}")


def bend(grad_output, x):
    """Of one shape."""
    if grad_output.shape != x.shape:
        raise ValueError(f"x must have grad_output's shape, {grad_output.shape}, got {x.shape}")


def embedding_backward(grad_output, ids, vocabulary):
    """A row for each id, and ids below the vocabulary."""
    if ids.shape != grad_output.shape[:-1]:
        wanted = f"one for each row of grad_output {grad_output.shape}"
        raise ValueError(f"ids must be {wanted}, got {ids.shape}")
    if ids.min() < 0 or ids.max() >= vocabulary:
        found = f"got {ids.min()} to {ids.max()}"
        raise ValueError(f"ids must lie between 0 and {vocabulary - 1}, {found}")


def sum_to(gradient, shape):
    """A shape that broadcasting stretches to the gradient's."""
    _check.broadcasts("shape", np.broadcast_to(0, shape), gradient.shape, "the gradient's")


def sum_groups(gradient, shape):
    """The same, whose heads may be fewer."""
    if gradient.ndim > 2 and len(shape) > 2 and not gradient.shape[-3] % shape[-3]:
        shape = (*shape[:-3], gradient.shape[-3], *shape[-2:])
    sum_to(gradient, shape)


def logits(name, value):
    """Logits (..., vocabulary) that may be -inf, where a token is ruled out."""
    return _check.below_infinity(name, _check.floats(name, value, "vocabulary"))


def of_output(grad_output, steps):
    """A gradient as the output that steps end with."""
    _as(("grad_output", grad_output), steps.output)


def of_layer(layer, steps):
    """Steps of this layer, or of one with its sizes."""
    width = len(layer.W_q if hasattr(layer, "W_q") else layer.W_up)
    if steps.x.shape[-1] != width:
        raise ValueError(f"steps must be of layer, {width} wide, got {steps.x.shape[-1]}")
    if hasattr(layer, "n_heads") and steps.weights.shape[-3] != layer.n_heads:
        found = f"got {steps.weights.shape[-3]}"
        raise ValueError(f"steps must be of layer, with {layer.n_heads} heads, {found}")


def of_logits(grad_logits, steps):
    """A gradient as the logits that steps end with."""
    if steps.logits is None:
        raise ValueError("steps must hold logits, and come from a model without a head")
    _as(("grad_logits", grad_logits), steps.logits)


def _as(gradient, output):
    name, array = gradient
    if array.shape != output.shape:
        wanted = f"the shape that steps end with, {output.shape}"
        raise ValueError(f"{name} must have {wanted}, got {array.shape}")


def norm_backward(norm, x):
    """Rows as wide as the norm."""
    if x.shape[-1:] != norm.gain.shape:
        raise ValueError(f"x must have rows of norm's width, {len(norm.gain)}, got {x.shape}")


def adamw_step(gradients, parameters, lr):
    """A gradient for each parameter, of its shape; and a number, 0 or above."""
    gradients = _check.arrays("gradients", gradients)
    if gradients.keys() != parameters.keys():
        odd = sorted(map(str, gradients.keys() ^ parameters.keys()))
        raise ValueError(f"gradients must be named as the parameters are; not in both: {odd}")
    for name, p in parameters.items():
        if gradients[name].shape != p.shape:
            found = f"got {gradients[name].shape}"
            raise ValueError(f"gradients[{name!r}] must have the shape {p.shape}, {found}")
    return gradients, _check.rate("lr", lr, _check.not_negative)


def clip_by_norm(gradients, largest):
    """Gradients by name, and a number above 0."""
    if not _check.number("largest", largest) > 0:
        raise ValueError(f"largest must be above 0, np.inf for any length, got {largest!r}")
    return _check.arrays("gradients", gradients), float(largest)
