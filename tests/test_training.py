"""training/: every backward pass against finite differences, the optimiser against a slow twin, and
the loop.
"""

import io
import itertools
import json
import os
import signal
import subprocess
import sys
import time
import warnings
from inspect import isfunction

import IPython.display
import numpy as np
import pytest
import slow
from hypothesis import given, settings
from test_attention import problems

from attnlib import SelfAttention, encodings, masks, scaled_dot_product_attention, softmax, training
from attnlib.__main__ import main
from attnlib.layers import (
    DecoderBlock,
    EncoderBlock,
    FeedForward,
    LayerNorm,
    RMSNorm,
    gelu,
    layer_norm,
    parameters,
    relu,
    rms_norm,
    silu,
)
from attnlib.models.gpt import GPT
from attnlib.models.gpt_neox import Parallel, ParallelBlock
from attnlib.tools.bench import training as bench
from attnlib.training import gradients as by_hand
from attnlib.training import progress

pytestmark = pytest.mark.filterwarnings("error")
examples = settings(max_examples=40, deadline=None, derandomize=True)
seeds = pytest.mark.parametrize("seed", range(3))
WORST = {}
YARN = {"type": "yarn", "factor": 4, "original_max_position_embeddings": 4}
DYNAMIC = {"type": "dynamic", "factor": 2, "original_max_position_embeddings": 3}


def close(a, b, atol=1e-12):
    np.testing.assert_allclose(a, b, rtol=0, atol=atol)


@pytest.fixture(scope="module", autouse=True)
def table_of_worst_errors():
    """Shown by pytest -s."""
    yield
    for name, error in WORST.items():
        print(f"\n{name:40} {error:.1e}", end="")


def slope(f, x, direction, h):
    """The derivative of f at x along `direction`, by four differences: exact to h⁴."""
    one, two = (
        f(x + h * direction) - f(x - h * direction),
        f(x + 2 * h * direction) - f(x - 2 * h * direction),
    )
    return (8 * one - two) / (12 * h)


def check(name, f, x, gradient, tolerance=1e-8, h=1e-3):
    """`gradient` (the shape of x) against the slope of the number f(x), in every direction of a
    small x, in three of a big one.
    """
    assert np.shape(gradient) == np.shape(x)
    rng = np.random.default_rng(0)
    directions = (
        np.eye(x.size).reshape(-1, *x.shape)
        if x.size <= 12
        else rng.normal(size=(3, *x.shape)) / np.sqrt(x.size)
    )
    for direction in directions:
        error = abs(slope(f, x, direction, h) - (gradient * direction).sum()) / max(
            1e-3, np.linalg.norm(gradient)
        )
        WORST[name] = max(WORST.get(name, 0), error)
        assert error < tolerance, f"{name}: {error:.1e}"


def away_from_zero(x):
    """For the corner of relu."""
    return x + 0.1 * np.sign(x)


# ---- functions -----------------------------------------------------------------------------------


@examples
@given(problems(dtypes=[np.float64]))
def test_attention(problem):
    """Masks and biases of every shape, grouped heads, rectangles, scale, softcap, empty rows."""
    q, k, v, options, _ = problem
    grad_output = np.random.default_rng(1).normal(
        size=scaled_dot_product_attention(q, k, v, **options)[0].shape
    )

    def loss(q=q, k=k, v=v, bias=None):
        chosen = options if bias is None else options | {"bias": bias}
        return (scaled_dot_product_attention(q, k, v, **chosen)[0] * grad_output).sum()

    weights = scaled_dot_product_attention(q, k, v, **options)[1]
    chosen = {name: options[name] for name in ("scale", "softcap") if name in options}
    before = [a.copy() for a in (grad_output, q, k, v, weights)]
    grad_q, grad_k, grad_v, grad_bias = training.scaled_dot_product_attention_backward(
        grad_output, q, k, v, weights, **chosen
    )
    check("attention, by q", lambda a: loss(q=a), q, grad_q)
    check("attention, by k", lambda a: loss(k=a), k, grad_k)
    check("attention, by v", lambda a: loss(v=a), v, grad_v)
    assert grad_bias.shape == weights.shape and (grad_bias[weights == 0] == 0).all()
    if "bias" in options:
        bias = options["bias"]
        check(
            "attention, by bias",
            lambda a: loss(bias=a),
            bias,
            training.sum_to(grad_bias, bias.shape),
        )
    for array, copy in zip((grad_output, q, k, v, weights), before):
        np.testing.assert_array_equal(array, copy)


@examples
@given(problems(dtypes=[np.float64], sinks=True))
def test_attention_with_sinks(problem):
    q, k, v, options, _ = problem
    grad_output = np.random.default_rng(1).normal(
        size=scaled_dot_product_attention(q, k, v, **options)[0].shape
    )
    weights = scaled_dot_product_attention(q, k, v, **options)[1]
    chosen = {name: options[name] for name in ("scale", "softcap") if name in options}
    gradients = training.scaled_dot_product_attention_backward(
        grad_output, q, k, v, weights, **chosen
    )
    for place in range(3):
        qkv = [q, k, v]

        def loss(a, place=place, qkv=qkv):
            return (
                scaled_dot_product_attention(*qkv[:place], a, *qkv[place + 1 :], **options)[0]
                * grad_output
            ).sum()

        check("attention with sinks", loss, qkv[place], gradients[place])


@seeds
@pytest.mark.parametrize("axis", [-1, 0, 1])
def test_softmax(seed, axis):
    x, grad = np.random.default_rng(seed).normal(size=(2, 3, 4, 2))
    check(
        "softmax",
        lambda a: (softmax(a, axis=axis) * grad).sum(),
        x,
        training.softmax_backward(grad, softmax(x, axis=axis), axis),
    )


@seeds
@pytest.mark.parametrize("shape", [(6,), (3, 5), (2, 3, 4)])
@pytest.mark.parametrize("with_gain", [False, True])
def test_norms(seed, shape, with_gain):
    rng = np.random.default_rng(seed)
    x, grad, gain, bias = (
        rng.normal(1, 2, shape),
        rng.normal(size=shape),
        rng.normal(size=shape[-1:]),
        rng.normal(size=shape[-1:]),
    )
    gain = gain if with_gain else None
    for eps in (1e-5, 0.7):
        grad_x, grad_gain, grad_bias = training.layer_norm_backward(grad, x, gain, eps=eps)
        check(
            "layer_norm, by x",
            lambda a, eps=eps: (layer_norm(a, gain, bias, eps=eps) * grad).sum(),
            x,
            grad_x,
            1e-7,
        )
        check(
            "layer_norm, by bias",
            lambda a, eps=eps: (layer_norm(x, gain, a, eps=eps) * grad).sum(),
            bias,
            grad_bias,
        )
        rms_x, rms_gain = training.rms_norm_backward(grad, x, gain, eps=eps)
        check(
            "rms_norm, by x",
            lambda a, eps=eps: (rms_norm(a, gain, eps=eps) * grad).sum(),
            x,
            rms_x,
            1e-7,
        )
        if with_gain:
            check(
                "layer_norm, by gain",
                lambda a, eps=eps: (layer_norm(x, a, eps=eps) * grad).sum(),
                gain,
                grad_gain,
            )
            check(
                "rms_norm, by gain",
                lambda a, eps=eps: (rms_norm(x, a, eps=eps) * grad).sum(),
                gain,
                rms_gain,
            )
    close(
        training.layer_norm_backward(grad, x)[0],
        training.layer_norm_backward(grad, x, eps=1e-5)[0],
        0,
    )
    close(
        training.rms_norm_backward(grad, x)[0], training.rms_norm_backward(grad, x, eps=1e-6)[0], 0
    )


BENDS = {
    "relu": (relu, training.relu_backward, {}),
    "gelu": (gelu, training.gelu_backward, {}),
    "gelu tanh": (gelu, training.gelu_backward, {"approximate": "tanh"}),
    "silu": (silu, training.silu_backward, {}),
}


@seeds
@pytest.mark.parametrize("name", BENDS)
def test_bends(seed, name):
    f, backward, options = BENDS[name]
    x, grad = np.random.default_rng(seed).normal(0, 2, (2, 4, 3))
    x = away_from_zero(x)
    check(name, lambda a: (f(a, **options) * grad).sum(), x, backward(grad, x, **options))
    far = np.array([-60.0, -9.0, -1e-9, 0.5, 9.0, 60.0])
    steepness = backward(np.ones(6), far, **options)
    assert np.isfinite(steepness).all()
    close(steepness[[0, 5]], [0, 1], 1e-9)


@pytest.mark.parametrize("name", BENDS)
@pytest.mark.parametrize(
    "dtype, huge", [(np.float16, 6e4), (np.float32, 1e20), (np.float64, 1e200)]
)
def test_slopes_of_bends_to_the_end_of_their_type(name, dtype, huge):
    _, backward, options = BENDS[name]
    x = np.array([huge, np.inf, 38, 41, 300, -huge, -np.inf, -38, -41, -300], dtype)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        slopes = backward(np.ones_like(x), x, **options)
    np.testing.assert_allclose(slopes, x > 0, rtol=0, atol=1e-12)


@seeds
@pytest.mark.parametrize("lead", [(), (3,), (2, 3)])
def test_linear(seed, lead):
    rng = np.random.default_rng(seed)
    x, W, b, grad = (
        rng.normal(size=(*lead, 4)),
        rng.normal(size=(4, 2)),
        rng.normal(size=2),
        rng.normal(size=(*lead, 2)),
    )
    grad_x, grad_W = training.linear_backward(grad, x, W)
    check("linear, by x", lambda a: ((a @ W + b) * grad).sum(), x, grad_x)
    check("linear, by W", lambda a: ((x @ a + b) * grad).sum(), W, grad_W)
    check("linear, by b", lambda a: ((x @ W + a) * grad).sum(), b, training.sum_rows(grad))


@seeds
def test_embedding(seed):
    rng = np.random.default_rng(seed)
    table, ids, grad = (
        rng.normal(size=(6, 3)),
        rng.integers(1, 5, (2, 7)),
        rng.normal(size=(2, 7, 3)),
    )
    gradient = training.embedding_backward(grad, ids, 6)
    check("embedding", lambda a: (a[ids] * grad).sum(), table, gradient)
    twin = np.zeros((6, 3))
    for token, row in zip(ids.ravel(), grad.reshape(-1, 3)):
        twin[token] += row
    close(gradient, twin)
    assert training.embedding_backward(grad.astype(np.float32), ids, 6).dtype == np.float32


@pytest.mark.parametrize("layout", ["half", "interleaved"])
@pytest.mark.parametrize(
    "positions", [None, np.array([3, 0, 9, 9, 2]), np.array([[0, 1, 2, 3, 4], [7, 0, 0, 0, 5]])]
)
@pytest.mark.parametrize("partial", [1, 0.7])
def test_rotary_with_its_options(layout, positions, partial):
    """A recipe that looks at the length, and one that also makes q and k longer."""
    for scaling in (None, YARN, DYNAMIC):
        rotary = encodings.Rotary(base=50, layout=layout, scaling=scaling, partial=partial)
        x, grad = np.random.default_rng(0).normal(size=(2, 2, 3, 5, 6))
        gradient = training.rotary_backward(grad, rotary, positions)
        check(
            "Rotary",
            lambda a, rotary=rotary, grad=grad: (rotary(a, positions) * grad).sum(),
            x,
            gradient,
        )


@pytest.mark.parametrize("bidirectional", [True, False])
def test_t5_bias(bidirectional):
    t5 = encodings.T5Bias(2, bidirectional=bidirectional, n_buckets=6, max_distance=9)
    grad = np.random.default_rng(0).normal(size=(2, 12, 12))

    def value(table):
        return (
            encodings.t5_bias(table, 12, bidirectional=bidirectional, max_distance=9) * grad
        ).sum()

    check(
        "t5_bias",
        value,
        np.random.default_rng(1).normal(size=(6, 2)),
        training.t5_bias_backward(grad, t5),
    )
    wide = training.t5_bias_backward(grad[:, -4:], t5)  # the last 4 of 12 queries
    longer = np.concatenate([np.zeros((2, 8, 12)), grad[:, -4:]], axis=1)
    close(wide, training.t5_bias_backward(longer, t5))


@pytest.mark.parametrize(
    "positions", [None, np.array([4, 0, 1, 9, 2]), np.array([[0, 1, 2, 3, 4], [7, 0, 0, 0, 5]])]
)
def test_self_attention_with_rotary(positions):
    rng = np.random.default_rng(7)
    rotary = encodings.Rotary(base=50, scaling=YARN)
    layer = with_noise(
        SelfAttention(8, 4, n_kv_heads=2, rotary=rotary, use_bias=True, rng=rng), rng
    )
    options = {"mask": masks.causal(5), "positions": positions}
    check_layer(
        "SelfAttention, rotary",
        layer,
        rng.normal(size=(2, 5, 8)),
        training.self_attention_backward,
        **options,
    )


@seeds
@pytest.mark.parametrize("layout", ["half", "interleaved"])
def test_rotary(seed, layout):
    x, grad = np.random.default_rng(seed).normal(size=(2, 3, 5, 6))
    angles = encodings.rotary_angles(np.arange(5), 6)
    gradient = training.rotate_backward(grad, angles, layout=layout)
    check(
        "rotary", lambda a: (encodings.rotate(a, angles, layout=layout) * grad).sum(), x, gradient
    )


@pytest.mark.parametrize("layout", ["half", "interleaved"])
def test_rotary_turns_complex_numbers(layout):
    x, base = np.random.default_rng(0).normal(size=(2, 5, 6)), 50.0
    first, second = (
        (np.arange(3), np.arange(3, 6))
        if layout == "half"
        else (np.arange(0, 6, 2), np.arange(1, 6, 2))
    )
    positions = np.array([0, 1, 2, 7, 3.5])
    angles = encodings.rotary_angles(positions, 6, base=base)
    close(angles, [[p * base ** (-2 * i / 6) for i in range(3)] for p in positions])
    turned = (x[..., first] + 1j * x[..., second]) * np.exp(1j * angles)
    y = encodings.rotate(x, angles, layout=layout)
    close(y[..., first], turned.real)
    close(y[..., second], turned.imag)
    assert encodings.rotate(x.astype(np.float32), angles, layout=layout).dtype == np.float32
    close(encodings.rotary_angles([1], 4), [[1, 0.01]])  # base 10,000 unless given


@seeds
@pytest.mark.parametrize("lead", [(4,), (2, 3), ()])
def test_cross_entropy(seed, lead):
    rng = np.random.default_rng(seed)
    logits, targets, where = (
        rng.normal(0, 3, (*lead, 5)),
        rng.integers(0, 5, lead),
        rng.random(lead) < 0.6,
    )
    where = np.asarray(where)
    where[(0,) * len(lead)] = True
    for chosen in (None, where):
        loss, gradient = training.cross_entropy(logits, targets, where=chosen)
        keep = np.ones(lead, bool) if chosen is None else chosen
        close(loss, slow.cross_entropy(logits[keep].tolist(), targets[keep].tolist()))
        check(
            "cross_entropy",
            lambda a, chosen=chosen: training.cross_entropy(a, targets, where=chosen)[0],
            logits,
            gradient,
        )
        assert isinstance(loss, float) and (gradient[~keep] == 0).all()


def test_cross_entropy_of_sure_and_wrong_answers():
    loss, gradient = training.cross_entropy(np.float32([[1e4, 0], [0, 1e4]]), [0, 0])
    assert loss == 5e3 and gradient.dtype == np.float32
    close(gradient, [[0, 0], [-0.5, 0.5]])
    close(training.cross_entropy(np.zeros((7, 9)), np.arange(7))[0], np.log(9))


def test_log_softmax():
    x = np.random.default_rng(0).normal(0, 5, (3, 4))
    close(training.log_softmax(x), np.log(softmax(x)))
    assert np.isfinite(training.log_softmax(np.array([1e4, -1e4]))).all()


# ---- layers and models ---------------------------------------------------------------------------


def with_noise(layer, rng):
    for parameter in parameters(layer).values():
        parameter += rng.normal(0, 0.4, parameter.shape)
    return layer


def check_layer(name, layer, x, backward, **options):
    """By x, by every parameter, and by the bias of the scores where there is one."""
    grad = np.random.default_rng(5).normal(size=x.shape)
    grad_x, gradients = backward(grad, layer, layer.steps(x, **options))
    bias = gradients.pop("bias", None)
    assert gradients.keys() == parameters(layer).keys()
    check(name, lambda a: (layer.steps(a, **options).output * grad).sum(), x, grad_x, 1e-7)
    for parameter_name, parameter in parameters(layer).items():
        start = parameter.copy()

        def loss(a, parameter=parameter, start=start):
            parameter[...] = a
            value = (layer.steps(x, **options).output * grad).sum()
            parameter[...] = start
            return value

        check(name, loss, start, gradients[parameter_name], 1e-7)
    if "bias" in options:
        rest = options | {"bias": None}
        check(
            name,
            lambda a: (layer.steps(x, **rest | {"bias": a}).output * grad).sum(),
            options["bias"],
            bias,
            1e-7,
        )


@pytest.mark.parametrize("n_kv_heads", [1, 2, 4])
@pytest.mark.parametrize("use_bias", [False, True])
def test_self_attention(n_kv_heads, use_bias):
    rng = np.random.default_rng(0)
    layer = with_noise(SelfAttention(8, 4, n_kv_heads=n_kv_heads, use_bias=use_bias, rng=rng), rng)
    x = rng.normal(size=(2, 5, 8))
    check_layer("SelfAttention", layer, x, training.self_attention_backward)
    check_layer(
        "SelfAttention",
        layer,
        x,
        training.self_attention_backward,
        mask=masks.causal(5),
        bias=rng.normal(size=(4, 5, 5)),
    )
    check_layer(
        "SelfAttention", layer, x[0], training.self_attention_backward, bias=rng.normal(size=(1, 5))
    )


@pytest.mark.parametrize("activation", ["relu", "gelu", "gelu_tanh", "silu"])
@pytest.mark.parametrize("gated, use_bias", list(itertools.product([False, True], repeat=2)))
def test_feed_forward(activation, gated, use_bias):
    rng = np.random.default_rng(1)
    layer = with_noise(
        FeedForward(4, 6, activation=activation, gated=gated, use_bias=use_bias, rng=rng), rng
    )
    check_layer(
        f"FeedForward{', gated' if gated else ''}",
        layer,
        rng.normal(size=(2, 3, 4)),
        training.feed_forward_backward,
    )


@pytest.mark.parametrize("make", [LayerNorm, RMSNorm])
def test_norm_layers(make):
    rng = np.random.default_rng(2)
    norm = with_noise(make(5, eps=0.3), rng)
    x, grad = rng.normal(size=(2, 2, 3, 5))
    grad_x, gradients = training.norm_backward(grad, norm, x)
    assert gradients.keys() == parameters(norm).keys()
    check(make.__name__, lambda a: (norm(a) * grad).sum(), x, grad_x)


@pytest.mark.parametrize("norm", ["pre", "post", None])
@pytest.mark.parametrize("norm_type", ["layer", "rms"])
@pytest.mark.parametrize("d_hidden", [0, 6])
@pytest.mark.parametrize("kind", [EncoderBlock, DecoderBlock, Parallel, ParallelBlock])
def test_blocks(norm, norm_type, d_hidden, kind):
    rng = np.random.default_rng(3)
    if norm == "post" and issubclass(kind, Parallel):
        with pytest.raises(ValueError, match="norm must be 'pre' or None for layers side by side"):
            kind(4, 2, norm=norm)
        return
    block = with_noise(kind(4, 2, norm=norm, norm_type=norm_type, d_hidden=d_hidden, rng=rng), rng)
    name = f"block, {norm}{f' {norm_type}' if norm else ''}"
    check_layer(name, block, rng.normal(size=(2, 4, 4)), training.block_backward)


def test_a_block_hands_on_the_gradient_of_the_bias():
    rng = np.random.default_rng(4)
    block, x, bias = (
        EncoderBlock(4, 2, rng=rng),
        rng.normal(size=(3, 4)),
        rng.normal(size=(2, 3, 3)),
    )
    grad = rng.normal(size=(3, 4))
    _, gradients = training.block_backward(grad, block, block.steps(x, bias=bias))
    check(
        "block, by bias",
        lambda a: (block.steps(x, bias=a).output * grad).sum(),
        bias,
        gradients["attention.bias"],
        1e-7,
    )


def few_buckets():
    return encodings.T5Bias(2, bidirectional=False, n_buckets=4, max_distance=4)


MODELS = {
    "GPT, attention only": {"d_hidden": 0, "norm": None},
    "GPT, pre-norm": {},
    "GPT, post-norm, tied, biases": {
        "norm": "post",
        "tied": True,
        "use_bias": True,
        "activation": "gelu",
    },
    "GPT, rms, gated, grouped": {
        "norm_type": "rms",
        "gated": True,
        "activation": "silu",
        "n_kv_heads": 1,
        "positions": None,
    },
    "GPT, sinusoidal, tied, relu": {"positions": "sinusoidal", "tied": True, "activation": "relu"},
    "GPT, rotary": {"positions": "rotary", "d_hidden": 0},
    "GPT, rotary, yarn, interleaved, grouped": {
        "positions": encodings.Rotary(layout="interleaved", scaling=YARN),
        "n_kv_heads": 1,
    },
    "GPT, rotary, dynamic, attention only": {
        "positions": encodings.Rotary(scaling=DYNAMIC),
        "d_hidden": 0,
        "norm": None,
    },
    "GPT, alibi": {"positions": "alibi", "d_hidden": 0},
    "GPT, t5": {"positions": "t5"},
    "GPT, t5, few buckets, tied": {"positions": few_buckets, "tied": True, "d_hidden": 0},
}


def tiny(dtype=np.float64, **options):
    if isfunction(options.get("positions")):
        options["positions"] = options["positions"]()
    rng = np.random.default_rng(0)
    model = GPT(7, 8, 2, 2, n_max=6, dtype=dtype, rng=rng, **options)
    for parameter in parameters(model).values():
        parameter += rng.normal(0, 0.3, parameter.shape).astype(dtype)
    return model


def tiny_batch(seed=1):
    rng = np.random.default_rng(seed)
    return rng.integers(0, 7, (3, 5)), rng.integers(0, 7, (3, 5)), rng.random((3, 5)) < 0.7


@pytest.mark.parametrize("name", MODELS)
def test_gpt(name):
    model, (ids, targets, where) = tiny(**MODELS[name]), tiny_batch()
    # relu: a step that stays before the corner
    tolerance, h = (1e-6, 1e-6) if "relu" in name else (1e-7, 1e-3)
    for batch in ((ids, targets, where), (ids, targets), (ids[0], targets[0])):
        loss, gradients = training.loss_and_gradients(model, *batch)
        close(
            loss,
            training.cross_entropy(
                model.logits(batch[0]), batch[1], where=where if len(batch) == 3 else None
            )[0],
        )
        assert gradients.keys() == parameters(model).keys()
        for parameter_name, parameter in parameters(model).items():
            start = parameter.copy()

            def value(a, parameter=parameter, start=start, batch=batch):
                parameter[...] = a
                loss = training.loss_and_gradients(model, *batch)[0]
                parameter[...] = start
                return loss

            check(name, value, start, gradients[parameter_name], tolerance, h)


class Waves(encodings.Positions):
    """Added to the tokens and to the scores, with nothing to learn."""

    def added(self, n, held=0):
        return np.sin(np.arange(held, held + n)[:, None] * np.arange(1, 9))

    def bias(self, n_q, n_k=None):
        n_k = n_q if n_k is None else n_k
        return np.cos(np.arange(n_k - n_q, n_k)[:, None] - np.arange(n_k)) * np.ones((2, 1, 1))


class Loud(encodings.Learned):
    """A learned table under another name."""


class Turning(encodings.Positions):
    def turned(self, x, positions=None):
        return -x


class Tuned(encodings.Positions):
    def __init__(self):
        self.slope = np.ones(2)

    def bias(self, n_q, n_k=None):
        return self.slope[:, None, None]


def test_an_encoding_of_your_own_is_trained():
    """One that learns nothing as it is, one made from `Learned` as that, and any other is refused
    until its backward pass stands in a table.
    """
    ids, targets, _ = tiny_batch()
    model = tiny(positions=Waves())
    _, gradients = training.loss_and_gradients(model, ids, targets)
    assert gradients.keys() == parameters(model).keys() == parameters(tiny(positions=None)).keys()
    for name, parameter in parameters(model).items():
        start = parameter.copy()

        def value(a, parameter=parameter, start=start):
            parameter[...] = a
            loss = training.loss_and_gradients(model, ids, targets)[0]
            parameter[...] = start
            return loss

        check("Waves", value, start, gradients[name], 1e-7, 1e-3)
    model, loud = tiny(), tiny(positions=Loud(6, 8))
    for name, parameter in parameters(loud).items():
        parameter[...] = parameters(model)[name]
    for name, gradient in training.loss_and_gradients(loud, ids, targets)[1].items():
        np.testing.assert_array_equal(
            gradient, training.loss_and_gradients(model, ids, targets)[1][name]
        )
    for own, known in ((Turning(), "Rotary"), (Tuned(), "Learned, T5Bias")):
        with pytest.raises(
            TypeError, match=f"positions must be {known} here, got .*{type(own).__name__}"
        ):
            training.loss_and_gradients(tiny(positions=own), ids, targets)


class Half(encodings.Rotary):
    def turned(self, x, positions=None):
        return super().turned(x, positions) / 2


class Squared(encodings.Learned):
    def added(self, n, held=0):
        return super().added(n, held) ** 2


class Doubled(encodings.T5Bias):
    def bias(self, n_q, n_k=None):
        return 2 * super().bias(n_q, n_k)


class Before(Turning, encodings.Rotary):
    """`turned` is that of `Turning`."""


def overwritten():
    """An object of a known class whose answer is replaced in the object alone."""
    rotary = encodings.Rotary()
    rotary.turned = lambda x, positions=None: -x
    return rotary


@pytest.mark.parametrize(
    "make, known",
    [
        (Half, "Rotary"),
        (Before, "Rotary"),
        (overwritten, "Rotary"),
        (lambda: Squared(6, 8), "Learned, T5Bias"),
        (lambda: Doubled(2, bidirectional=False), "Learned, T5Bias"),
    ],
    ids=["Half", "Before", "overwritten", "Squared", "Doubled"],
)
def test_an_answer_of_its_own_has_no_backward_pass_of_its_parent(make, known, monkeypatch):
    """It would be trained by the gradients of another function, and nobody would see it."""
    ids, targets, _ = tiny_batch()
    model = tiny(positions=make())
    with pytest.raises(TypeError, match=f"positions must be {known} here, got .*write its"):
        training.loss_and_gradients(model, ids, targets)
    table = by_hand.TURNED_BACKWARD if known == "Rotary" else by_hand.POSITIONS_BACKWARD
    if type(model.positions) not in table:  # written into the table, it is used
        parent = next(kind for kind in type(model.positions).__mro__ if kind in table)
        monkeypatch.setitem(table, type(model.positions), table[parent])
        training.loss_and_gradients(model, ids, targets)


class Stretched(encodings.Rotary):
    """It turns as `Rotary` does, by angles of its own: `rotary_backward` asks for these."""

    def angles(self, positions, n, d_head):
        return 2 * super().angles(positions, n, d_head)


class Both(encodings.Learned, encodings.Rotary):
    """A table that is added, and turned q and k."""

    def __init__(self):
        encodings.Rotary.__init__(self)
        encodings.Learned.__init__(self, 6, 8)


@pytest.mark.parametrize("make", [Stretched, Both])
def test_who_shares_the_answer_shares_the_backward_pass(make):
    ids, targets, _ = tiny_batch()
    model = tiny(positions=make())
    found = training.loss_and_gradients(model, ids, targets)[1]
    assert found.keys() == parameters(model).keys()
    for name in found.keys() & {"blocks.0.attention.W_q", "positions.table"}:
        parameter = parameters(model)[name]
        start = parameter.copy()

        def value(a, parameter=parameter, start=start):
            parameter[...] = a
            loss = training.loss_and_gradients(model, ids, targets)[0]
            parameter[...] = start
            return loss

        check(name, value, start, found[name], 1e-7, 1e-3)


@pytest.mark.parametrize("options", MODELS.values(), ids=MODELS)
def test_gradients_in_float32(options):
    loss, gradients = training.loss_and_gradients(tiny(np.float32, **options), *tiny_batch())
    exact_loss, exact = training.loss_and_gradients(tiny(**options), *tiny_batch())
    close(loss, exact_loss, 1e-5)
    for name, gradient in gradients.items():
        assert gradient.dtype == np.float32, name
        close(gradient, exact[name], 3e-5)


def test_backward_changes_nothing():
    model, batch = tiny(use_bias=True), tiny_batch()
    before = {name: a.copy() for name, a in parameters(model).items()}
    first = training.loss_and_gradients(model, *batch)
    again = training.loss_and_gradients(model, *batch)
    assert first[0] == again[0]
    for name, array in parameters(model).items():
        np.testing.assert_array_equal(array, before[name])
        np.testing.assert_array_equal(first[1][name], again[1][name])


def test_sum_to_undoes_broadcasting():
    x = np.arange(24.0).reshape(2, 3, 4)
    for shape in [(2, 3, 4), (3, 4), (1, 4), (3, 1), (1, 3, 4), (2, 1, 1), (4,), ()]:
        grown = np.broadcast_to(np.zeros(shape), x.shape)
        assert training.sum_to(x, shape).shape == shape and grown.shape == x.shape
        close(training.sum_to(x, shape).sum(), x.sum())
    close(training.sum_to(x, (3, 1)), x.sum(axis=(0, 2))[:, None])


# ---- optimiser -----------------------------------------------------------------------------------


@seeds
@pytest.mark.parametrize(
    "betas, eps, decay", [((0.9, 0.98), 1e-8, 0.01), ((0.5, 0.7), 0.1, 0.3), ((0, 0), 1e-3, 0)]
)
def test_adamw_equals_the_slow_twin(seed, betas, eps, decay):
    rng = np.random.default_rng(seed)
    start = {"matrix": rng.normal(size=(2, 3)), "vector": rng.normal(size=3)}
    now = {name: array.copy() for name, array in start.items()}
    optimizer = training.AdamW(now, lr=0.1, betas=betas, eps=eps, weight_decay=decay)
    walk = [{name: rng.normal(size=array.shape) for name, array in start.items()} for _ in range(6)]
    rates = [0.1, 0.1, 0.02, 0.3, 0.1, 0.1]
    for gradients, rate in zip(walk, rates):
        optimizer.step(gradients, lr=None if rate == 0.1 else rate)
    for name, array in start.items():
        for where in np.ndindex(array.shape):
            faded = decay if name == "matrix" else 0  # vectors do not fade
            twin = slow.adamw(
                array[where], [g[name][where] for g in walk], rates, betas, eps, faded
            )
            close(now[name][where], twin)


def test_adamw_defaults():
    optimizer = training.AdamW({"w": np.zeros(2)})
    assert (optimizer.lr, optimizer.betas, optimizer.eps, optimizer.weight_decay) == (
        1e-3,
        (0.9, 0.98),
        1e-8,
        0.01,
    )


def test_adamw_moves_in_place_in_float32_and_leaves_the_gradients():
    w, gradient = np.ones((2, 2), np.float32), np.ones((2, 2), np.float32)
    optimizer = training.AdamW({"w": w}, lr=0.1, weight_decay=0)
    optimizer.step({"w": gradient})
    close(w, np.full((2, 2), 0.9), 1e-6)
    assert optimizer.means["w"].dtype == optimizer.squares["w"].dtype == w.dtype == np.float32
    np.testing.assert_array_equal(gradient, np.ones((2, 2)))


def test_learning_rate():
    rates = [training.learning_rate(step, 2.0, warmup=4) for step in range(8)]
    assert rates == [0.5, 1, 1.5, 2, 2, 2, 2, 2]
    cosine = [training.learning_rate(step, 2.0, warmup=2, steps=6) for step in range(7)]
    close(cosine, [1, 2, 2, 1 + np.sqrt(0.5), 1, 1 - np.sqrt(0.5), 0])
    assert training.learning_rate(0, 2.0) == 2.0
    assert [training.learning_rate(step, 2.0, warmup=2, steps=6) for step in (6, 7, 10, 1_000)] == [
        0
    ] * 4, "it never climbs again"
    assert [training.learning_rate(step, 2.0, warmup=3, steps=3) for step in range(5)] == [
        2 / 3,
        4 / 3,
        2,
        0,
        0,
    ]


@pytest.mark.parametrize(
    "wrong, name",
    [
        ({"step": -1}, "step"),
        ({"step": 0.5}, "step"),
        ({"step": None}, "step"),
        ({"lr": np.nan}, "lr"),
        ({"lr": "x"}, "lr"),
        ({"lr": 0}, "lr"),
        ({"lr": None}, "lr"),
        ({"warmup": -1}, "warmup"),
        ({"warmup": "x"}, "warmup"),
        ({"steps": 0}, "steps"),
        ({"steps": 2.5}, "steps"),
    ],
)
def test_a_learning_rate_of_nonsense_names_the_argument(wrong, name):
    with pytest.raises((TypeError, ValueError), match=rf"^{name} must be "):
        training.learning_rate(**{"step": 1, "lr": 1.0} | wrong)


def test_clip_by_norm():
    gradients = {"a": np.array([[3.0]]), "b": np.array([4.0], np.float32)}
    same, norm = training.clip_by_norm(gradients, 5)
    assert norm == 5 and all(same[name] is gradients[name] for name in gradients)
    clipped, norm = training.clip_by_norm(gradients, 1)
    assert norm == 5 and clipped["b"].dtype == np.float32
    close(clipped["a"], [[0.6]], 1e-7)
    close(clipped["b"], [0.8], 1e-7)
    assert gradients["a"] == 3


# ---- the loop ------------------------------------------------------------------------------------


def copying(rng):
    """A task for a hundred steps: say the token that is there now."""
    ids = rng.integers(0, 7, (8, 5))
    return ids, ids


def learner(dtype=np.float32):
    return GPT(7, 8, 1, 2, n_max=5, dtype=dtype, rng=np.random.default_rng(0))


def run(steps, model=None, **options):
    model = learner() if model is None else model
    settings = {"lr": 0.02, "progress": False, "rng": np.random.default_rng(1)}
    return model, training.train(model, copying, steps=steps, **settings | options)


def equal(one, two):
    for name, array in parameters(one).items():
        np.testing.assert_array_equal(array, parameters(two)[name], err_msg=name)


def test_it_learns():
    _, history = run(150, warmup=10, cosine=True)
    assert history.losses.shape == history.norms.shape == (150,)
    assert abs(history.losses[0] - np.log(7)) < 0.7 and history.losses[-1] < 0.05


def test_a_step_is_forward_backward_clip_and_adamw():
    """The loop once more, by hand."""
    model, history = run(12, warmup=5, cosine=True, weight_decay=0.1, clip=0.5, betas=(0.8, 0.9))
    twin, rng, losses, norms = learner(), np.random.default_rng(1), [], []
    optimizer = training.AdamW(parameters(twin), lr=0.02, betas=(0.8, 0.9), weight_decay=0.1)
    for step in range(12):
        loss, gradients = training.loss_and_gradients(twin, *copying(rng))
        gradients, norm = training.clip_by_norm(gradients, 0.5)
        optimizer.step(gradients, lr=training.learning_rate(step, 0.02, warmup=5, steps=12))
        losses.append(loss)
        norms.append(norm)
    equal(model, twin)
    np.testing.assert_array_equal(history.losses, losses)
    np.testing.assert_array_equal(history.norms, norms)


def test_no_clip():
    _, history = run(3, clip=None)
    unclipped, tight = run(3, clip=None)[0], run(3, clip=1e-3)[0]
    assert history.norms.max() > 1e-3 and not np.array_equal(unclipped.embedding, tight.embedding)
    equal(unclipped, run(3, clip=1e9)[0])


def test_same_seed_same_run():
    equal(run(10)[0], run(10)[0])
    assert not np.array_equal(
        run(10)[0].embedding, run(10, rng=np.random.default_rng(2))[0].embedding
    )
    equal(run(10, rng=None)[0], run(10, rng=np.random.default_rng(0))[0])


@pytest.mark.parametrize("generator", [np.random.PCG64, np.random.MT19937, np.random.Philox])
def test_resuming_goes_on_to_the_same_numbers(tmp_path, generator):
    def rng():
        return np.random.Generator(generator(1))

    whole, history = run(20, rng=rng(), warmup=5)
    path = tmp_path / "run.npz"
    _, first = run(13, rng=rng(), warmup=5, checkpoint=path, checkpoint_every=5)
    # another start: all must come from the file
    model = GPT(7, 8, 1, 2, n_max=5, rng=np.random.default_rng(99))
    model, second = run(
        20, model, rng=np.random.Generator(generator(7)), warmup=5, checkpoint=path, resume=True
    )
    equal(model, whole)
    np.testing.assert_array_equal(second.losses, history.losses)
    np.testing.assert_array_equal(second.norms, history.norms)
    np.testing.assert_array_equal(first.losses, history.losses[:13])


def test_resume_without_a_file_begins_and_with_a_finished_one_ends(tmp_path):
    path = tmp_path / "run.npz"
    model, _ = run(6, checkpoint=path, resume=True)
    equal(model, run(6)[0])
    again, history = run(6, GPT(7, 8, 1, 2, n_max=5), checkpoint=path, resume=True)
    equal(again, model)
    assert len(history.losses) == 6


def test_when_a_checkpoint_is_written(tmp_path):
    path, seen = tmp_path / "run.npz", []

    def watch(step, _):
        seen.append(path.exists() and len(np.load(path)["records"]))

    run(7, checkpoint=path, checkpoint_every=3, watch=watch)
    assert seen == [False, False, False, False, 3, 3, 3, 6] and len(np.load(path)["records"]) == 7
    assert [file.name for file in tmp_path.iterdir()] == ["run.npz"]


def test_interrupt_keeps_the_checkpoint_and_returns_what_is_there(tmp_path):
    path = tmp_path / "run.npz"

    def stop(step, _):
        if step == 8:
            raise KeyboardInterrupt

    _, history = run(20, checkpoint=path, checkpoint_every=5, watch=stop)
    np.testing.assert_array_equal(history.losses, run(8)[1].losses)
    model, _ = run(20, GPT(7, 8, 1, 2, n_max=5), checkpoint=path, resume=True)
    equal(model, run(20)[0])


def test_interrupt_in_the_middle_of_a_step():
    calls = []

    def loss(model, *batch):
        calls.append(1)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return training.loss_and_gradients(model, *batch)

    model, history = run(20, loss=loss)
    assert len(history.losses) == len(history.norms) == 3
    equal(model, run(3)[0])


def test_interrupt_before_the_first_step():
    def stop(step, _):
        raise KeyboardInterrupt

    assert run(5, watch=stop)[1].losses.shape == (0,)


@pytest.mark.parametrize("where", ["writing", "renaming"])
def test_a_crash_leaves_the_old_checkpoint(tmp_path, monkeypatch, where):
    path = tmp_path / "run.npz"
    run(3, checkpoint=path)
    before = path.read_bytes()

    def crash(file, *_, **arrays):
        if where == "writing":
            file.write(b"half a file")
        raise OSError("disk full")

    monkeypatch.setattr(*{"writing": (np, "savez"), "renaming": (os, "replace")}[where], crash)
    with pytest.raises(OSError, match="disk full"):
        run(3, checkpoint=path)
    assert path.read_bytes() == before and [file.name for file in tmp_path.iterdir()] == ["run.npz"]


def test_a_checkpoint_of_another_model_changes_nothing(tmp_path):
    path = tmp_path / "run.npz"
    run(2, checkpoint=path)
    for other in (
        GPT(7, 8, 2, 2, n_max=5),
        GPT(7, 8, 1, 2, n_max=6),
        GPT(7, 8, 1, 2, n_max=5, dtype=np.float64),
    ):
        before = {name: a.copy() for name, a in parameters(other).items()}
        with pytest.raises(
            ValueError,
            match=r"^checkpoint .*belongs to another model: \S+ is .* in the file, .* in the model",
        ):
            run(4, other, checkpoint=path, resume=True)
        for name, array in parameters(other).items():
            np.testing.assert_array_equal(array, before[name])
    model = GPT(7, 8, 1, 2, n_max=5)
    training.load_parameters(path, parameters(model))
    equal(model, run(2)[0])
    with pytest.raises(ValueError, match="another model"):
        training.load_parameters(path, parameters(GPT(7, 8, 2, 2, n_max=5)))


def state_of(optimizer, generator):
    groups = [optimizer.parameters, optimizer.means, optimizer.squares]
    return (
        [a.tobytes() for group in groups for a in group.values()],
        optimizer.count,
        generator.bit_generator.state,
    )


DAMAGED = {  # what is done to the arrays of a good checkpoint
    "no rng": lambda a: a.pop("rng"),
    "an empty rng": lambda a: a.update(rng=np.array("{}")),
    "an rng of another kind": lambda a: a.update(
        rng=np.array(json.dumps(np.random.MT19937(0).state, default=np.ndarray.tolist))
    ),
    "an rng that is no JSON": lambda a: a.update(rng=np.array("x")),
    "an rng of numbers": lambda a: a.update(rng=np.arange(3)),
    "no count": lambda a: a.pop("count"),
    "a count of NaN": lambda a: a.update(count=np.array(np.nan)),
    "a count below 0": lambda a: a.update(count=np.array(-1)),
    "a half count": lambda a: a.update(count=np.array(1.5)),
    "two counts": lambda a: a.update(count=np.array([1, 2])),
    "a count in words": lambda a: a.update(count=np.array("two")),
    "no records": lambda a: a.pop("records"),
    "flat records": lambda a: a.update(records=np.arange(4.0)),
    "records in words": lambda a: a.update(records=np.array([["a", "b"]])),
    "wide records": lambda a: a.update(records=np.ones((2, 3))),
    "objects": lambda a: a.update(records=np.array([[None, None]], dtype=object)),
    "NaN in the parameters": lambda a: a["parameters/embedding"].fill(np.nan),
    "infinity in the means": lambda a: a["means/embedding"].fill(np.inf),
    "NaN in the squares": lambda a: a["squares/embedding"].fill(np.nan),
    "no squares": lambda a: [a.pop(name) for name in list(a) if name.startswith("squares/")],
    "parameters of another shape": lambda a: a.update(
        {"parameters/embedding": np.ones((1, 1), np.float32)}
    ),
    "one parameter too many": lambda a: a.update({"parameters/extra": np.ones(1, np.float32)}),
}
BYTES = {  # what is done to its bytes
    "empty": lambda blob: b"",
    "one byte": lambda blob: blob[:1],
    "half": lambda blob: blob[: len(blob) // 2],
    "all but the end": lambda blob: blob[:-30],
    "text": lambda blob: b"loss,norm\n1,2\n",
    "a pickle": lambda blob: b"\x80\x04K\x05.",
    "one array": lambda blob: npy(np.arange(3.0)),
    "a flipped byte": lambda blob: blob[:300] + bytes([blob[300] ^ 255]) + blob[301:],
    "zeros behind the first page": lambda blob: blob[:4096] + bytes(len(blob) - 4096),
}


def npy(array):
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


@pytest.mark.parametrize("kind", [*DAMAGED, *BYTES])
def test_a_damaged_checkpoint_is_one_clear_sentence_and_changes_nothing(tmp_path, kind):
    path = tmp_path / "run.npz"
    run(3, checkpoint=path)
    if kind in DAMAGED:
        arrays = dict(np.load(path))
        DAMAGED[kind](arrays)
        np.savez(path, **arrays)
    else:
        path.write_bytes(BYTES[kind](path.read_bytes()))
    optimizer, generator = training.AdamW(parameters(learner())), np.random.default_rng(5)
    before = state_of(optimizer, generator)
    with pytest.raises(ValueError, match=r"^checkpoint '.*run\.npz' ") as error:
        training.load_checkpoint(path, optimizer, generator)
    assert state_of(optimizer, generator) == before
    assert (
        "pickle" not in str(error.value)
        and "\n" not in str(error.value)
        and len(str(error.value)) < 300 + len(str(path))
    )
    if kind in BYTES:
        with pytest.raises(ValueError, match=r"^checkpoint '.*run\.npz' "):
            training.load_parameters(path, parameters(learner()))


def test_a_checkpoint_of_today_is_read_as_it_was_written(tmp_path):
    path = tmp_path / "run.npz"
    model = run(3, checkpoint=path)[0]
    optimizer, generator = training.AdamW(parameters(learner())), np.random.default_rng(5)
    records = training.load_checkpoint(path, optimizer, generator)
    assert (
        len(records) == 3 and optimizer.count == 3 and all(len(record) == 2 for record in records)
    )
    for name, array in parameters(model).items():
        np.testing.assert_array_equal(optimizer.parameters[name], array)


KILLED = """
import sys, numpy as np
from attnlib import training
optimizer = training.AdamW({"w": np.zeros((2_000, 2_000))})
print("ready", flush=True)
while True:
    training.save_checkpoint(sys.argv[1], optimizer, np.random.default_rng(0), [(0.0, 0.0)])
"""


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_what_a_killed_process_left_half_written_goes(tmp_path):
    path = tmp_path / "run.npz"
    for wait in (0.1, 0.17, 0.05):
        with subprocess.Popen(
            [sys.executable, "-c", KILLED, str(path)], stdout=subprocess.PIPE
        ) as saving:
            saving.stdout.readline()
            while not [name for name in os.listdir(tmp_path) if name.endswith(".draft")]:
                time.sleep(0.005)
            time.sleep(wait)
            saving.send_signal(signal.SIGKILL)
    optimizer = training.AdamW({"w": np.zeros((2_000, 2_000))})
    training.save_checkpoint(path, optimizer, np.random.default_rng(0), [(0.0, 0.0)])
    assert os.listdir(tmp_path) == ["run.npz"]
    assert training.load_checkpoint(path, optimizer, np.random.default_rng(0)) == [(0.0, 0.0)]


def test_watch_sees_every_step_before_and_after():
    seen = []
    model, _ = run(3, watch=lambda step, model: seen.append((step, model.embedding.copy())))
    assert [step for step, _ in seen] == [0, 1, 2, 3]
    np.testing.assert_array_equal(seen[0][1], learner().embedding)
    np.testing.assert_array_equal(seen[3][1], model.embedding)
    np.testing.assert_array_equal(seen[2][1], run(2)[0].embedding)


def test_a_loss_that_is_not_finite_is_reported_with_its_step():
    def loss(model, *batch):
        value, gradients = training.loss_and_gradients(model, *batch)
        return (float("nan") if model.embedding[0, 0] == 7 else value), gradients

    def poison(step, model):
        if step == 4:
            model.embedding[0, 0] = 7

    model = learner()
    with pytest.raises(
        FloatingPointError, match=r"^at step 4 the loss is nan .*smaller lr than 0.02"
    ):
        run(9, model, loss=loss, watch=poison)
    assert model.embedding[0, 0] == 7  # the step was not taken


@pytest.mark.parametrize("options", [{"d_hidden": 0, "norm": None}, {}])
def test_a_rate_far_too_high_ends_with_a_step_and_without_warnings(options):
    model = GPT(7, 8, 2, 2, n_max=5, rng=np.random.default_rng(0), **options)
    with (
        warnings.catch_warnings(),
        pytest.raises((FloatingPointError, ValueError), match=r"^at step \d+"),
    ):
        warnings.simplefilter("error")
        run(50, model, lr=1e25, clip=None)


def test_an_error_in_a_batch_names_the_step():
    def batch(rng):
        return np.array([[0, 1, 2, 3, 7]]), np.zeros((1, 5), int)

    with pytest.raises(ValueError, match=r"^at step 0: ids must lie between 0 and 6, got 0 to 7"):
        training.train(learner(), batch, steps=2, lr=0.1, progress=False)


# ---- the bar -------------------------------------------------------------------------------------


def test_a_bar_is_only_for_people(capsys):
    training.train(learner(), copying, steps=3, lr=0.02)
    assert capsys.readouterr() == ("", "")  # a pipe gets nothing


def test_the_bar_in_a_terminal_clears_itself(monkeypatch):
    screen = io.StringIO()
    screen.isatty = lambda: True
    monkeypatch.setattr(progress.sys, "stderr", screen)
    monkeypatch.setattr(
        progress.sys,
        "modules",
        {name: m for name, m in progress.sys.modules.items() if name != "IPython"},
    )
    training.train(learner(), copying, steps=3, lr=0.02)
    assert "] 1/3  loss 2.1" in screen.getvalue() and screen.getvalue().endswith("\r\x1b[K")
    screen.seek(0)
    screen.truncate()
    training.train(learner(), copying, steps=3, lr=0.02, progress=False)
    assert screen.getvalue() == ""


def test_the_bar_in_a_notebook_is_one_display_that_ends_empty(monkeypatch):
    shown = []

    class Handle:
        def update(self, bundle, raw):
            shown.append(bundle["text/plain"])

    def display(bundle, raw, display_id):
        shown.append(bundle["text/plain"])
        return Handle()

    monkeypatch.setattr(IPython, "get_ipython", lambda: object())
    monkeypatch.setattr(IPython.display, "display", display)
    training.train(learner(), copying, steps=3, lr=0.02)
    assert shown[0] == shown[-1] == "" and "1/3" in shown[1]
    shown.clear()
    training.train(learner(), copying, steps=3, lr=0.02, progress=False)
    assert shown == []


def test_the_text_of_the_bar():
    assert (
        progress.line(6, 24, 0.6931, 3.0) == "[######..................] 6/24  loss 0.693  9 s left"
    )
    assert progress.line(24, 24, 0.1, 3.0).startswith("[########################] 24/24")


# ---- the induction task --------------------------------------------------------------------------


@seeds
@pytest.mark.parametrize("period", [(24, 40), (3, 9), 32, (7, 7)])
def test_induction_batch(seed, period):
    batch = training.induction_batch(np.random.default_rng(seed), batch=40, period=period)
    shortest, longest = (period, period) if isinstance(period, int) else period
    assert batch._fields == ("ids", "targets", "where")
    assert batch.ids.shape == batch.targets.shape == batch.where.shape == (40, 64)
    np.testing.assert_array_equal(batch.ids[:, 1:], batch.targets[:, :-1])
    assert batch.ids.min() >= 0 and batch.ids.max() <= 63 and batch.where.dtype == bool
    found = set()
    for ids, target, where in zip(*batch):
        text = [*ids, target[-1]]
        length = next(i for i in range(1, 65) if text[i] == text[0])
        found.add(length)
        assert len(set(text[:length])) == length and all(
            text[i] == text[i - length] for i in range(length, 65)
        )
        np.testing.assert_array_equal(where, np.arange(64) >= length)
    assert min(found) >= shortest and max(found) <= longest
    if longest - shortest < 10:
        assert found == set(range(shortest, longest + 1))  # both ends are drawn


def test_induction_batch_is_made_by_its_generator():
    one, two = (training.induction_batch(np.random.default_rng(5)) for _ in range(2))
    for a, b in zip(one, two):
        np.testing.assert_array_equal(a, b)
    rng = np.random.default_rng(5)
    training.induction_batch(rng)
    assert not np.array_equal(training.induction_batch(rng).ids, one.ids)
    np.testing.assert_array_equal(
        training.induction_batch(None).ids, training.induction_batch(np.random.default_rng(0)).ids
    )
    assert len({tuple(ids) for ids in one.ids}) == 32 and one.ids.shape == (32, 64)


@seeds
def test_scores_equal_the_slow_twins(seed):
    rng = np.random.default_rng(seed)
    # layers, batch, heads
    weights = softmax(rng.normal(size=(2, 3, 4, 9, 9)), where=masks.causal(9))
    ids = rng.integers(0, 4, (3, 9))
    one = training.induction_score(weights[:, 0], ids[0])
    assert one.shape == (2, 4)
    for where in np.ndindex(2, 4):
        close(one[where], slow.induction_score(weights[:, 0][where], ids[0]))
    batch = training.induction_score(weights, ids)
    counts = [sum(ids[b, i] in ids[b, :i] for i in range(9)) for b in range(3)]
    alone = [training.induction_score(weights[:, b], ids[b]) for b in range(3)]
    close(batch, sum(n * a for n, a in zip(counts, alone)) / sum(counts))
    close(training.induction_score(weights[0], ids), batch[0])
    previous = training.previous_token_score(weights)
    assert previous.shape == (2, 3, 4)
    for where in np.ndindex(2, 3, 4):
        close(previous[where], slow.previous_token_score(weights[where]))


def test_perfect_heads_score_one():
    ids = np.array([3, 1, 2, 3, 1, 2])
    induction, previous = np.zeros((2, 1, 6, 6))
    induction[0, [3, 4, 5], [1, 2, 3]] = 1
    previous[0, range(1, 6), range(5)] = 1
    close(training.induction_score(induction, ids), [1])
    close(training.previous_token_score(previous), [1])
    close(training.induction_score(previous, ids), [0])
    close(training.previous_token_score(induction), [0])


def test_two_layers_learn_induction_and_one_does_not():
    """A small sister of the task of the notebook."""
    scores = []
    for n_layers in (2, 1):
        rng = np.random.default_rng(0)
        model = GPT(16, 32, n_layers, 2, n_max=24, d_hidden=0, norm=None, rng=rng)

        def batch(rng):
            return training.induction_batch(rng, batch=16, n=24, vocabulary=16, period=(8, 14))

        training.train(model, batch, steps=400, lr=2e-2, warmup=30, rng=rng, progress=False)
        probe = batch(np.random.default_rng(1))
        steps = model.steps(probe.ids)
        weights = np.stack([block.attention.inner.weights for block in steps.blocks])
        right = (steps.logits.argmax(-1) == probe.targets)[probe.where].mean()
        scores.append((training.induction_score(weights, probe.ids).max(), right))
    assert scores[0][0] > 0.6 and scores[0][1] > 0.9, scores
    assert scores[1][0] < 0.3 and scores[1][1] < 0.5, scores


def test_a_layer_with_a_scale_of_its_own_is_refused_not_taught_wrongly():
    """The backward pass knows 1/√d only; published models with another scale or a softcap are for
    reading.
    """
    layer = SelfAttention(8, 2)
    x = np.random.default_rng(0).normal(size=(3, 8))
    layer.scoring = {"softcap": 2.0}
    with pytest.raises(ValueError, match="no scale or softcap of its own here"):
        training.self_attention_backward(np.ones((3, 8)), layer, layer.steps(x))


# ---- the benchmark -------------------------------------------------------------------------------


def test_the_benchmark_runs(monkeypatch, capsys):
    monkeypatch.setattr(bench, "ROUNDS", 1)
    monkeypatch.setattr(bench, "SIZES", {"tiny": {"d_model": 4, "n_layers": 1, "n_heads": 1}})
    assert main(["bench", "training"]) == 0
    said = capsys.readouterr().out
    assert "\ntiny\n" in said and "attnlib" in said and "tokens/s" in said


def test_the_benchmark_takes_ratios_round_by_round(capsys):
    bench.report(
        {
            "attnlib": np.array([[1.0, 2], [1, 1], [4, 1]]),
            "PyTorch": np.array([[2.0, 1], [2, 1], [4, 1]]),
        }
    )
    said = capsys.readouterr().out
    assert "by the clock, attnlib is 2.00 times" in said and "(1.00 to 2.00)" in said
    assert "by CPU time, attnlib is 1.00 times" in said and "(0.50 to 1.00)" in said
