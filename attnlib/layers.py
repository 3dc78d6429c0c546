"""The rest of a transformer block: norms, the feed-forward layer, and the residual stream.

Tokens are rows, (..., n, d_model). Attention mixes tokens; everything here works on each alone.
"""

from collections.abc import Callable
from functools import partial
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from attnlib import _check, _guard, masks
from attnlib._erfc import normal_tail
from attnlib.heads import CrossAttention, KVCache, SelfAttention, n_held

Activation = Literal["relu", "gelu", "gelu_tanh", "silu"]
Norm = Literal["layer", "rms"]
Place = Literal["pre", "post"] | None  # where the norm stands

# ---- functions ---------------------------------------------------------------------------


def layer_norm(x, gain=None, bias=None, *, eps=1e-5) -> NDArray:
    """Shift and scale each row to mean 0 and variance 1, then times gain, plus bias.

    x           (..., d)
    gain, bias  broadcast to x, usually (d,)
    eps         added to the variance, so that a constant row gives 0 and not a division by 0
    returns     the shape and dtype of x

    Ba, Kiros and Hinton 2016, "Layer Normalization", equations 3 and 4.
    """
    x, gain, bias, eps, dtype = _guard.layer_norm(x, gain, bias, eps)
    centred = x - x.mean(axis=-1, keepdims=True)
    variance = np.square(centred).mean(axis=-1, keepdims=True)  # (..., 1)
    normed = centred / np.sqrt(variance + eps)
    return (normed * gain + bias).astype(dtype, copy=False)


def rms_norm(x, gain=None, *, eps=1e-6) -> NDArray:
    """Scale each row to mean square 1, then times gain: layer norm without the centring.

    x        (..., d)
    gain     broadcasts to x, usually (d,)
    eps      added to the mean square
    returns  the shape and dtype of x

    Zhang and Sennrich 2019, "Root Mean Square Layer Normalization", equation 4.
    """
    x, gain, eps, dtype = _guard.rms_norm(x, gain, eps)
    mean_square = np.square(x).mean(axis=-1, keepdims=True)  # (..., 1)
    normed = x / np.sqrt(mean_square + eps)
    return (normed * gain).astype(dtype, copy=False)


def relu(x) -> NDArray:
    """What is below 0 becomes 0. (...) -> (...)

    The bend of Vaswani et al. 2017, "Attention Is All You Need", equation 2.
    """
    return np.maximum(_check.floats("x", x, ""), 0)


def gelu(x, *, approximate: Literal["none", "tanh"] = "none") -> NDArray:
    """x times the chance that a normally distributed number is below x: a soft relu.

    approximate  "none": x·Φ(x), as in BERT
                 "tanh": x/2 · (1 + tanh(√(2/π)(x + 0.044715 x³))), as in GPT-2
    returns      the shape and dtype of x

    Hendrycks and Gimpel 2016, "Gaussian Error Linear Units", section 2.
    """
    x = _guard.gelu(x, approximate)
    if approximate == "tanh":
        return 0.5 * np.maximum(x, -FAR) * (1 + np.tanh(gelu_bend(np.clip(x, -FAR, FAR))))
    size = np.minimum(np.abs(x), FAR)  # the tail ends before
    return np.maximum(x, 0) - size * normal_tail(size).astype(x.dtype, copy=False)


def gelu_bend(x) -> NDArray:
    """√(2/π)(x + 0.044715 x³): its tanh is close to 2Φ(x) - 1. (...) -> (...)"""
    return x * (SLOPE + SLOPE * 0.044715 * x * x)


def silu(x) -> NDArray:
    """x times the logistic function 1 / (1 + exp(-x)): the bend of Llama, also called swish.

    Elfwing, Uchibe and Doya 2017, "Sigmoid-Weighted Linear Units", equation 5.
    """
    x = _check.floats("x", x, "")
    return np.maximum(x, -FAR) * logistic(x)


def logistic(x) -> NDArray:
    """1 / (1 + exp(-x)), written with tanh, which does not overflow. (...) -> (...)"""
    return 0.5 * (1 + np.tanh(0.5 * x))


SLOPE = (2 / np.pi) ** 0.5
FAR = 40  # to the last digit, every bend is 0 below -40 and x above 40
ACTIVATIONS = {
    "relu": relu,
    "gelu": gelu,
    "gelu_tanh": partial(gelu, approximate="tanh"),
    "silu": silu,
}

# ---- layers ------------------------------------------------------------------------------


class LayerNorm:
    """`layer_norm` with two learned rows: gain (d_model,), ones at first, and bias, zeros."""

    def __init__(self, d_model, *, eps=1e-5):
        d_model, self.eps = _check.integer("d_model", d_model), _check.positive("eps", eps)
        self.gain, self.bias = np.ones(d_model), np.zeros(d_model)

    def __call__(self, x):
        """(..., n, d_model) -> (..., n, d_model)"""
        return layer_norm(x, self.gain, self.bias, eps=self.eps)


class RMSNorm:
    """`rms_norm` with its learned row: gain (d_model,), ones at first."""

    def __init__(self, d_model, *, eps=1e-6):
        self.gain = np.ones(_check.integer("d_model", d_model))
        self.eps = _check.positive("eps", eps)

    def __call__(self, x):
        """(..., n, d_model) -> (..., n, d_model)"""
        return rms_norm(x, self.gain, eps=self.eps)


class FeedForward:
    """Two linear layers with a bend between them, for each token alone.

    d_model     width of a token
    d_hidden    width between the two, 4·d_model unless given
    activation  the bend: "relu", "gelu", "gelu_tanh" or "silu"
    gated       multiply the bent half by a second, unbent one (Shazeer 2020, "GLU Variants")
    use_bias    also add b_up, b_down (and b_gate), zeros at first
    rng         numpy Generator for the untrained weights, default_rng(0) unless given

    Parameters, plain arrays to read or replace:
    W_up (d_model, d_hidden)   W_down (d_hidden, d_model)   gated: W_gate (d_model, d_hidden)

    Vaswani et al. 2017, "Attention Is All You Need", section 3.3.
    """

    def __init__(
        self,
        d_model,
        d_hidden=None,
        *,
        activation: Activation = "gelu",
        gated=False,
        use_bias=False,
        rng=None,
    ):
        self.activation, known = activation, list(ACTIVATIONS)
        d_model, d_hidden, rng = _guard.feed_forward(
            d_model, d_hidden, activation, gated, use_bias, rng, known
        )

        def bias(columns):
            return np.zeros(columns) if use_bias else 0.0

        self.W_up = rng.normal(0, d_model**-0.5, (d_model, d_hidden))
        self.W_down = rng.normal(0, d_hidden**-0.5, (d_hidden, d_model))
        self.b_up, self.b_down = bias(d_hidden), bias(d_model)
        self.W_gate, self.b_gate = None, None
        if gated:
            self.W_gate = rng.normal(0, d_model**-0.5, (d_model, d_hidden))
            self.b_gate = bias(d_hidden)

    def __call__(self, x):
        """(..., n, d_model) -> (..., n, d_model)"""
        return self.steps(x).output

    def steps(self, x):
        """The layer at work: every array on the way from x to the output."""
        x, bend = _check.tokens("x", x, len(self.W_up)), ACTIVATIONS[self.activation]
        up = x @ self.W_up + self.b_up  # (..., n, d_hidden)
        gate = None if self.W_gate is None else x @ self.W_gate + self.b_gate
        hidden = bend(up) if gate is None else bend(gate) * up  # (..., n, d_hidden)
        output = (hidden @ self.W_down + self.b_down).astype(x.dtype, copy=False)
        return FeedForwardSteps(x, up, gate, hidden, output)


class FeedForwardSteps(NamedTuple):
    """What a feed-forward layer computes, in this order; a backward pass reads it."""

    x: np.ndarray  # (..., n, d_model)
    up: np.ndarray  # (..., n, d_hidden)
    gate: np.ndarray  # (..., n, d_hidden), or None without a gate
    hidden: np.ndarray  # (..., n, d_hidden)
    output: np.ndarray  # (..., n, d_model)


class EncoderBlock:
    """Attention, then a feed-forward layer; each adds its output to the residual stream.

    d_model n_heads   as in `SelfAttention`
    d_hidden    width of the feed-forward layer, 4·d_model unless given; 0 leaves it out
    norm        "pre": x + layer(norm(x)), as in GPT-2 and Llama
                "post": norm(x + layer(x)), as in the paper and BERT
                None: x + layer(x)
    norm_type   "layer" or "rms"
    eps         of the norms: 1e-5 of "layer" and 1e-6 of "rms" unless given
    n_kv_heads, d_head, rotary, activation, gated, use_bias, rng   as in the two layers

    Parts: attention, attention_norm, feed_forward, feed_forward_norm.

    Vaswani et al. 2017, "Attention Is All You Need", section 3.1;
    pre against post: Xiong et al. 2020, "On Layer Normalization in the Transformer", figure 1.
    """

    make_attention, make_feed_forward = SelfAttention, FeedForward

    def __init__(
        self,
        d_model,
        n_heads,
        *,
        d_hidden=None,
        norm: Place = "pre",
        norm_type: Norm = "layer",
        eps=None,
        n_kv_heads=None,
        d_head=None,
        rotary=None,
        activation: Activation = "gelu",
        gated=False,
        use_bias=False,
        rng=None,
    ):
        if norm is not None:
            _check.choice("norm", norm, ["pre", "post"])
        if d_hidden is not None:
            d_hidden = _check.integer("d_hidden", d_hidden, minimum=None)
        make_norm = norm_maker(norm_type, eps)
        rng = _check.generator(rng)
        self.norm = norm
        self.attention = self.make_attention(
            d_model,
            n_heads,
            n_kv_heads=n_kv_heads,
            d_head=d_head,
            rotary=rotary,
            use_bias=use_bias,
            rng=rng,
        )
        self.attention_norm = make_norm(d_model) if norm else None
        self.feed_forward, self.feed_forward_norm = None, None
        if d_hidden != 0:
            options = {"activation": activation, "gated": gated, "use_bias": use_bias, "rng": rng}
            self.feed_forward = self.make_feed_forward(d_model, d_hidden, **options)
            self.feed_forward_norm = make_norm(d_model) if norm else None

    def __call__(self, x, *, mask=None, bias=None, cache=None, positions=None):
        """x (..., n, d_model) -> output (..., n, d_model), weights (..., h, n, n_k).

        mask, bias, cache, positions   as in `SelfAttention`
        """
        x = _check.tokens("x", x, len(self.attention.W_q))
        self.attention.check_positions(positions, x.shape[:-1])
        steps = self.steps(x, mask=mask, bias=bias, cache=cache, positions=positions)
        return steps.output, steps.attention.inner.weights

    def steps(self, x, *, mask=None, bias=None, cache=None, positions=None):
        """The block at work: every array on the way from x to the output."""
        options = {"mask": mask, "bias": bias, "cache": cache, "positions": positions}
        attention = residual(x, self.attention, self.attention_norm, self.norm, **options)
        if self.feed_forward is None:
            return BlockSteps(attention, None, attention.output)
        x = attention.output
        feed_forward = residual(x, self.feed_forward, self.feed_forward_norm, self.norm)
        return BlockSteps(attention, feed_forward, feed_forward.output)


class DecoderBlock(EncoderBlock):
    """An `EncoderBlock` in which nobody looks at the future: its mask is causal."""

    def steps(self, x, *, mask=None, bias=None, cache=None, positions=None):
        """The block at work: every array on the way from x to the output."""
        x = _check.tokens("x", x, len(self.attention.W_q))
        *lead, n, _ = x.shape
        n_k = n_held(cache) + n  # the last query is the last key
        causal = masks.causal(n, n_k)  # (n, n_k)
        if mask is not None:
            weights = (*lead, self.attention.n_heads, n, n_k)
            causal = causal & _check.broadcasts("mask", _check.boolean("mask", mask), weights)
        return super().steps(x, mask=causal, bias=bias, cache=cache, positions=positions)


class CrossDecoderBlock(EncoderBlock):
    """Causal self-attention, cross-attention to a context, a feed-forward layer.

    d_model n_heads and all options   as in `EncoderBlock`

    Parts: those of an `EncoderBlock`, and cross_attention, cross_attention_norm.

    Vaswani et al. 2017, "Attention Is All You Need", section 3.1, the decoder.
    """

    def __init__(
        self,
        d_model,
        n_heads,
        *,
        norm: Place = "pre",
        norm_type: Norm = "layer",
        eps=None,
        d_head=None,
        use_bias=False,
        rng=None,
        **block,
    ):
        options = {"d_head": d_head, "use_bias": use_bias, "rng": _check.generator(rng)}
        super().__init__(
            d_model, n_heads, norm=norm, norm_type=norm_type, eps=eps, **options, **block
        )
        self.cross_attention = CrossAttention(d_model, n_heads, **options)
        self.cross_attention_norm = norm_maker(norm_type, eps)(d_model) if norm else None

    def __call__(self, x, context, *, context_mask=None, bias=None, cache=None):
        """x (..., n, d_model) and context (..., n_source, d_model) -> three arrays.

        bias           of the self-attention, as in `attention_scores`
        context_mask   boolean, True = may be looked at, broadcasts to (..., h, n, n_source)
        cache          a `LayerCache`; where its `source` is filled, the context may be None
        returns        output (..., n, d_model), weights (..., h, n, n_k) of the self-attention,
                       cross-weights (..., h, n, n_source)
        """
        steps = self.steps(x, context, context_mask=context_mask, bias=bias, cache=cache)
        return steps.output, steps.attention.inner.weights, steps.cross_attention.inner.weights

    def steps(self, x, context, *, context_mask=None, bias=None, cache=None):
        """The block at work: every array on the way from x and the context to the output."""
        own, source = (None, None) if cache is None else cache
        x, context, context_mask = _guard.cross(
            x, context, context_mask, n_held(source), self.attention
        )
        n = x.shape[-2]
        options = {"mask": masks.causal(n, n_held(own) + n), "bias": bias, "cache": own}
        attention = residual(x, self.attention, self.attention_norm, self.norm, **options)
        options = {"context": context, "mask": context_mask, "cache": source}
        layer, norm = self.cross_attention, self.cross_attention_norm
        cross = residual(attention.output, layer, norm, self.norm, **options)
        if self.feed_forward is None:
            return CrossBlockSteps(attention, cross, None, cross.output)
        layer, norm = self.feed_forward, self.feed_forward_norm
        feed_forward = residual(cross.output, layer, norm, self.norm)
        return CrossBlockSteps(attention, cross, feed_forward, feed_forward.output)


class ResidualSteps(NamedTuple):
    """One layer and the stream around it; inner.x is what the layer reads."""

    x: np.ndarray  # (..., n, d_model) the stream before
    inner: NamedTuple  # the steps of the layer
    total: np.ndarray  # (..., n, d_model) x + inner.output
    output: np.ndarray  # (..., n, d_model) the stream behind: total, or its norm


def residual(x, layer, norm, place: Place, **options) -> ResidualSteps:
    """What a layer says is added to the stream: x + layer(norm(x)), or norm(x + layer(x)).

    place    "pre", "post", or None for no norm: where the norm stands
    options  for the layer
    """
    inner = layer.steps(norm(x) if place == "pre" else x, **options)
    total = x + inner.output  # (..., n, d_model)
    return ResidualSteps(x, inner, total, norm(total) if place == "post" else total)


class BlockSteps(NamedTuple):
    """What a block computes; a backward pass reads it."""

    attention: ResidualSteps
    feed_forward: ResidualSteps  # None where it is left out
    output: np.ndarray  # (..., n, d_model)


class CrossBlockSteps(NamedTuple):
    """What a `CrossDecoderBlock` computes; a backward pass reads it."""

    attention: ResidualSteps
    cross_attention: ResidualSteps
    feed_forward: ResidualSteps  # None where it is left out
    output: np.ndarray  # (..., n, d_model)


class LayerCache(NamedTuple):
    """What a decoder block need not compute again."""

    own: KVCache  # keys and values of the target so far: grows with every token
    source: KVCache  # those of the source: filled by the first call, then only read


NORMS = {"layer": LayerNorm, "rms": RMSNorm}


def norm_maker(norm_type: Norm, eps=None) -> Callable:
    """A function of d_model that makes the norm of that type."""
    _guard.norm_maker(norm_type, eps, list(NORMS))
    make = NORMS[norm_type]
    return make if eps is None else partial(make, eps=float(eps))


# ---- parameters --------------------------------------------------------------------------


def parameters(layer) -> dict[str, NDArray]:
    """Every trained array of a layer or model by its name, for example "attention.W_q".

    The arrays themselves, not copies: who writes into them changes the layer.
    """
    places = _places(_guard.has_parts(layer))
    return {name: getattr(owner, attribute) for name, owner, attribute in places}


def cast(layer, dtype):
    """Turn every parameter of a layer or model into `dtype`, say np.float32. Returns it."""
    layer, dtype = _guard.cast(layer, dtype)
    for _, owner, attribute in list(_places(layer)):
        setattr(owner, attribute, getattr(owner, attribute).astype(dtype, copy=False))
    return layer


def _places(layer, prefix="", seen=None):
    """(name, object, attribute) of every array in a layer and in the layers inside it.

    An object that stands in several places is visited in the first: `seen` holds the ids.
    """
    seen = set() if seen is None else seen
    if id(layer) in seen:
        return
    seen.add(id(layer))
    for attribute, value in vars(layer).items():
        name = prefix + attribute
        if isinstance(value, np.ndarray):
            yield name, layer, attribute
        elif isinstance(value, list):
            for i, item in enumerate(value):
                yield from _places(item, f"{name}.{i}.", seen)
        elif hasattr(value, "__dict__"):
            yield from _places(value, f"{name}.", seen)
