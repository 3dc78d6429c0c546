"""KVCache, CrossAttention, and everything that reads a text bit by bit: cached equals uncached, and
an error loses nothing.
"""

from inspect import isfunction

import numpy as np
import pytest
import slow
from hypothesis import given, settings
from hypothesis import strategies as st
from test_gpt import ENDING, OPTIONS, tiny

from attnlib import encodings, masks
from attnlib.heads import CrossAttention, KVCache, SelfAttention, all_or_nothing
from attnlib.layers import DecoderBlock, EncoderBlock, parameters
from attnlib.models.gpt import GPT, POSITIONS

pytestmark = pytest.mark.filterwarnings("error")
examples = settings(max_examples=30, deadline=None, derandomize=True)
chunks = st.lists(st.integers(1, 4), min_size=1, max_size=5)
OPTIONS = OPTIONS | {
    "rotary, multi-query": {"positions": "rotary", "n_kv_heads": 1},
    "learned and rotary": {"rotary": encodings.Rotary()},
}


def close(a, b, atol=1e-12):
    np.testing.assert_allclose(np.asarray(a, float), np.asarray(b, float), rtol=0, atol=atol)


def bits(sizes):
    """Where each bit of a text begins and ends."""
    ends = np.cumsum(sizes).tolist()
    return list(zip([0, *ends], ends))


def noisy(layer, rng):
    for parameter in parameters(layer).values():
        parameter += rng.normal(0, 0.5, parameter.shape)
    return layer


# ---- KVCache -------------------------------------------------------------------------------------


@examples
@given(
    chunks,
    st.lists(st.integers(1, 3), max_size=3),
    st.sampled_from([np.float16, np.float32, np.float64]),
    st.integers(0, 99),
)
def test_a_cache_holds_what_was_appended(sizes, lead, dtype, seed):
    rng, cache, handed_out = np.random.default_rng(seed), KVCache(), []
    k, v = (rng.normal(size=(*lead, sum(sizes), d)).astype(dtype) for d in (5, 3))
    assert len(cache) == cache.nbytes == 0 and cache.k is None and cache.v is None
    for start, end in bits(sizes):
        new = k[..., start:end, :].copy(), v[..., start:end, :].copy()
        handed_out.append((end, *cache.append(*new)))
        for array in new:
            array[...] = 99  # what the caller does with its arrays later is no matter
        assert len(cache) == end
        assert cache.nbytes == np.prod(lead, dtype=int) * end * (5 + 3) * np.dtype(dtype).itemsize
        np.testing.assert_array_equal(cache.k, k[..., :end, :])
        np.testing.assert_array_equal(cache.v, v[..., :end, :])
        assert cache.k.dtype == cache.v.dtype == dtype
    for end, k_all, v_all in handed_out:  # also those from before the cache grew
        np.testing.assert_array_equal(k_all, k[..., :end, :])
        np.testing.assert_array_equal(v_all, v[..., :end, :])


def test_appending_seldom_copies():
    cache, arrays = KVCache(), []
    for _ in range(1000):
        k_all, v_all = cache.append(np.ones((2, 1, 4)), np.ones((2, 1, 4)))
        assert np.shares_memory(k_all, cache.k) and np.shares_memory(v_all, cache.v)
        if not any(k_all.base is array for array in arrays):
            arrays.append(k_all.base)
    assert 2 <= len(arrays) <= 11  # 1, 2, 4 … 1024
    assert k_all.base.shape[-2] < 2 * 1000 + 2


def test_a_prefill_takes_no_spare_room():
    k_all, _ = KVCache().append(np.ones((2, 300, 4)), np.ones((2, 300, 4)))
    assert k_all.base.shape == (2, 300, 4)


def held(n=3, dtype=np.float64):
    cache = KVCache()
    cache.append(*np.random.default_rng(3).normal(size=(2, 5, 2, n, 4)).astype(dtype))
    return cache


def ones(*shape, dtype=np.float64):
    return np.ones(shape, dtype)


BAD_APPENDS = [
    (
        ones(5, 2, 1, 3),
        ones(5, 2, 1, 4),
        ValueError,
        r"k has the shape \(5, 2, 1, 3\), which for any n must fit what is held, \(5, 2, 3, 4\)",
    ),
    (
        ones(5, 2, 1, 4),
        ones(5, 2, 1, 3),
        ValueError,
        r"v has the shape \(5, 2, 1, 3\), which for any n must fit what is held, \(5, 2, 3, 4\)",
    ),
    (ones(5, 1, 1, 4), ones(5, 1, 1, 4), ValueError, r"k has the shape \(5, 1, 1, 4\).*held"),
    (ones(2, 1, 4), ones(2, 1, 4), ValueError, r"k has the shape \(2, 1, 4\).*held"),
    (
        ones(5, 2, 1, 4),
        ones(5, 2, 2, 4),
        ValueError,
        r"k and v must agree on every axis but the last.*k \(5, 2, 1, 4\), v \(5, 2, 2, 4\)",
    ),
    (ones(5, 2, 0, 4), ones(5, 2, 0, 4), ValueError, r"at least one token.*k \(5, 2, 0, 4\)"),
    (ones(4), ones(4), ValueError, r"k must have the shape \(..., n, d_head\), got \(4,\)"),
    (
        ones(5, 2, 1, 4, dtype=np.float32),
        ones(5, 2, 1, 4),
        TypeError,
        r"k must be float64, as what is held, got float32",
    ),
    (
        ones(5, 2, 1, 4),
        ones(5, 2, 1, 4, dtype=np.float32),
        TypeError,
        r"v must be float64, as what is held, got float32",
    ),
    (
        ones(5, 2, 1, 4, dtype=complex),
        ones(5, 2, 1, 4),
        TypeError,
        r"k must hold real numbers, got an array of complex128",
    ),
]


@pytest.mark.parametrize("k, v, error, message", BAD_APPENDS)
def test_a_failing_append_loses_nothing(k, v, error, message):
    cache, untouched = held(), held()
    with pytest.raises(error, match=message):
        cache.append(k, v)
    assert len(cache) == 3
    np.testing.assert_array_equal(cache.k, untouched.k)
    np.testing.assert_array_equal(cache.v, untouched.v)


def contents(caches):
    return [
        (
            len(cache),
            cache.nbytes,
            None if cache.k is None else (cache.k.tolist(), cache.v.tolist()),
        )
        for cache in caches
    ]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, GeneratorExit])
def test_after_an_error_every_cache_is_as_it_was(error):
    """Three that hold something, one that is empty and one that is none; some have to grow, and not
    all have been reached.
    """
    caches = [held(3), held(4), held(64), KVCache()]
    before = contents(caches)
    for reached in range(5):
        with pytest.raises(error), all_or_nothing(caches[0], None, *caches[1:]):
            for cache in caches[:reached]:
                cache.append(ones(5, 2, 2, 4), ones(5, 2, 2, 4))
            raise error
        assert contents(caches) == before, reached
    with all_or_nothing(*caches):
        for cache in caches:
            cache.append(ones(5, 2, 2, 4), ones(5, 2, 2, 4))
    assert [len(cache) for cache in caches] == [5, 6, 66, 2]


# ---- self-attention and blocks, bit by bit -------------------------------------------------------


@examples
@given(
    chunks,
    st.sampled_from([(4, 4), (4, 2), (4, 1), (1, 1)]),
    st.sampled_from([None, "half", "interleaved"]),
    st.integers(0, 99),
)
def test_self_attention_bit_by_bit(sizes, heads, layout, seed):
    n, rng = sum(sizes), np.random.default_rng(seed)
    rotary = encodings.Rotary(layout=layout) if layout else None
    layer = noisy(
        SelfAttention(
            8, heads[0], n_kv_heads=heads[1], d_head=6, rotary=rotary, use_bias=True, rng=rng
        ),
        rng,
    )
    x, bias = rng.normal(size=(2, n, 8)), rng.normal(size=(heads[0], n, n))
    mask = masks.causal(n) & (rng.random((2, 1, n, n)) < 0.8)
    output, weights = layer(x, mask=mask, bias=bias)
    cache = KVCache()
    for start, end in bits(sizes):
        past = (..., slice(start, end), slice(end))
        part, seen = layer(x[:, start:end], mask=mask[past], bias=bias[past], cache=cache)
        close(part, output[:, start:end])
        assert seen.shape == (2, heads[0], end - start, end)
        close(seen, weights[past])
        assert len(cache) == end and cache.k.shape == (2, heads[1], end, 6)


def test_without_a_mask_the_new_tokens_see_all_that_is_held():
    layer, x = (
        SelfAttention(8, 2, rng=np.random.default_rng(0)),
        np.random.default_rng(1).normal(size=(6, 8)),
    )
    cache = KVCache()
    layer(x[:4], cache=cache)
    output, weights = layer(x[4:], cache=cache)
    full_output, full_weights = layer(x)
    close(output, full_output[4:])
    close(weights, full_weights[:, 4:])


def test_positions_that_are_given_go_to_rotary_with_a_cache_too():
    layer, x = (
        SelfAttention(8, 2, rotary=encodings.Rotary(base=10)),
        np.random.default_rng(1).normal(size=(2, 5, 8)),
    )
    places = np.array([[0, 2, 3, 7, 9], [1, 1, 2, 3, 8]])
    output, weights = layer(x, mask=masks.causal(5), positions=places)
    cache = KVCache()
    layer(x[:, :3], mask=masks.causal(3), positions=places[:, :3], cache=cache)
    part, seen = layer(x[:, 3:], mask=masks.causal(2, 5), positions=places[:, 3:], cache=cache)
    close(part, output[:, 3:])
    close(seen, weights[..., 3:, :])
    steps = layer.steps(x[:, :1], cache=cache)
    np.testing.assert_array_equal(steps.positions, [5])
    assert layer.steps(x).positions is None


HUGE = np.full((2, 1, 8), 1e200)
FAILURES = [
    (
        ones(2, 1, 8),
        {"mask": np.ones((1, 3), bool)},
        ValueError,
        r"mask has the shape \(1, 3\), which does not fit.*\(2, 2, 1, 4\)",
    ),
    (ones(2, 1, 8), {"mask": np.ones((2, 4), bool)}, ValueError, r"mask has the shape \(2, 4\)"),
    (ones(2, 1, 8), {"mask": np.ones((1, 4))}, TypeError, r"mask must be boolean"),
    (ones(2, 1, 8), {"bias": np.ones((3, 1, 4))}, ValueError, r"bias has the shape \(3, 1, 4\)"),
    (ones(2, 1, 8), {"bias": np.full((1, 4), np.nan)}, ValueError, r"bias must not hold NaN"),
    (
        ones(2, 1, 8),
        {"positions": [1, 2]},
        ValueError,
        r"positions must have the shape \(2, 1\), got \(2,\)",
    ),
    (
        ones(3, 1, 8),
        {},
        ValueError,
        r"k has the shape \(3, 2, 1, 4\), which for any n must fit what is held, \(2, 2, 3, 4\)",
    ),
    (ones(2, 1, 8, dtype=np.float32) * np.nan, {}, ValueError, r"x must be finite"),
    (
        ones(2, 1, 9),
        {},
        ValueError,
        r"x must have the shape \(..., n, d_model=8\), got \(2, 1, 9\)",
    ),
    (HUGE, {}, ValueError, r"q @ k must be finite"),
]


@pytest.mark.parametrize("x, options, error, message", FAILURES)
@pytest.mark.parametrize("kind", [SelfAttention, EncoderBlock, DecoderBlock])
def test_an_error_loses_nothing(kind, x, options, error, message):
    layer, cache = (
        kind(8, 2, rotary=encodings.Rotary(), **({} if kind is SelfAttention else {"norm": None})),
        KVCache(),
    )
    layer(np.random.default_rng(0).normal(size=(2, 3, 8)), cache=cache)
    k, v = cache.k.copy(), cache.v.copy()
    with pytest.raises(error, match=message):
        layer(x, cache=cache, **options)
    assert len(cache) == 3
    np.testing.assert_array_equal(cache.k, k)
    np.testing.assert_array_equal(cache.v, v)


def test_an_error_at_the_first_token_leaves_an_empty_cache():
    for kind in (SelfAttention, EncoderBlock, DecoderBlock):
        cache = KVCache()
        with pytest.raises(ValueError, match="bias has the shape"):
            kind(8, 2)(np.ones((2, 3, 8)), bias=np.ones((5, 5)), cache=cache)
        assert len(cache) == cache.nbytes == 0 and cache.k is None and cache.v is None
        kind(8, 4)(np.ones((3, 8), np.float32), cache=cache)  # it has kept no shape and no dtype
        assert len(cache) == 3


def test_ctrl_c_loses_nothing(monkeypatch):
    layer, cache = SelfAttention(8, 2), KVCache()
    layer(np.ones((3, 8)), cache=cache)

    def interrupted(*arguments, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr("attnlib.heads.scaled_dot_product_attention", interrupted)
    with pytest.raises(KeyboardInterrupt):
        layer(np.ones((2, 8)), cache=cache)
    assert len(cache) == 3


def test_a_cache_is_a_kvcache():
    for cache in ([], {}, True, np.zeros(3)):
        for layer in (
            SelfAttention(8, 2),
            SelfAttention(8, 2, rotary=encodings.Rotary()),
            EncoderBlock(8, 2),
            DecoderBlock(8, 2),
        ):
            with pytest.raises(TypeError, match=r"cache must be a KVCache, got"):
                layer(np.ones((2, 8)), cache=cache)
        with pytest.raises(TypeError, match=r"cache must be a KVCache, got"):
            CrossAttention(8, 2)(np.ones((2, 8)), np.ones((3, 8)), cache=cache)


@examples
@given(chunks, st.sampled_from(["pre", "post", None]), st.booleans())
def test_a_decoder_block_bit_by_bit(sizes, norm, rotary):
    n, rng = sum(sizes), np.random.default_rng(5)
    block = noisy(
        DecoderBlock(
            8, 4, n_kv_heads=2, norm=norm, rotary=encodings.Rotary() if rotary else None, rng=rng
        ),
        rng,
    )
    x, mask, bias = (
        rng.normal(size=(2, n, 8)),
        rng.random((2, 4, n, n)) < 0.7,
        rng.normal(size=(n, n)),
    )
    for options in ({}, {"mask": mask, "bias": bias}):
        output, weights = block(x, **options)
        cache = KVCache()
        for start, end in bits(sizes):
            part, seen = block(
                x[:, start:end],
                cache=cache,
                **{name: a[..., start:end, :end] for name, a in options.items()},
            )
            close(part, output[:, start:end])
            close(seen, weights[..., start:end, :end])


def test_an_encoder_block_hands_its_cache_on():
    block, x, cache = EncoderBlock(8, 2), np.random.default_rng(5).normal(size=(5, 8)), KVCache()
    block(x[:3], cache=cache)
    output, weights = block(x[3:], cache=cache)
    close(output, block(x)[0][3:])
    close(weights, block(x)[1][:, 3:])


# ---- cross-attention -----------------------------------------------------------------------------


def slow_cross_attention(layer, x, context, mask, bias):
    """One text and one context, head by head, with the slow twin; mask and bias (h, n_q, n_k)."""
    q, k, v = (
        x @ layer.W_q + layer.b_q,
        context @ layer.W_k + layer.b_k,
        context @ layer.W_v + layer.b_v,
    )
    d, group = layer.W_q.shape[1] // layer.n_heads, layer.n_heads // layer.n_kv_heads
    found = []
    for i in range(layer.n_heads):
        mine, read = slice(i * d, (i + 1) * d), slice(i // group * d, (i // group + 1) * d)
        found.append(
            slow.attention(
                q[:, mine].tolist(),
                k[:, read].tolist(),
                v[:, read].tolist(),
                mask[i].tolist(),
                bias[i].tolist(),
            )
        )
    joined = np.concatenate([output for output, _ in found], axis=-1)
    return joined @ layer.W_o + layer.b_o, np.array([weights for _, weights in found])


@examples
@given(
    st.integers(1, 4),
    st.integers(1, 5),
    st.sampled_from([(4, 4), (4, 2), (3, 1)]),
    st.sampled_from([None, 5, 2]),
    st.integers(0, 99),
)
def test_cross_attention_equals_the_slow_twin(n_q, n_k, heads, d_head, seed):
    rng = np.random.default_rng(seed)
    layer = noisy(
        CrossAttention(
            12, heads[0], d_context=7, n_kv_heads=heads[1], d_head=d_head, use_bias=True, rng=rng
        ),
        rng,
    )
    x, context = rng.normal(size=(2, n_q, 12)), rng.normal(size=(2, n_k, 7))
    shape = (2, heads[0], n_q, n_k)
    mask, bias = rng.random(shape) < 0.7, rng.normal(size=shape)
    cache = KVCache()
    for options in ({}, {"cache": cache}, {"cache": cache}):
        output, weights = layer(x, None if len(cache) else context, mask=mask, bias=bias, **options)
        for i in range(2):
            slow_output, slow_weights = slow_cross_attention(
                layer, x[i], context[i], mask[i], bias[i]
            )
            close(output[i], slow_output)
            close(weights[i], slow_weights)
    assert len(cache) == n_k


def test_a_source_is_projected_once():
    layer, rng = CrossAttention(8, 2, rng=np.random.default_rng(0)), np.random.default_rng(1)
    x, context, cache = rng.normal(size=(2, 6, 8)), rng.normal(size=(2, 4, 8)), KVCache()
    output, weights = layer(x, context)
    layer.W_k.flags.writeable = False
    for i in range(6):
        part, seen = layer(x[:, i : i + 1], context if i == 0 else None, cache=cache)
        close(part, output[:, i : i + 1])
        close(seen, weights[..., i : i + 1, :])
        layer.W_k = layer.W_v = np.full((8, 8), np.nan)  # nobody reads them again
    close(layer(x, np.full((2, 9, 8), np.nan), cache=cache)[0], output)
    assert len(cache) == 4 and cache.k.shape == (2, 2, 4, 4)


def test_a_masked_context_token_does_not_leak():
    layer, rng = CrossAttention(8, 4, d_context=6, n_kv_heads=2), np.random.default_rng(2)
    x, context, mask = rng.normal(size=(5, 8)), rng.normal(size=(7, 6)), rng.random((5, 7)) < 0.6
    mask[1] = False
    before, weights = layer(x, context, mask=mask)
    assert (weights[:, ~mask] == 0).all() and (weights[:, mask] > 0).all()
    for j in range(7):
        changed = context.copy()
        changed[j] += 1
        moved = np.abs(layer(x, changed, mask=mask)[0] - before).max(axis=-1) > 1e-12
        np.testing.assert_array_equal(moved, mask[:, j])
    close(before[1], 0)


def test_one_context_for_a_batch_of_texts():
    layer, rng = CrossAttention(8, 2, d_context=6), np.random.default_rng(3)
    x, context = rng.normal(size=(3, 5, 8)), rng.normal(size=(7, 6))
    output, weights = layer(x, context)
    assert output.shape == (3, 5, 8) and weights.shape == (3, 2, 5, 7)
    close(output[1], layer(x[1], context)[0])


def test_the_order_of_the_context_does_not_matter_but_that_of_x_does():
    layer, rng = CrossAttention(8, 2), np.random.default_rng(4)
    x, context = rng.normal(size=(5, 8)), rng.normal(size=(7, 8))
    output, weights = layer(x, context)
    order = rng.permutation(7)
    close(layer(x, context[order])[0], output)
    close(layer(x, context[order])[1], weights[..., order])
    close(layer(x[::-1], context)[0], output[::-1])


def test_parameters_of_cross_attention():
    layer = CrossAttention(12, 6, d_context=7, n_kv_heads=2, d_head=5, use_bias=True)
    assert {name: a.shape for name, a in parameters(layer).items()} == {
        "W_q": (12, 30),
        "W_k": (7, 10),
        "W_v": (7, 10),
        "W_o": (30, 12),
        "b_q": (30,),
        "b_k": (10,),
        "b_v": (10,),
        "b_o": (12,),
    }
    one, two, other = (
        CrossAttention(8, 2),
        SelfAttention(8, 2),
        CrossAttention(8, 2, rng=np.random.default_rng(1)),
    )
    for name, array in parameters(one).items():  # the same numbers from the same seed
        np.testing.assert_array_equal(array, parameters(two)[name])
    assert not np.array_equal(one.W_q, other.W_q)
    assert abs(CrossAttention(10, 1, d_context=900).W_k.std() * 30 - 1) < 0.02


def test_steps_of_cross_attention():
    layer, rng = CrossAttention(8, 2, d_context=6), np.random.default_rng(5)
    x, context, bias = rng.normal(size=(5, 8)), rng.normal(size=(7, 6)), rng.normal(size=(5, 7))
    steps = layer.steps(x, context, bias=bias)
    assert steps._fields == (
        "x",
        "context",
        "options",
        "q",
        "k",
        "v",
        "weights",
        "joined",
        "output",
    )
    assert steps.x is x and steps.context is context and steps.bias is bias
    assert (
        steps.q.shape == (2, 5, 4)
        and steps.k.shape == steps.v.shape == (2, 7, 4)
        and steps.weights.shape == (2, 5, 7)
    )
    close(steps.joined @ layer.W_o, steps.output, 0)
    narrow = layer(x.astype(np.float32), context.astype(np.float32))
    assert narrow[0].dtype == narrow[1].dtype == np.float32


CROSS = CrossAttention(8, 2, d_context=6)
CROSS_ERRORS = [
    (
        lambda: CROSS(ones(5, 7), ones(3, 6)),
        r"x must have the shape \(..., n, d_model=8\), got \(5, 7\)",
    ),
    (
        lambda: CROSS(ones(5, 8), ones(3, 8)),
        r"context must have the shape \(..., n_k, d_context=6\), got \(3, 8\)",
    ),
    (
        lambda: CROSS(ones(5, 8), ones(6)),
        r"context must have the shape \(..., n_k, d_context\), got \(6,\)",
    ),
    (lambda: CROSS(ones(5, 8), ones(3, 6) * np.nan), r"context must be finite"),
    (lambda: CROSS(ones(5, 8), None), r"context must be given, unless a filled cache is"),
    (
        lambda: CROSS(ones(5, 8), None, cache=KVCache()),
        r"context must be given, unless a filled cache is",
    ),
    (lambda: CROSS(ones(2, 5, 8), ones(3, 4, 6)), r"the leading axes of q and k do not fit"),
    (
        lambda: CROSS(ones(5, 8), ones(3, 6), mask=np.ones((3, 5), bool)),
        r"mask has the shape \(3, 5\), .*\(2, 5, 3\)",
    ),
    (lambda: CrossAttention(8, 3), r"d_model=8 must be divisible by n_heads=3"),
    (lambda: CrossAttention(8, 2, d_context=0), r"d_context must be at least 1, got 0"),
    (lambda: CrossAttention(8, 4, n_kv_heads=3), r"n_heads=4 must be divisible by n_kv_heads=3"),
]


@pytest.mark.parametrize("call, message", CROSS_ERRORS)
def test_errors_of_cross_attention(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_a_failing_cross_attention_fills_no_cache():
    cache = KVCache()
    with pytest.raises(ValueError, match="mask has the shape"):
        CROSS(ones(5, 8), ones(3, 6), mask=np.ones((3, 5), bool), cache=cache)
    assert len(cache) == 0
    CROSS(ones(5, 8), ones(4, 6), cache=cache)
    assert len(cache) == 4


# ---- a whole model, bit by bit -------------------------------------------------------------------

TEXTS = np.random.default_rng(2).integers(0, 11, (3, 9))
both = pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)


@both
@pytest.mark.parametrize("sizes", [[1] * 9, [6, 1, 1, 1], [2, 5, 2], [9], [1, 8]], ids=str)
def test_a_model_bit_by_bit(options, sizes):
    model = tiny(**options)
    logits, blocks = model.logits(TEXTS), model.steps(TEXTS).blocks
    caches = model.caches()
    assert len(caches) == 2 and all(
        isinstance(cache, KVCache) and len(cache) == 0 for cache in caches
    )
    for start, end in bits(sizes):
        steps = model.steps(TEXTS[:, start:end], caches=caches)
        close(steps.logits, logits[:, start:end])
        for block, full in zip(steps.blocks, blocks):
            close(block.attention.inner.weights, full.attention.inner.weights[..., start:end, :end])
        assert [len(cache) for cache in caches] == [end, end]
    kv_heads = options.get("n_kv_heads", 4)
    # k and v, texts, heads, tokens, d_head, bytes
    assert all(cache.nbytes == 2 * 3 * kv_heads * 9 * 2 * 8 for cache in caches)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(chunks, st.sampled_from(list(OPTIONS)), st.integers(0, 99))
def test_any_bits_of_one_text(sizes, name, seed):
    options, ids = OPTIONS[name], np.random.default_rng(seed).integers(0, 11, sum(sizes))
    if (
        not isfunction(options.get("positions"))
        and options.get("positions", "learned") == "learned"
    ):
        ids, sizes = ids[:9], [end - start for start, end in bits(sizes) if end <= 9]
    model = tiny(seed=seed, **options)
    logits, caches = model.logits(ids), model.caches()
    for start, end in bits(sizes):
        trace = model.forward(ids[start:end], caches=caches)
        close(trace.output, logits[start:end])
        assert trace.weights.shape == (2, 4, end - start, end)


@both
def test_left_padding_is_as_if_it_were_not_there(options):
    """Read whole, and read in three bits: each text is what it is alone, whatever the padding
    holds.
    """
    model, lengths, rng = tiny(**options), [4, 9, 7], np.random.default_rng(8)
    places = np.arange(9) - (9 - np.array(lengths))[:, None]
    around = {"mask": (places >= 0)[:, None, None], "positions": np.maximum(places, 0)}
    for _ in range(2):
        ids = np.where(places >= 0, TEXTS, rng.integers(0, 11, TEXTS.shape))
        caches, whole = model.caches(), model.logits(ids, **around)
        parts = [
            model.logits(
                ids[:, a:b],
                mask=around["mask"][..., :b],
                positions=around["positions"][:, a:b],
                caches=caches,
            )
            for a, b in ((0, 6), (6, 8), (8, 9))
        ]
        for logits in (whole, np.concatenate(parts, axis=1)):
            for row, length, text in zip(logits, lengths, ids):
                close(row[-length:], model.logits(text[-length:]))


@both
def test_a_mask_reaches_every_layer(options):
    """The loop over the blocks by hand, as the only way there was before."""
    model, window = tiny(**options), masks.local(9, window=3)
    steps = model.steps(TEXTS, mask=window)
    for block in steps.blocks:
        assert (block.attention.inner.weights[..., ~(masks.causal(9) & window)] == 0).all()
    x = steps.blocks[0].attention.x
    for block in model.blocks:
        x = block(x, mask=window, bias=steps.bias)[0]
    close(steps.stream, x)
    assert np.abs(steps.logits - model.logits(TEXTS)).max() > 1e-3
    close(model.forward(TEXTS[0], mask=window).output, steps.logits[0])


def test_a_hidden_token_moves_nothing():
    model, changed = tiny(positions="rotary"), TEXTS.copy()
    changed[:, 3] = (TEXTS[:, 3] + 1) % 11
    mask = np.arange(9) != 3
    before, after = model.logits(TEXTS, mask=mask), model.logits(changed, mask=mask)
    np.testing.assert_array_equal(np.abs(after - before).max(axis=(0, -1)) > 1e-12, ~mask)


def test_positions_of_a_learned_table_and_of_sinusoids():
    places = np.array([[4, 5, 6], [0, 0, 8], [2, 1, 0]])
    learned, sines = tiny(), tiny(positions="sinusoidal")
    x = learned.embedding[TEXTS[:, :3]] + learned.positions.table[places]
    close(learned.steps(TEXTS[:, :3], positions=places).blocks[0].attention.x, x)
    x = sines.embedding[TEXTS[:, :3]] + encodings.sinusoidal(50, 8)[places + 40]
    close(sines.steps(TEXTS[:, :3], positions=places + 40).blocks[0].attention.x, x)
    for model in (learned, sines, tiny(positions="rotary")):
        close(model.logits(TEXTS, positions=range(9)), model.logits(TEXTS))
        close(
            model.logits(TEXTS[:, :3], positions=[2, 4, 5])[0],
            model.logits(TEXTS[0, :3], positions=[2, 4, 5]),
        )
    assert (
        np.abs(
            learned.logits(TEXTS[:, :3], positions=[2, 4, 5]) - learned.logits(TEXTS[:, :3])
        ).max()
        > 1e-3
    )


def test_rotary_positions_of_a_model():
    model = tiny(positions="rotary")
    close(model.logits(TEXTS, positions=np.arange(9) + 100), model.logits(TEXTS), 1e-10)
    assert (
        np.abs(model.logits(TEXTS, positions=2 * np.arange(9)) - model.logits(TEXTS)).max() > 1e-3
    )


def test_n_max_is_the_end_of_the_table():
    assert tiny().n_max == 9
    for positions in (None, *POSITIONS):
        ends = tiny(positions=positions).n_max is not None
        assert ends == (positions in ENDING), f"{positions!r}: ENDING of tests/test_gpt.py"


def two_caches(model, *lengths):
    caches = model.caches()
    for cache, n in zip(caches, lengths):
        cache.append(ones(4, n, 2), ones(4, n, 2))
    return caches


MODEL_ERRORS = [
    (
        "caches of another depth",
        lambda m: m.logits([1], caches=[KVCache()]),
        ValueError,
        r"caches must be a list of 2 KVCaches, one per layer.*got 1",
    ),
    (
        "one cache",
        lambda m: m.logits([1], caches=KVCache()),
        ValueError,
        r"caches must be a list of 2 KVCaches.*got KVCache",
    ),
    (
        "numbers",
        lambda m: m.logits([1], caches=[1, 2]),
        TypeError,
        r"caches must be KVCaches, got \[1, 2\]",
    ),
    (
        "None among them",
        lambda m: m.logits([1], caches=[None, None]),
        ValueError,
        r"caches must all hold the same tokens",
    ),
    (
        "out of step",
        lambda m: m.logits([1], caches=two_caches(m, 2, 3)),
        ValueError,
        r"caches must all hold the same tokens, got the lengths \[2, 3\]",
    ),
    (
        "float positions",
        lambda m: m.logits([1, 2], positions=[0.0, 1.0]),
        TypeError,
        r"positions must be whole numbers, got an array of float64",
    ),
    (
        "too few positions",
        lambda m: m.logits([1, 2], positions=[0]),
        ValueError,
        r"positions must have the shape \(2,\), got \(1,\)",
    ),
    (
        "positions of a batch",
        lambda m: m.logits([1, 2], positions=[[0, 1]]),
        ValueError,
        r"positions must have the shape \(2,\), got \(1, 2\)",
    ),
    (
        "position -1",
        lambda m: m.logits([1, 2], positions=[-1, 0]),
        ValueError,
        r"positions must be at least 0, got -1",
    ),
    (
        "position 9",
        lambda m: m.logits([1, 2], positions=[0, 9]),
        ValueError,
        r"positions must be at most 8, the last row of the learned table, got 9",
    ),
    (
        "a full table",
        lambda m: m.logits([1, 2], caches=two_caches(m, 8, 8)),
        ValueError,
        r"9 rows, the text 10 tokens",
    ),
    (
        "a mask of new tokens alone",
        lambda m: m.logits([1, 2], mask=np.ones((2, 2), bool), caches=two_caches(m, 3, 3)),
        ValueError,
        r"mask has the shape \(2, 2\), which .*\(4, 2, 5\)",
    ),
    (
        "a mask of numbers",
        lambda m: m.logits([1, 2], mask=np.ones((2, 2))),
        TypeError,
        r"mask must be boolean",
    ),
]


@pytest.mark.parametrize(
    "call, error, message",
    [case[1:] for case in MODEL_ERRORS],
    ids=[case[0] for case in MODEL_ERRORS],
)
def test_errors_of_a_model(call, error, message):
    with pytest.raises(error, match=message):
        call(tiny())


def test_no_position_may_lie_before_the_text():
    with pytest.raises(ValueError, match=r"positions must be at least 0, got -1"):
        tiny(positions="rotary").logits([1, 2], positions=[-1, 0])


def test_an_error_in_a_late_layer_loses_nothing():
    model = tiny(norm=None)
    caches, logits = model.caches(), model.logits(TEXTS)
    model.logits(TEXTS[:, :4], caches=caches)
    late = model.blocks[1].attention
    kept, late.W_q, late.W_k = (late.W_q, late.W_k), np.eye(8) * 1e200, np.eye(8) * 1e200
    with pytest.raises(ValueError, match="q @ k must be finite"):
        model.logits(TEXTS[:, 4:6], caches=caches)
    assert [len(cache) for cache in caches] == [4, 4]
    late.W_q, late.W_k = kept
    close(model.logits(TEXTS[:, 4:], caches=caches), logits[:, 4:])


@pytest.mark.parametrize("place", ["a block", "the norm", "the scores"])
def test_an_error_behind_the_last_layer_loses_nothing(place, monkeypatch):
    """All three layers have filled their caches when it comes, and none of them has failed."""
    model = GPT(11, 8, 3, 4, n_max=9, dtype=np.float64)
    caches, logits = model.caches(), model.logits(TEXTS)
    for empty in (True, False):
        before = contents(caches)

        def stop(*given, reached=4 if empty else 6):
            assert all(len(cache) == reached for cache in caches)
            raise KeyboardInterrupt

        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
            if place == "a block":
                patch.setattr(model.blocks[2].feed_forward, "steps", stop, raising=False)
            else:
                patch.setattr(
                    model, {"the norm": "final_norm", "the scores": "scores"}[place], stop
                )
            model.logits(TEXTS[:, :4] if empty else TEXTS[:, 4:6], caches=caches)
        assert contents(caches) == before
        if empty:
            model.logits(TEXTS[:, :4], caches=caches)
    close(model.logits(TEXTS[:, 4:], caches=caches), logits[:, 4:])


def test_float32_with_caches():
    for options in OPTIONS.values():
        model = tiny(np.float32, **options)
        caches = model.caches()
        logits = [model.logits(TEXTS[:, a:b], caches=caches) for a, b in ((0, 5), (5, 6), (6, 9))]
        assert (
            all(part.dtype == np.float32 for part in logits)
            and caches[0].k.dtype == caches[1].v.dtype == np.float32
        )
        close(np.concatenate(logits, axis=1), model.logits(TEXTS), 2e-5)


def test_caches_are_no_part_of_the_model():
    model = GPT(5, 4, 2, 2)
    names = list(parameters(model))
    model.logits([1, 2], caches=model.caches())
    assert list(parameters(model)) == names
