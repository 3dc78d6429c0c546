"""Attention layers, with parameters and a memory: many heads side by side.

layers      SelfAttention: a text looks at itself; CrossAttention: at another one
memory      KVCache: the keys and values of the tokens so far, for one new token at a time
"""

from contextlib import contextmanager
from typing import NamedTuple

import numpy as np

from attnlib import _check, _guard
from attnlib.attention import merge_heads, scaled_dot_product_attention, split_heads


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
        """Hold more tokens: k (..., h_kv, n, d_head), v (..., h_kv, n, d_v) -> all k, all v.

        What comes back are views, not copies: they stay right while the cache grows.
        """
        k, v = _guard.kept(k, v, self.k, self.v)
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


class MultiHead:
    """The parameters that both attention layers have; see `SelfAttention`.

    Queries are made of tokens of width d_model, keys and values of tokens of width d_context.
    """

    def __init__(self, d_model, d_context, n_heads, n_kv_heads, d_head, use_bias, rng):
        d_model, d_context, n_heads, n_kv_heads, d_head, rng = _guard.multi_head(
            d_model, d_context, n_heads, n_kv_heads, d_head, use_bias, rng
        )

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
    rotary      an `encodings.Rotary`, or another encoding that turns q and k by their positions;
                none unless given
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
        if rotary is not None and getattr(rotary, "turns", False) is not True:
            named = f"rotary must be an encodings.Rotary, as Rotary(), got {rotary!r}"
            mine = "one of your own is made from encodings.Positions and has its own `turned`"
            raise TypeError(f"{named}; {mine}")
        super().__init__(d_model, d_model, n_heads, n_kv_heads, d_head, use_bias, rng)
        d_head = self.W_q.shape[1] // n_heads
        if rotary is not None and rotary.pairs and d_head % 2:
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
        x = _check.tokens("x", x, len(self.W_q))
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
        return SelfAttentionSteps(x, options, positions, q, k, v, weights, joined, output)

    def placed(self, q, k, positions):
        """q and k as they meet: turned by their positions, where there is a rotary."""
        if self.rotary is None:
            return q, k
        turned = self.rotary.turned
        return _guard.placed(turned(q, positions), q), _guard.placed(turned(k, positions), k)

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
    options: dict  # mask, bias, scale, softcap, as scaled_dot_product_attention took them
    positions: np.ndarray  # as rotary read them, None for 0 … n-1
    q: np.ndarray  # (..., h, n, d_head), turned by rotary
    k: np.ndarray  # (..., h_kv, n_k, d_head), turned by rotary
    v: np.ndarray  # (..., h_kv, n_k, d_head)
    weights: np.ndarray  # (..., h, n, n_k)
    joined: np.ndarray  # (..., n, h·d_head)
    output: np.ndarray  # (..., n, d_model)

    @property
    def bias(self):
        """What was added to the scores, or None."""
        return self.options["bias"]


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
        steps = self.steps(x, context, mask=mask, bias=bias, cache=cache)
        return steps.output, steps.weights

    def checked(self, x, context, cache):
        """x, and the context that is read where the cache is empty, as finite arrays."""
        if not n_held(cache):
            if context is None:
                raise ValueError("context must be given, unless a filled cache is")
            context = _check.tokens("context", context, len(self.W_k), "n_k d_context")
        return _check.tokens("x", x, len(self.W_q)), context

    def steps(self, x, context, *, mask=None, bias=None, cache=None):
        """The layer at work: every array on the way from x and the context to the output."""
        x, context = self.checked(x, context, cache)
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
        return CrossAttentionSteps(x, context, options, q, k, v, weights, joined, output)


class CrossAttentionSteps(NamedTuple):
    """What a cross-attention layer computes, in this order; a backward pass reads it."""

    x: np.ndarray  # (..., n_q, d_model)
    context: np.ndarray  # (..., n_k, d_context), as it was given
    options: dict  # mask, bias, scale, softcap, as scaled_dot_product_attention took them
    q: np.ndarray  # (..., h, n_q, d_head)
    k: np.ndarray  # (..., h_kv, n_k, d_head)
    v: np.ndarray  # (..., h_kv, n_k, d_head)
    weights: np.ndarray  # (..., h, n_q, n_k)
    joined: np.ndarray  # (..., n_q, h·d_head)
    output: np.ndarray  # (..., n_q, d_model)

    @property
    def bias(self):
        """What was added to the scores, or None."""
        return self.options["bias"]


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
