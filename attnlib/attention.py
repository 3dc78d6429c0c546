"""Attention: every query looks at every key, and takes a weighted mean of the values.

Tokens are rows, (..., n, d). Heads stand in front of them, (..., h, n, d_head).
Weights are (..., h, n_q, n_k): one row per query, and each row sums to 1.

functions   softmax, attention_scores, scaled_dot_product_attention, split_heads, merge_heads
layers      SelfAttention: a text looks at itself; CrossAttention: at another one
memory      KVCache: the keys and values of the tokens so far, for one new token at a time
"""

from contextlib import contextmanager
from typing import NamedTuple

import numpy as np

from attnlib import _check


def softmax(x, axis=-1, where=None):
    """Turn numbers into shares: not negative, and 1 in sum along `axis`.

    exp(x - max) / sum(exp(x - max)): subtracting the maximum changes no result and keeps
    exp from overflowing.

    x        (...) real numbers; -inf gets the share 0
    where    boolean, broadcasts to x: False gets the share 0; a line without True is all zeros
    returns  the shape and float dtype of x (float16 is computed in float32)

    Raises ValueError where x holds NaN or +inf, unless `where` excludes it.
    """
    x = _check.floats("x", x, "")
    if x.ndim == 0:
        raise ValueError("x must have at least one axis, got a single number")
    if not -x.ndim <= _check.integer("axis", axis, minimum=None) < x.ndim:
        raise ValueError(f"axis {axis} does not exist: x has the shape {x.shape}")
    if where is not None:
        where = _check.broadcasts("where", _check.boolean("where", where), x.shape)
        x = np.where(where, x, -np.inf).astype(x.dtype, copy=False)
    work = x.astype(np.float32) if x.dtype == np.float16 else x
    peak = work.max(axis=axis, keepdims=True, initial=-np.inf)
    if not (peak < np.inf).all():  # NaN and +inf win every maximum
        _check.below_infinity("x", work)
    with np.errstate(over="ignore"):  # a difference below -1e308 is -inf: share 0
        work = work - np.where(peak == -np.inf, 0, peak)
        np.exp(work, out=work)
    total = work.sum(axis=axis, keepdims=True)
    work /= np.where(total == 0, 1, total)  # an empty line stays 0
    return work.astype(x.dtype, copy=False)


def log_softmax(x):
    """log(softmax(x)) along the last axis, without the overflow of either. (...) -> (...)"""
    x = x - x.max(axis=-1, keepdims=True)
    return x - np.log(np.exp(x).sum(axis=-1, keepdims=True))


def attention_scores(q, k, *, mask=None, bias=None, scale=None, softcap=None):
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
    q, k = _checked(q, k)
    k = _repeat_kv(k, q, "k")
    scale = q.shape[-1] ** -0.5 if scale is None else _check.positive("scale", scale)
    with np.errstate(over="ignore", invalid="ignore"):
        scores = (q * q.dtype.type(scale)) @ np.swapaxes(k, -1, -2)  # (..., n_q, n_k)
    _check.finite("q @ k", scores)
    if softcap is not None:
        softcap = scores.dtype.type(_check.positive("softcap", softcap))
        scores = softcap * np.tanh(scores / softcap)
    if bias is not None:
        bias = _check.broadcasts("bias", _check.floats("bias", bias, ""), scores.shape)
        scores = scores + _check.below_infinity("bias", bias).astype(scores.dtype, copy=False)
    if mask is not None:
        mask = _check.broadcasts("mask", _check.boolean("mask", mask), scores.shape)
        np.copyto(scores, -np.inf, where=~mask)
    return scores


def scaled_dot_product_attention(
    q, k, v, *, mask=None, bias=None, scale=None, softcap=None, sinks=None
):
    """softmax(q kᵀ / √d) v: the weights say where each query looks, the output what it gets.

    q k mask bias scale softcap   as in `attention_scores`
    v        (..., n_k, d_v), with as many heads as k
    sinks    (h,) one score per head for "nowhere": it takes a share of the softmax and gives
             nothing back, so that a row of weights sums to less than 1 (gpt-oss, 2025)
    returns  output (..., n_q, d_v) and weights (..., n_q, n_k), in the dtype of q;
             a query that may look at nothing gets weights 0 and output 0

    Vaswani et al. 2017, "Attention Is All You Need", equation 1.
    """
    dtype = _check.floats("q", q, "n_q d").dtype
    q, k, v = _checked(q, k, v)
    scores = attention_scores(q, k, mask=mask, bias=bias, scale=scale, softcap=softcap)
    if sinks is None:
        weights = softmax(scores)  # (..., n_q, n_k)
    else:
        weights = softmax(_append_sinks(scores, sinks))[..., :-1]  # (..., n_q, n_k)
    output = weights @ _repeat_kv(v, q, "v")  # (..., n_q, d_v)
    return output.astype(dtype, copy=False), weights.astype(dtype, copy=False)


def split_heads(x, n_heads):
    """(..., n, h·d_head) -> (..., h, n, d_head): head 0 gets the first d_head columns, …"""
    x = np.asarray(x)
    n_heads = _check.integer("n_heads", n_heads)
    if x.ndim < 2 or x.shape[-1] % n_heads:
        wanted = f"(..., n, d) with d divisible by n_heads={n_heads}"
        raise ValueError(f"x must have the shape {wanted}, got {x.shape}")
    x = x.reshape(*x.shape[:-1], n_heads, x.shape[-1] // n_heads)  # (..., n, h, d_head)
    return np.swapaxes(x, -2, -3)  # (..., h, n, d_head)


def merge_heads(x):
    """(..., h, n, d_head) -> (..., n, h·d_head): the heads side by side, as before the split."""
    x = np.asarray(x)
    if x.ndim < 3:
        raise ValueError(f"x must have the shape (..., h, n, d_head), got {x.shape}")
    x = np.swapaxes(x, -2, -3)  # (..., n, h, d_head)
    return x.reshape(*x.shape[:-2], x.shape[-2] * x.shape[-1])


class KVCache:
    """The keys and values of the tokens so far, so that the next token need not make them again.

    Starts empty. len(cache) is the number of tokens held; one cache serves one layer and one
    text, or one batch of texts.

    Shazeer 2019, "Fast Transformer Decoding", section 2.4, counts what this saves.
    """

    def __init__(self):
        self._k, self._v, self._n = None, None, 0  # arrays with room for more than n tokens

    def __len__(self):
        return self._n

    @property
    def k(self):
        """The keys held, (..., h_kv, n, d_head); None while it is empty."""
        return None if self._k is None else self._k[..., : self._n, :]

    @property
    def v(self):
        """The values held, (..., h_kv, n, d_v); None while it is empty."""
        return None if self._v is None else self._v[..., : self._n, :]

    @property
    def nbytes(self):
        """How many bytes the keys and values held take: 2 · h_kv · n · d_head numbers per text."""
        return 0 if self._k is None else self.k.nbytes + self.v.nbytes

    def append(self, k, v):
        """Hold more tokens: k (..., h_kv, n, d_head), v (..., h_kv, n, d_v) -> all keys, all
        values.

        What comes back are views, not copies: they stay right while the cache grows.
        """
        k, v = self._checked(k, v)
        n = self._n + k.shape[-2]
        if self._k is None or n > self._k.shape[-2]:
            self._k, self._v = (self._moved(*pair, n) for pair in ((self.k, k), (self.v, v)))
        self._k[..., self._n : n, :] = k
        self._v[..., self._n : n, :] = v
        self._n = n
        return self.k, self.v

    def _moved(self, old, new, n):
        """A roomier array that begins with `old`: twice as long, so that moving is rare."""
        room = n if old is None else max(n, 2 * self._n)
        roomy = np.empty((*new.shape[:-2], room, new.shape[-1]), new.dtype)
        if old is not None:
            roomy[..., : self._n, :] = old
        return roomy

    def _checked(self, k, v):
        """k and v as float arrays that fit each other and what is held."""
        k, v = _check.floats("k", k, "n d_head"), _check.floats("v", v, "n d_v")
        if k.shape[:-1] != v.shape[:-1] or 0 in k.shape + v.shape:
            wanted = "agree on every axis but the last, with at least one token and one dimension"
            raise ValueError(f"k and v must {wanted}, got k {k.shape}, v {v.shape}")
        for name, new, old in (("k", k, self.k), ("v", v, self.v)):
            if old is not None and new.dtype != old.dtype:
                raise TypeError(f"{name} must be {old.dtype}, as what is held, got {new.dtype}")
            if old is not None and _but_tokens(new) != _but_tokens(old):
                held = f"any n must fit what is held, {old.shape}"
                raise ValueError(f"{name} has the shape {new.shape}, which for {held}")
        return k, v


class MultiHead:
    """The parameters that both attention layers have; see `SelfAttention`.

    Queries are made of tokens of width d_model, keys and values of tokens of width d_context.
    """

    def __init__(self, d_model, d_context, n_heads, n_kv_heads, d_head, use_bias, rng):
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
        rng = _check.generator(rng)

        def untrained(rows, columns):
            return rng.normal(0, rows**-0.5, (rows, columns))

        self.n_heads, self.n_kv_heads = n_heads, n_kv_heads
        self.W_q = untrained(d_model, n_heads * d_head)
        self.W_k = untrained(d_context, n_kv_heads * d_head)
        self.W_v = untrained(d_context, n_kv_heads * d_head)
        self.W_o = untrained(n_heads * d_head, d_model)
        parameters = (self.W_q, self.W_k, self.W_v, self.W_o)
        biases = [np.zeros(W.shape[1]) if use_bias else 0.0 for W in parameters]
        self.b_q, self.b_k, self.b_v, self.b_o = biases
        self.scoring = {}  # scale, softcap: as in attention_scores


class SelfAttention(MultiHead):
    """Multi-head self-attention: the tokens of a text look at each other, in n_heads ways.

    d_model     width of a token
    n_heads     number of query heads
    n_kv_heads  number of key and value heads, n_heads unless given; fewer is grouped-query
                attention (Ainslie et al. 2023)
    d_head      width of a head, d_model // n_heads unless given
    rotary      an `encodings.Rotary`, which turns q and k by their positions; none unless given
    use_bias    also add b_q, b_k, b_v, b_o, zeros at first
    rng         numpy Generator for the untrained weights, default_rng(0) unless given

    Parameters, plain arrays to read or replace:
    W_q (d_model, h·d_head)   W_k W_v (d_model, h_kv·d_head)   W_o (h·d_head, d_model)
    `scoring`, empty at first, holds a scale or softcap as in `attention_scores`.

    Vaswani et al. 2017, "Attention Is All You Need", section 3.2.2.
    """

    def __init__(
        self,
        d_model,
        n_heads,
        *,
        n_kv_heads=None,
        d_head=None,
        rotary=None,
        use_bias=False,
        rng=None,
    ):
        if rotary is not None and not callable(rotary):
            raise TypeError(f"rotary must be an encodings.Rotary, as Rotary(), got {rotary!r}")
        super().__init__(d_model, d_model, n_heads, n_kv_heads, d_head, use_bias, rng)
        d_head = self.W_q.shape[1] // n_heads
        if rotary is not None and d_head % 2:
            raise ValueError(f"d_head must be even, for rotary turns pairs, got {d_head}")
        self.rotary = rotary

    def __call__(self, x, *, mask=None, bias=None, cache=None, positions=None):
        """x (..., n, d_model) -> output (..., n, d_model), weights (..., h, n, n_k).

        mask, bias   as in `attention_scores`
        cache        a `KVCache` of the tokens before x: it gets those of x too, and n_k is then
                     its new length; n_k = n without one. After an error it is as it was before.
        positions    where the tokens are, (n,) or (..., n), for rotary: 0 … n-1 unless given,
                     or the n places behind those in the cache. The cache holds turned keys: with
                     a scaling that depends on the length, they keep the turn they came in with.
        """
        x = _check.tokens("x", x, len(self.W_q))
        self.check_positions(positions, x.shape[:-1])
        steps = self.steps(x, mask=mask, bias=bias, cache=cache, positions=positions)
        return steps.output, steps.weights

    def steps(self, x, *, mask=None, bias=None, cache=None, positions=None):
        """The layer at work: every array on the way from x to the output."""
        held = n_held(cache)
        q = split_heads(x @ self.W_q + self.b_q, self.n_heads)  # (..., h, n, d_head)
        k = split_heads(x @ self.W_k + self.b_k, self.n_kv_heads)  # (..., h_kv, n, d_head)
        v = split_heads(x @ self.W_v + self.b_v, self.n_kv_heads)  # (..., h_kv, n, d_head)
        if self.rotary is not None and positions is None and held:
            positions = held + np.arange(x.shape[-2])  # behind those in the cache
        q, k = self.placed(q, k, positions)
        with all_or_nothing(cache):
            if cache is not None:
                k, v = cache.append(k, v)  # (..., h_kv, n_k, d_head)
            options = {"mask": mask, "bias": bias, **self.scoring}
            mixed, weights = scaled_dot_product_attention(q, k, v, **options)
        joined = merge_heads(mixed)  # (..., n, h·d_head)
        output = (joined @ self.W_o + self.b_o).astype(x.dtype, copy=False)
        weights = weights.astype(x.dtype, copy=False)  # (..., h, n, n_k)
        return SelfAttentionSteps(x, bias, positions, q, k, v, weights, joined, output)

    def placed(self, q, k, positions):
        """q and k as they meet: turned by their positions, where there is a rotary."""
        if self.rotary is None:
            return q, k
        return self.rotary(q, positions), self.rotary(k, positions)

    def check_positions(self, positions, tokens):
        """ValueError unless they are None, or one number per token that rotary reads."""
        if positions is None:
            return
        if self.rotary is None:
            raise ValueError("positions are for a rotary encoding, and this layer has none")
        positions = _check.floats("positions", positions, "n")
        if positions.shape not in (tokens, tokens[-1:]):
            raise ValueError(f"positions must have the shape {tokens}, got {positions.shape}")


class SelfAttentionSteps(NamedTuple):
    """What a self-attention layer computes, in this order; a backward pass reads it.

    n_k is n, or with a cache the number of all tokens so far.
    """

    x: np.ndarray  # (..., n, d_model)
    bias: np.ndarray  # as it was given, or None
    positions: np.ndarray  # as rotary read them, None for 0 … n-1
    q: np.ndarray  # (..., h, n, d_head), turned by rotary
    k: np.ndarray  # (..., h_kv, n_k, d_head), turned by rotary
    v: np.ndarray  # (..., h_kv, n_k, d_head)
    weights: np.ndarray  # (..., h, n, n_k)
    joined: np.ndarray  # (..., n, h·d_head)
    output: np.ndarray  # (..., n, d_model)


class CrossAttention(MultiHead):
    """Multi-head cross-attention: the tokens of one text look at those of another, its context.

    d_context   width of a token of the context, d_model unless given
    d_model n_heads n_kv_heads d_head use_bias rng   as in `SelfAttention`

    Parameters, plain arrays to read or replace:
    W_q (d_model, h·d_head)   W_k W_v (d_context, h_kv·d_head)   W_o (h·d_head, d_model)

    Vaswani et al. 2017, "Attention Is All You Need", section 3.2.3, "encoder-decoder attention".
    """

    def __init__(
        self,
        d_model,
        n_heads,
        *,
        d_context=None,
        n_kv_heads=None,
        d_head=None,
        use_bias=False,
        rng=None,
    ):
        super().__init__(d_model, d_context, n_heads, n_kv_heads, d_head, use_bias, rng)

    def __call__(self, x, context, *, mask=None, bias=None, cache=None):
        """Returns the output (..., n_q, d_model) and the weights (..., h, n_q, n_k).

        x            (..., n_q, d_model) the tokens that look
        context      (..., n_k, d_context) the tokens that are looked at
        mask, bias   as in `attention_scores`
        cache        a `KVCache`: an empty one is filled with the keys and values of the context;
                     from a filled one they are read, and the context may be None
        """
        x = _check.tokens("x", x, len(self.W_q))
        if not n_held(cache):
            if context is None:
                raise ValueError("context must be given, unless a filled cache is")
            context = _check.tokens("context", context, len(self.W_k), "n_k d_context")
        steps = self.steps(x, context, mask=mask, bias=bias, cache=cache)
        return steps.output, steps.weights

    def steps(self, x, context, *, mask=None, bias=None, cache=None):
        """The layer at work: every array on the way from x and the context to the output."""
        q = split_heads(x @ self.W_q + self.b_q, self.n_heads)  # (..., h, n_q, d_head)
        if n_held(cache):
            k, v = cache.k, cache.v  # (..., h_kv, n_k, d_head)
        else:
            k = split_heads(context @ self.W_k + self.b_k, self.n_kv_heads)
            v = split_heads(context @ self.W_v + self.b_v, self.n_kv_heads)
        options = {"mask": mask, "bias": bias, **self.scoring}
        mixed, weights = scaled_dot_product_attention(q, k, v, **options)
        if cache is not None and not n_held(cache):
            cache.append(k, v)
        joined = merge_heads(mixed)  # (..., n_q, h·d_head)
        output = (joined @ self.W_o + self.b_o).astype(x.dtype, copy=False)
        weights = weights.astype(x.dtype, copy=False)  # (..., h, n_q, n_k)
        return CrossAttentionSteps(x, context, bias, q, k, v, weights, joined, output)


class CrossAttentionSteps(NamedTuple):
    """What a cross-attention layer computes, in this order; a backward pass reads it."""

    x: np.ndarray  # (..., n_q, d_model)
    context: np.ndarray  # (..., n_k, d_context), as it was given
    bias: np.ndarray  # as it was given, or None
    q: np.ndarray  # (..., h, n_q, d_head)
    k: np.ndarray  # (..., h_kv, n_k, d_head)
    v: np.ndarray  # (..., h_kv, n_k, d_head)
    weights: np.ndarray  # (..., h, n_q, n_k)
    joined: np.ndarray  # (..., n_q, h·d_head)
    output: np.ndarray  # (..., n_q, d_model)


def n_held(cache):
    """How many tokens a `KVCache` holds; 0 for None."""
    if cache is not None and not isinstance(cache, KVCache):
        raise TypeError(f"cache must be a KVCache, got {type(cache).__name__}")
    return 0 if cache is None else len(cache)


@contextmanager
def all_or_nothing(*caches):
    """with all_or_nothing(cache): whatever raises in there, the caches hold what they held before.

    Nothing is copied for that: `append` writes only behind what is held.
    """
    before = [(cache, dict(vars(cache))) for cache in caches if cache is not None]
    try:
        yield
    except BaseException:  # Ctrl-C too
        for cache, state in before:
            vars(cache).update(state)
        raise


def _checked(*qkv):
    """q, k (and v) as finite float arrays whose shapes fit each other; float16 as float32."""
    axes = {"q": "n_q d", "k": "n_k d", "v": "n_k d_v"}
    arrays = {name: _check.floats(name, x, axes[name]) for name, x in zip(axes, qkv)}
    shapes = ", ".join(f"{name} {array.shape}" for name, array in arrays.items())
    if arrays["q"].shape[-1] != arrays["k"].shape[-1]:
        raise ValueError(f"q and k must have the same last axis d, got {shapes}")
    if "v" in arrays and arrays["k"].shape[:-1] != arrays["v"].shape[:-1]:
        raise ValueError(f"k and v must agree on every axis but the last, got {shapes}")
    if 0 in arrays["q"].shape or 0 in arrays["k"].shape:
        raise ValueError(f"q and k need at least one token and one dimension, got {shapes}")
    for name, array in arrays.items():
        _check.finite(name, array)
    dtype = np.result_type(np.float32, *arrays.values())
    return tuple(array.astype(dtype, copy=False) for array in arrays.values())


def _but_tokens(x):
    """The shape without the axis of the tokens: (..., h_kv, n, d) -> (..., h_kv, d)."""
    return (*x.shape[:-2], x.shape[-1])


def _repeat_kv(x, q, name):
    """Repeat each kv head for its group of query heads: (..., h_kv, n, d) -> (..., h, n, d)."""
    shapes = f"got q {q.shape}, {name} {x.shape}"
    if q.ndim > 2 and x.ndim > 2 and x.shape[-3] not in (1, q.shape[-3]):
        if q.shape[-3] % x.shape[-3]:
            raise ValueError(f"the heads of q must be a multiple of those of {name}, {shapes}")
        x = np.repeat(x, q.shape[-3] // x.shape[-3], axis=-3)
    try:
        np.broadcast_shapes(q.shape[:-2], x.shape[:-2])
    except ValueError:
        raise ValueError(f"the leading axes of q and {name} do not fit, {shapes}") from None
    return x


def _append_sinks(scores, sinks):
    """Each head's score for "nowhere" in a column of its own: (..., n_q, n_k + 1)."""
    sinks = _check.finite("sinks", _check.floats("sinks", sinks, "h"))
    if scores.ndim < 3 or sinks.shape != scores.shape[-3:-2]:
        shapes = f"got {sinks.shape} for weights of the shape {scores.shape}"
        raise ValueError(f"sinks must have one number per head, {shapes}")
    column = np.broadcast_to(sinks[:, None, None], (*scores.shape[:-1], 1))
    return np.concatenate([scores, column.astype(scores.dtype)], axis=-1)
