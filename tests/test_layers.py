"""layers.py against slow twins, and the order of the parts of a block."""

import math

import numpy as np
import pytest
import slow
from hypothesis import given, settings
from hypothesis import strategies as st

from attnlib import masks
from attnlib._erfc import polynomial
from attnlib.layers import (
    DecoderBlock,
    EncoderBlock,
    FeedForward,
    LayerNorm,
    RMSNorm,
    cast,
    gelu,
    layer_norm,
    parameters,
    relu,
    rms_norm,
    silu,
)

pytestmark = pytest.mark.filterwarnings("error")
examples = settings(max_examples=40, deadline=None, derandomize=True)
TOLERANCE = {np.float16: 2e-3, np.float32: 2e-6, np.float64: 1e-13}
rows = st.tuples(
    st.integers(0, 10**6), st.lists(st.integers(1, 4), min_size=0, max_size=2), st.integers(1, 9)
)


def close(a, b, atol=1e-12):
    np.testing.assert_allclose(np.asarray(a, float), np.asarray(b, float), rtol=0, atol=atol)


def numbers(drawn, dtype=np.float64):
    seed, lead, d = drawn
    rng = np.random.default_rng(seed)
    return (
        rng.normal(rng.normal(), 2, (*lead, d)).astype(dtype),
        rng.normal(1, 0.5, d),
        rng.normal(size=d),
    )


def by_row(function, x, *options):
    return np.reshape(
        [function(row, *options) for row in x.reshape(-1, x.shape[-1]).tolist()], x.shape
    )


# ---- norms ---------------------------------------------------------------------------------------


@examples
@given(rows, st.sampled_from([1e-5, 1e-2, 1.0]), st.booleans(), st.booleans())
def test_layer_norm_equals_the_slow_twin(drawn, eps, with_gain, with_bias):
    x, gain, bias = numbers(drawn)
    gain, bias = gain if with_gain else None, bias if with_bias else None
    close(layer_norm(x, gain, bias, eps=eps), by_row(slow.layer_norm, x, gain, bias, eps))


@examples
@given(rows, st.sampled_from([1e-6, 1e-2, 1.0]), st.booleans())
def test_rms_norm_equals_the_slow_twin(drawn, eps, with_gain):
    x, gain, _ = numbers(drawn)
    gain = gain if with_gain else None
    close(rms_norm(x, gain, eps=eps), by_row(slow.rms_norm, x, gain, eps))


def test_eps_that_nobody_gives():
    x = np.random.default_rng(0).normal(0, 1e-3, (5, 4))
    close(layer_norm(x), layer_norm(x, eps=1e-5))
    close(rms_norm(x), rms_norm(x, eps=1e-6))
    assert LayerNorm(4).eps == 1e-5 and RMSNorm(4).eps == 1e-6


@examples
@given(rows, st.floats(-100, 100), st.floats(0.5, 100))
def test_layer_norm_forgets_shift_and_size(drawn, shift, size):
    x = numbers(drawn)[0]
    if x.shape[-1] > 1:
        close(layer_norm(x * size + shift, eps=1e-12), layer_norm(x, eps=1e-12), 1e-5)
        normed = layer_norm(x, eps=1e-12)
        close(normed.mean(-1), 0)
        close(normed.var(-1), 1, 1e-5)


@examples
@given(rows, st.floats(0.5, 100))
def test_rms_norm_forgets_size_but_not_shift(drawn, size):
    x = numbers(drawn)[0]
    close(rms_norm(x * size, eps=1e-12), rms_norm(x, eps=1e-12), 1e-4)
    close(np.square(rms_norm(x, eps=1e-12)).mean(-1), 1, 1e-4)
    close(rms_norm(x - x.mean(-1, keepdims=True)), layer_norm(x, eps=1e-6), 1e-9)


def test_a_constant_row_is_no_division_by_zero():
    close(layer_norm(np.full((2, 4), 7.0), bias=np.arange(4)), [np.arange(4)] * 2)
    close(rms_norm(np.zeros((2, 4))), np.zeros((2, 4)))


@pytest.mark.parametrize(
    "function", [layer_norm, rms_norm, gelu, lambda x: gelu(x, approximate="tanh"), silu, relu]
)
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_dtype_in_is_dtype_out_and_inputs_stay(function, dtype):
    x = np.random.default_rng(0).normal(0, 2, (3, 4, 8)).astype(dtype)
    before = x.copy()
    y = function(x)
    assert y.dtype == dtype and not np.shares_memory(x, y)
    np.testing.assert_array_equal(x, before)
    close(y, function(x.astype(np.float64)), TOLERANCE[dtype])


def test_float16_is_normed_in_float32():
    x = np.full((1, 4), 300, np.float16) * np.array([1, -1, 1, -1], np.float16)  # 300² does not fit
    close(layer_norm(x), [[1, -1, 1, -1]])
    close(rms_norm(x), [[1, -1, 1, -1]])


def test_gain_and_bias_do_not_widen_float32():
    x, row = np.ones((2, 4), np.float32), np.ones(4, np.float32)
    assert (
        layer_norm(x, np.ones(4), np.ones(4)).dtype == rms_norm(x, np.ones(4)).dtype == np.float32
    )
    assert layer_norm(x, row, row).dtype == np.float32


# ---- bends ---------------------------------------------------------------------------------------

GRID = np.concatenate(
    [
        np.linspace(-12, 12, 4801),
        [0.0, -0.0, 1e-300, -1e-300, 1e-8, -38, 38, -1e3, 1e3, 1e15, -1e15],
    ]
)


def test_gelu_is_as_exact_as_erf():
    exact = np.array([slow.gelu(x) for x in GRID])
    assert np.abs(gelu(GRID) - exact)[np.abs(GRID) <= 12].max() < 2e-15
    close(gelu(GRID) / np.maximum(np.abs(GRID), 1), exact / np.maximum(np.abs(GRID), 1), 1e-15)
    left = (GRID < 0) & (GRID > -12)
    # no cancellation in the tail
    np.testing.assert_allclose(gelu(GRID)[left], exact[left], rtol=1e-13)


def test_gelu_in_float32():
    x = GRID[np.abs(GRID) <= 12].astype(np.float32)
    exact = np.array([slow.gelu(float(a)) for a in x])
    assert np.abs(gelu(x) - exact).max() < 1e-6
    left = (x < 0) & (x > -4)
    np.testing.assert_allclose(gelu(x)[left], exact[left], rtol=3e-6)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_a_polynomial_and_the_precision_of_its_coefficients(dtype):
    x, coefficients = (
        np.array([[-1, 0, 0.5], [2, -3, 1]], dtype),
        np.array([1 / 3, -2, 0, 0.1], np.float32),
    )
    before, found = x.copy(), polynomial(x, coefficients)
    assert found.dtype == np.result_type(dtype, np.float32) and (x == before).all()
    close(
        found, np.polynomial.polynomial.polyval(x.astype(float), coefficients.astype(float)), 2e-6
    )
    close(polynomial(x[0, 2], coefficients[:1]), 1 / 3, 1e-7)


def test_gelu_known_numbers():
    close(
        gelu([0.0, 1.0, -1.0, 2.0]),
        [0, 0.8413447460685429, -0.15865525393145707, 1.9544997361036416],
        1e-15,
    )
    close(gelu([1, -2]), [slow.gelu(1), slow.gelu(-2)], 1e-15)


def test_gelu_has_two_kinds_that_are_close():
    x = GRID[np.abs(GRID) <= 12]
    tanh = gelu(x, approximate="tanh")
    close(tanh, [slow.gelu_tanh(a) for a in x], 1e-14)
    assert 1e-4 < np.abs(tanh - gelu(x)).max() < 5e-4


def test_silu_and_relu():
    x = np.linspace(-30, 30, 121)
    close(silu(x), [slow.silu(a) for a in x], 1e-13)
    close(silu(np.array([-800.0, 800.0])), [0, 800])
    close(relu(x), [slow.relu(a) for a in x], 0)


@pytest.mark.parametrize("bend", [gelu, lambda x: gelu(x, approximate="tanh"), silu, relu])
@pytest.mark.parametrize(
    "dtype, huge", [(np.float16, 6e4), (np.float32, 1e20), (np.float32, 3e38), (np.float64, 1e308)]
)
def test_a_bend_is_flat_to_the_left_and_straight_to_the_right_to_the_end_of_its_type(
    bend, dtype, huge
):
    """A warning is an error in this file."""
    x = np.array(
        [huge, np.inf, -huge, -np.inf, 38, 39, 40, 41, 50, 300, -38, -39, -40, -41, -50, -300],
        dtype,
    )
    np.testing.assert_allclose(bend(x), np.maximum(x, 0), rtol=0, atol=1e-300)


# ---- feed-forward --------------------------------------------------------------------------------

BENDS = {"relu": slow.relu, "gelu": slow.gelu, "gelu_tanh": slow.gelu_tanh, "silu": slow.silu}


def slow_feed_forward(layer, token):
    """One token, cell by cell."""

    def linear(row, W, b):
        return [
            sum(row[i] * W[i, j] for i in range(len(row))) + (b[j] if np.ndim(b) else 0)
            for j in range(W.shape[1])
        ]

    hidden = linear(token, layer.W_up, layer.b_up)
    if layer.W_gate is None:
        hidden = [BENDS[layer.activation](number) for number in hidden]
    else:
        gate = linear(token, layer.W_gate, layer.b_gate)
        hidden = [BENDS[layer.activation](g) * number for g, number in zip(gate, hidden)]
    return linear(hidden, layer.W_down, layer.b_down)


@pytest.mark.parametrize("activation", BENDS)
@pytest.mark.parametrize("gated", [False, True])
@pytest.mark.parametrize("use_bias", [False, True])
def test_feed_forward_equals_the_slow_twin(activation, gated, use_bias):
    rng = np.random.default_rng(0)
    layer = FeedForward(3, 5, activation=activation, gated=gated, use_bias=use_bias, rng=rng)
    for parameter in parameters(layer).values():
        parameter += rng.normal(size=parameter.shape)
    x = rng.normal(size=(2, 4, 3))
    close(layer(x), by_row(lambda token: slow_feed_forward(layer, token), x))


def test_feed_forward_shapes_and_names():
    layer = FeedForward(6)
    assert {name: a.shape for name, a in parameters(layer).items()} == {
        "W_up": (6, 24),
        "W_down": (24, 6),
    }
    assert layer.activation == "gelu"
    gated = parameters(FeedForward(6, 5, gated=True, use_bias=True))
    assert {name: a.shape for name, a in gated.items()} == {
        "W_up": (6, 5),
        "W_down": (5, 6),
        "b_up": (5,),
        "b_down": (6,),
        "W_gate": (6, 5),
        "b_gate": (5,),
    }
    assert abs(parameters(FeedForward(400, 900))["W_up"].std() * 20 - 1) < 0.01
    assert abs(parameters(FeedForward(400, 900))["W_down"].std() * 30 - 1) < 0.01


# ---- blocks --------------------------------------------------------------------------------------


def block_twin(block, x, mask=None, bias=None):
    """The figures of the two papers, in words of the layers."""
    if block.norm == "pre":
        heard, weights = block.attention(block.attention_norm(x), mask=mask, bias=bias)
        x = x + heard
        return x + block.feed_forward(block.feed_forward_norm(x)), weights
    if block.norm == "post":
        heard, weights = block.attention(x, mask=mask, bias=bias)
        x = block.attention_norm(x + heard)
        return block.feed_forward_norm(x + block.feed_forward(x)), weights
    heard, weights = block.attention(x, mask=mask, bias=bias)
    x = x + heard
    return x + block.feed_forward(x), weights


@pytest.mark.parametrize("norm", ["pre", "post", None])
@pytest.mark.parametrize("norm_type", ["layer", "rms"])
@pytest.mark.parametrize("kind", [EncoderBlock, DecoderBlock])
def test_order_of_the_parts(norm, norm_type, kind):
    rng = np.random.default_rng(0)
    block = kind(
        8,
        2,
        norm=norm,
        norm_type=norm_type,
        use_bias=True,
        n_kv_heads=1,
        gated=True,
        activation="silu",
        d_hidden=5,
        rng=rng,
    )
    for parameter in parameters(block).values():
        parameter += rng.normal(0, 0.5, parameter.shape)
    x, mask, bias = rng.normal(size=(3, 6, 8)), rng.random((6, 6)) < 0.7, rng.normal(size=(2, 6, 6))
    for options in ({}, {"mask": mask}, {"bias": bias}, {"mask": mask, "bias": bias}):
        output, weights = block(x, **options)
        if kind is DecoderBlock:
            options = options | {"mask": masks.causal(6) & options.get("mask", True)}
        expected, expected_weights = block_twin(block, x, **options)
        close(output, expected)
        close(weights, expected_weights)


def test_the_paper_s_norm_is_the_last_thing_and_todays_is_not():
    x = np.random.default_rng(0).normal(3, 2, (5, 8))
    close(EncoderBlock(8, 2, norm="post")(x)[0].mean(-1), 0)
    close(EncoderBlock(8, 2, norm="post")(x)[0].var(-1), 1, 1e-4)
    assert np.abs(EncoderBlock(8, 2)(x)[0].mean(-1)).min() > 0.5


@pytest.mark.parametrize("norm", ["pre", "post", None])
def test_attention_only(norm):
    block = EncoderBlock(8, 2, d_hidden=0, norm=norm)
    x = np.random.default_rng(1).normal(size=(5, 8))
    heard, weights = block.attention(block.attention_norm(x) if norm == "pre" else x)
    expected = x + heard
    close(block(x)[0], block.attention_norm(expected) if norm == "post" else expected)
    close(block(x)[1], weights)
    assert block.feed_forward is None and not any(
        "feed_forward" in name for name in parameters(block)
    )


def test_a_decoder_does_not_see_the_future():
    x = np.random.default_rng(2).normal(size=(6, 8))
    for kind, leak in ((DecoderBlock, masks.causal(6)), (EncoderBlock, masks.full(6))):
        block = kind(8, 2, norm=None)  # a norm would forget the same nudge in every dimension
        np.testing.assert_array_equal(masks.influence(block, x) > 1e-9, leak)


def test_parts_and_defaults_of_a_block():
    block = DecoderBlock(8, 2)
    assert (
        block.norm == "pre"
        and isinstance(block.attention_norm, LayerNorm)
        and isinstance(block.feed_forward_norm, LayerNorm)
    )
    assert set(parameters(block)) == {
        "attention.W_q",
        "attention.W_k",
        "attention.W_v",
        "attention.W_o",
        "attention_norm.gain",
        "attention_norm.bias",
        "feed_forward.W_up",
        "feed_forward.W_down",
        "feed_forward_norm.gain",
        "feed_forward_norm.bias",
    }
    without = {"attention_norm.bias", "feed_forward_norm.bias"}
    assert set(parameters(DecoderBlock(8, 2, norm_type="rms"))) == set(parameters(block)) - without
    assert block.feed_forward.W_up.shape == (8, 32)


def test_parameters_are_the_arrays_themselves():
    block = EncoderBlock(4, 2)
    parameters(block)["attention.W_q"][...] = 7
    assert (block.attention.W_q == 7).all()
    block.attention.W_q = np.zeros((4, 4))
    assert parameters(block)["attention.W_q"] is block.attention.W_q


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"norm": "post"},
        {"norm_type": "rms", "gated": True},
        {"activation": "silu", "use_bias": True},
    ],
)
def test_float32_stays_float32(options):
    """Every array on the way, not only the last one."""
    x = np.random.default_rng(0).normal(size=(2, 5, 8)).astype(np.float32)
    block = DecoderBlock(8, 2, **options)
    wide = block(x)
    assert wide[0].dtype == wide[1].dtype == np.float32
    assert cast(block, np.float32) is block and all(
        a.dtype == np.float32 for a in parameters(block).values()
    )
    steps = block.steps(x)
    for residual in (steps.attention, steps.feed_forward):
        for array in (residual.x, residual.total, residual.output, *residual.inner):
            assert array is None or isinstance(array, dict) or array.dtype == np.float32
    close(block(x)[0], wide[0], 1e-5)


class Part:
    """Two arrays and whatever parts it is given."""

    def __init__(self, **parts):
        self.w, self.b = np.ones(2), np.zeros(1)
        vars(self).update(parts)


def test_a_part_in_two_places_is_named_by_the_first():
    shared = Part()
    whole = Part(first=shared, others=[Part(again=shared), shared], last=shared)
    shared.owner = whole  # round in a circle
    assert list(parameters(whole)) == ["w", "b", "first.w", "first.b", "others.0.w", "others.0.b"]
    cast(whole, np.float32)
    assert shared.w.dtype == whole.others[0].b.dtype == np.float32
    twins = Part()
    twins.b = twins.w  # one array in two places, as where an embedding is tied, keeps both
    assert list(parameters(twins)) == ["w", "b"]


def test_every_step_is_there_to_look_at():
    block, x = EncoderBlock(8, 2), np.random.default_rng(0).normal(size=(5, 8))
    steps = block.steps(x)
    close(steps.attention.inner.x, block.attention_norm(x), 0)
    close(steps.attention.output, x + steps.attention.inner.output, 0)
    close(steps.feed_forward.x, steps.attention.output, 0)
    close(steps.output, block(x)[0], 0)
    heads = steps.attention.inner
    close(heads.weights, block(x)[1], 0)
    close(heads.joined @ block.attention.W_o, heads.output, 1e-12)
    assert heads.q.shape == heads.k.shape == heads.v.shape == (2, 5, 4)


def test_same_seed_same_block():
    one, two = (EncoderBlock(8, 2, rng=np.random.default_rng(3)) for _ in range(2))
    other = EncoderBlock(8, 2, rng=np.random.default_rng(4))
    for name, array in parameters(one).items():
        np.testing.assert_array_equal(array, parameters(two)[name])
    assert not np.array_equal(one.attention.W_q, other.attention.W_q)
    assert math.isclose(
        parameters(EncoderBlock(8, 2))["attention.W_q"][0, 0],
        np.random.default_rng(0).normal(0, 8**-0.5),
    )
