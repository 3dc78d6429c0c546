"""attention.py against slow twins, and against what must be true of any attention."""

import inspect
from typing import NamedTuple

import numpy as np
import pytest
import slow
from hypothesis import given, settings
from hypothesis import strategies as st

from attnlib import (
    SelfAttention,
    attention_scores,
    encodings,
    masks,
    merge_heads,
    scaled_dot_product_attention,
    softmax,
    split_heads,
)

pytestmark = pytest.mark.filterwarnings("error")
examples = settings(max_examples=60, deadline=None, derandomize=True)

# For float16 these are the rounding of the result alone: a computation in float16 would be further
# off.
TOLERANCE = {np.float16: 5e-4, np.float32: 1e-5, np.float64: 1e-12, np.int64: 1e-12, np.int8: 1e-12}


@pytest.fixture(autouse=True)
def no_overflow_no_nan():
    with np.errstate(over="raise", divide="raise", invalid="raise"):
        yield


def close(a, b, atol=1e-11):
    np.testing.assert_allclose(np.asarray(a, float), np.asarray(b, float), rtol=0, atol=atol)


def random_qkv(seed, *shape, d_v=None):
    rng = np.random.default_rng(seed)
    q, k, v = rng.normal(size=(3, *shape))
    return q, k, v if d_v is None else rng.normal(size=(*shape[:-1], d_v))


# ---- random problems and their slow answer -------------------------------------------------------


class Problem(NamedTuple):
    q: np.ndarray
    k: np.ndarray
    v: np.ndarray
    options: dict
    dtype: type


@st.composite
def problems(draw, dtypes=(np.float16, np.float32, np.float64, np.int64, np.int8), sinks=False):
    """Any leading axes, with or without heads, grouped or not, n_q and n_k apart, and any mix of
    options.
    """
    n_q, n_k, d, d_v = (draw(st.integers(1, 5)) for _ in range(4))
    lead = tuple(draw(st.lists(st.integers(1, 3), max_size=2)))
    h_kv, group = draw(st.sampled_from([(1, 1), (1, 3), (2, 1), (2, 2), (3, 2)]))
    heads = sinks or bool(lead) or draw(st.booleans())
    h, kv = ((h_kv * group,), (h_kv,)) if heads else ((), ())
    dtype = draw(st.sampled_from(dtypes))
    rng = np.random.default_rng(draw(st.integers(0, 10**6)))

    def numbers(*shape):
        return (
            rng.integers(-3, 4, shape).astype(dtype)
            if np.issubdtype(dtype, np.integer)
            else rng.normal(size=shape).astype(dtype)
        )

    full = (*lead, *h, n_q, n_k)
    smaller = st.sampled_from(
        [full, (n_q, n_k), (1, n_k), (n_q, 1), (*h, n_q, n_k), (*lead, *(1 for _ in h), n_q, n_k)]
    )
    options = {}
    if draw(st.booleans()):
        options["mask"] = rng.random(draw(smaller)) < draw(st.sampled_from([0, 0.3, 0.7, 1]))
    if draw(st.booleans()):
        options["bias"] = rng.normal(size=draw(smaller))
    if draw(st.booleans()):
        options["scale"] = draw(st.sampled_from([0.1, 1, 2.5]))
    if draw(st.booleans()):
        options["softcap"] = draw(st.sampled_from([0.5, 2, 30]))
    if sinks:
        options["sinks"] = rng.normal(size=h)
    return Problem(
        numbers(*lead, *h, n_q, d),
        numbers(*lead, *kv, n_k, d),
        numbers(*lead, *kv, n_k, d_v),
        options,
        dtype,
    )


def slow_answer(problem):
    """Output, weights and scores of the whole problem: the slow twin once for every sentence and
    head.
    """
    q, k, v, options, _ = problem
    output, weights = np.zeros((*q.shape[:-1], v.shape[-1])), np.zeros((*q.shape[:-1], k.shape[-2]))
    scores = np.zeros(weights.shape)
    stretched = {
        name: np.broadcast_to(options[name], weights.shape)
        for name in ("mask", "bias")
        if name in options
    }
    group = q.shape[-3] // k.shape[-3] if q.ndim > 2 else 1
    for where in np.ndindex(q.shape[:-2]):
        source = (*where[:-1], where[-1] // group) if where else ()
        one = {name: array[where] for name, array in stretched.items()}
        one |= {name: options[name] for name in ("scale", "softcap") if name in options}
        sink = options["sinks"][where[-1]] if "sinks" in options else None
        output[where], weights[where] = slow.attention(
            q[where], k[source], v[source], **one, sink=sink
        )
        scores[where] = slow.scores(q[where], k[source], **one)
    return output, weights, scores


@examples
@given(problems())
def test_equals_the_slow_twin(problem):
    output, weights = scaled_dot_product_attention(
        problem.q, problem.k, problem.v, **problem.options
    )
    slow_output, slow_weights, _ = slow_answer(problem)
    close(weights, slow_weights, TOLERANCE[problem.dtype])
    close(output, slow_output, 4 * TOLERANCE[problem.dtype])


@examples
@given(problems())
def test_scores_equal_the_slow_twin(problem):
    scores = attention_scores(problem.q, problem.k, **problem.options)
    twin = slow_answer(problem)[2]
    np.testing.assert_array_equal(scores == -np.inf, twin == -np.inf)
    close(scores[twin > -np.inf], twin[twin > -np.inf], 10 * TOLERANCE[problem.dtype])


@examples
@given(problems(sinks=True))
def test_sinks_equal_the_slow_twin(problem):
    output, weights = scaled_dot_product_attention(
        problem.q, problem.k, problem.v, **problem.options
    )
    slow_output, slow_weights, _ = slow_answer(problem)
    assert weights.shape == slow_weights.shape
    close(weights, slow_weights, TOLERANCE[problem.dtype])
    close(output, slow_output, 4 * TOLERANCE[problem.dtype])
    if problem.dtype is np.float64:  # in the smaller types a tiny sink is lost in the rounding
        assert (weights.sum(axis=-1) < 1).all()


@examples
@given(problems())
def test_rows_sum_to_one_or_are_empty(problem):
    output, weights = scaled_dot_product_attention(
        problem.q, problem.k, problem.v, **problem.options
    )
    mask = np.broadcast_to(problem.options.get("mask", True), weights.shape)
    assert (weights >= 0).all() and (weights[~mask] == 0).all()
    close(weights.sum(axis=-1, dtype=float), mask.any(axis=-1), 5 * TOLERANCE[problem.dtype])
    assert (output[~mask.any(axis=-1)] == 0).all()


@examples
@given(problems())
def test_inputs_stay_as_they_were(problem):
    arrays = [
        problem.q,
        problem.k,
        problem.v,
        *(a for a in problem.options.values() if isinstance(a, np.ndarray)),
    ]
    before = [a.copy() for a in arrays]
    output, weights = scaled_dot_product_attention(
        problem.q, problem.k, problem.v, **problem.options
    )
    attention_scores(problem.q, problem.k, **problem.options)
    for array, copy in zip(arrays, before):
        np.testing.assert_array_equal(array, copy)
        assert not np.shares_memory(array, output) and not np.shares_memory(array, weights)


@examples
@given(problems(dtypes=[np.float64]), st.randoms(use_true_random=False))
def test_shuffled_tokens_give_shuffled_outputs(problem, random):
    """Shuffle the queries, and the keys with their values: the weights follow on both axes, the
    outputs on one.
    """
    options = dict(problem.options)
    n_q, n_k = problem.q.shape[-2], problem.k.shape[-2]
    rows, columns = random.sample(range(n_q), n_q), random.sample(range(n_k), n_k)
    shape = (*problem.q.shape[:-1], n_k)
    shuffled = {
        name: np.broadcast_to(options[name], shape)[..., rows, :][..., columns]
        for name in ("mask", "bias")
        if name in options
    }
    output, weights = scaled_dot_product_attention(problem.q, problem.k, problem.v, **options)
    q, k, v = problem.q[..., rows, :], problem.k[..., columns, :], problem.v[..., columns, :]
    new_output, new_weights = scaled_dot_product_attention(q, k, v, **options | shuffled)
    close(new_output, output[..., rows, :])
    close(new_weights, weights[..., rows, :][..., columns])


@examples
@given(problems(dtypes=[np.float64]), st.floats(-50, 50))
def test_a_shift_of_all_scores_changes_nothing(problem, shift):
    output, weights = scaled_dot_product_attention(
        problem.q, problem.k, problem.v, **problem.options
    )
    shifted = {"bias": problem.options.get("bias", 0) + np.full((1, 1), shift)}
    new_output, new_weights = scaled_dot_product_attention(
        problem.q, problem.k, problem.v, **problem.options | shifted
    )
    close(new_weights, weights)
    close(new_output, output, 1e-10)


@examples
@given(problems(dtypes=[np.float64]))
def test_a_batch_is_a_loop_over_its_sentences(problem):
    output, weights = scaled_dot_product_attention(
        problem.q, problem.k, problem.v, **problem.options
    )
    stretched = {
        name: np.broadcast_to(problem.options[name], weights.shape)
        for name in ("mask", "bias")
        if name in problem.options
    }
    for where in np.ndindex(problem.q.shape[:-3]):
        one = problem.options | {name: array[where] for name, array in stretched.items()}
        alone = scaled_dot_product_attention(
            problem.q[where], problem.k[where], problem.v[where], **one
        )
        close(output[where], alone[0])
        close(weights[where], alone[1])


# ---- softmax -------------------------------------------------------------------------------------


def test_softmax_known_numbers():
    close(softmax(np.log([1, 2, 3])), [1 / 6, 2 / 6, 3 / 6], 1e-15)
    close(softmax([0, 0, 0, 0]), [0.25] * 4, 0)


@examples
@given(
    st.lists(st.floats(-60, 60) | st.just(-np.inf), min_size=1, max_size=6), st.floats(-100, 100)
)
def test_softmax_rows(row, shift):
    shares = softmax(row)
    close(shares, slow.softmax(row), 1e-14)
    close(softmax(np.array(row) + shift), shares, 1e-12)
    close(shares.sum(), 0 if max(row) == -np.inf else 1, 1e-14)


@pytest.mark.parametrize("axis", [0, 1, 2, -1, -2, -3])
def test_softmax_axis(axis):
    x = np.random.default_rng(0).normal(size=(2, 3, 4))
    close(np.moveaxis(softmax(x, axis), axis, -1), softmax(np.moveaxis(x, axis, -1)), 1e-15)
    close(softmax(x, axis).sum(axis), np.ones_like(x.sum(axis)), 1e-14)


def test_softmax_default_axis_is_the_last():
    assert inspect.signature(softmax).parameters["axis"].default == -1
    close(softmax([[0, 0], [5, 5], [9, 9]]), np.full((3, 2), 0.5), 0)


def test_softmax_where():
    where = np.array([[True, False, True], [False, False, False]])
    x = np.array([[1, np.nan, 1], [np.inf, 2, 3]])
    np.testing.assert_array_equal(softmax(x, where=where), [[0.5, 0, 0.5], [0, 0, 0]])
    np.testing.assert_array_equal(
        softmax([[1, 5], [1, 1]], axis=0, where=[[True, True], [True, False]]), [[0.5, 1], [0.5, 0]]
    )
    np.testing.assert_array_equal(softmax([7, 7, 7], where=np.array([True])), softmax([7, 7, 7]))


def test_softmax_of_big_numbers():
    np.testing.assert_array_equal(softmax([1e4, 1e4, -1e4]), [0.5, 0.5, 0])
    np.testing.assert_array_equal(softmax([1e308, -1e307]), [1, 0])
    np.testing.assert_array_equal(softmax(np.float16([6e4, 6e4, -6e4])), np.float16([0.5, 0.5, 0]))


def test_softmax_of_the_extremes_does_not_warn():
    np.testing.assert_array_equal(softmax(np.float32([3e38, -3e38])), [1, 0])


def test_softmax_of_nothing_but_minus_infinity_is_zero():
    np.testing.assert_array_equal(softmax([[-np.inf, -np.inf], [0, -np.inf]]), [[0, 0], [1, 0]])


def test_softmax_of_no_numbers_is_no_numbers():
    assert softmax(np.zeros((2, 0))).shape == (2, 0)
    assert softmax(np.zeros((0, 3))).shape == (0, 3)


@pytest.mark.parametrize(
    "given, returned",
    [("f2", "f2"), ("f4", "f4"), ("f8", "f8"), ("i4", "f8"), ("u1", "f8"), ("?", "f8")],
)
def test_softmax_dtype(given, returned):
    x = np.array([[0, 1, 1]]).astype(given)
    for where in (None, np.array([True, True, False])):
        assert softmax(x, where=where).dtype == np.dtype(returned)


def test_softmax_computes_float16_in_float32():
    """So only the result is rounded."""
    x = np.random.default_rng(0).normal(0, 3, (20, 30)).astype(np.float16)
    np.testing.assert_array_equal(softmax(x), softmax(x.astype(np.float32)).astype(np.float16))


def test_softmax_leaves_its_input_alone():
    x = np.random.default_rng(0).normal(size=(3, 4))
    before = x.copy()
    softmax(x)
    softmax(x, where=x > 0)
    np.testing.assert_array_equal(x, before)


# ---- scores and weights --------------------------------------------------------------------------


def test_scale_is_one_over_the_root_of_the_head_width():
    q, k, v = random_qkv(0, 2, 3, 16)
    close(attention_scores(q, k), q @ k.swapaxes(-1, -2) / 4)
    close(attention_scores(q, k, scale=1), q @ k.swapaxes(-1, -2))
    close(
        scaled_dot_product_attention(q, k, v)[1],
        scaled_dot_product_attention(q, k, v, scale=0.25)[1],
    )


def test_order_of_the_steps():
    """q·k · scale, then softcap, then + bias, then the mask."""
    scores = attention_scores(
        [[3.0]], [[4.0], [4.0]], scale=0.5, softcap=2, bias=[[10.0, 0.0]], mask=[[True, False]]
    )
    close(scores[0, 0], 2 * np.tanh(6 / 2) + 10)
    assert scores[0, 1] == -np.inf


def test_softcap_bounds_the_scores():
    q, k, _ = random_qkv(1, 5, 4)
    assert np.abs(attention_scores(100 * q, k, softcap=3)).max() <= 3
    close(attention_scores(q, k, softcap=1e6), attention_scores(q, k), 1e-9)


def test_mask_comes_before_the_softmax():
    """The allowed keys share all of the weight, as if the others were not there."""
    q, k, v = random_qkv(2, 4, 6)
    mask = np.array([True, True, False, True])
    output, weights = scaled_dot_product_attention(q, k, v, mask=mask[None])
    alone_output, alone_weights = scaled_dot_product_attention(q, k[mask], v[mask])
    close(weights[:, mask], alone_weights)
    close(output, alone_output)
    assert (weights[:, 2] == 0).all()


def test_minus_infinity_in_the_bias_is_a_mask():
    q, k, v = random_qkv(3, 4, 6)
    mask = masks.causal(4)
    by_bias = scaled_dot_product_attention(q, k, v, bias=np.where(mask, 0, -np.inf))
    for a, b in zip(by_bias, scaled_dot_product_attention(q, k, v, mask=mask)):
        np.testing.assert_array_equal(a, b)


def test_an_empty_row_is_all_zeros():
    q, k, v = random_qkv(4, 3, 2)
    mask = np.array([[True, False, True], [False, False, False], [True, True, True]])
    for bias in (None, np.full((3, 3), -np.inf)):
        output, weights = scaled_dot_product_attention(q, k, v, mask=mask, bias=bias)
        assert (weights[1] == 0).all() and (output[1] == 0).all()
    output, weights = scaled_dot_product_attention(q, k, v, mask=np.zeros((1, 1), bool))
    assert not weights.any() and not output.any()


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_scores_of_ten_thousand_do_not_overflow(dtype):
    q = np.array([[100], [-100]], dtype)
    output, weights = scaled_dot_product_attention(q, q, q, scale=1)
    assert attention_scores(q, q, scale=1).max() == 1e4
    np.testing.assert_array_equal(weights, np.eye(2))
    np.testing.assert_array_equal(output, q)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_dtype_in_is_dtype_out(dtype):
    q, k, v = (a.astype(dtype) for a in random_qkv(5, 2, 3, 4))
    options = {
        "scale": np.float64(0.3),
        "softcap": np.float64(5),
        "bias": np.zeros((3, 3)),
        "mask": np.ones((3, 3), bool),
    }
    for chosen in ({}, options, options | {"sinks": np.zeros(2)}):
        output, weights = scaled_dot_product_attention(q, k, v, **chosen)
        assert output.dtype == weights.dtype == dtype
    assert attention_scores(q, k, **options).dtype == np.result_type(dtype, np.float32)


def test_float16_is_computed_in_float32():
    """A score of 300·300·4/2 = 180,000 does not fit into float16."""
    q = np.full((2, 4), 300, np.float16)
    output, weights = scaled_dot_product_attention(q, q, q)
    np.testing.assert_array_equal(weights, np.full((2, 2), 0.5, np.float16))
    np.testing.assert_array_equal(output, q)
    assert attention_scores(q, q).dtype == np.float32


def test_whole_numbers_are_computed_in_float64():
    output, weights = scaled_dot_product_attention([[1, 2]], [[1, 2], [3, 4]], [[1], [2]])
    assert output.dtype == weights.dtype == np.float64


def test_one_token_looks_at_itself():
    output, weights = scaled_dot_product_attention([[3.0]], [[2.0]], [[7.0, 8.0]])
    np.testing.assert_array_equal(weights, [[1]])
    np.testing.assert_array_equal(output, [[7, 8]])


def test_shapes_of_a_rectangle():
    q, k, v = np.zeros((2, 4, 3, 5)), np.zeros((2, 2, 7, 5)), np.zeros((2, 2, 7, 6))
    output, weights = scaled_dot_product_attention(q, k, v)
    assert output.shape == (2, 4, 3, 6) and weights.shape == (2, 4, 3, 7)
    close(weights, np.full((2, 4, 3, 7), 1 / 7))


def test_one_query_for_many_heads_of_keys():
    q, k, v = random_qkv(6, 3, 4, 5)
    output, weights = scaled_dot_product_attention(q[0], k, v)
    for h in range(3):
        alone_output, alone_weights = scaled_dot_product_attention(q[0], k[h], v[h])
        close(output[h], alone_output)
        close(weights[h], alone_weights)


# ---- grouped heads and sinks ---------------------------------------------------------------------


def test_grouped_heads_repeat_and_do_not_tile():
    q, k, v = random_qkv(7, 6, 3, 4)
    k, v = k[:2], v[:2]
    output, weights = scaled_dot_product_attention(q, k, v)
    repeated = scaled_dot_product_attention(q, k[[0, 0, 0, 1, 1, 1]], v[[0, 0, 0, 1, 1, 1]])
    tiled = scaled_dot_product_attention(q, k[[0, 1, 0, 1, 0, 1]], v[[0, 1, 0, 1, 0, 1]])
    close(output, repeated[0])
    close(weights, repeated[1])
    assert np.abs(weights - tiled[1]).max() > 0.01 and np.abs(output - tiled[0]).max() > 0.01


def test_one_key_head_serves_all_query_heads():
    q, k, v = random_qkv(8, 2, 4, 3, 5)
    output, _ = scaled_dot_product_attention(q, k[:, :1], v[:, :1])
    close(output, scaled_dot_product_attention(q, k[:, [0, 0, 0, 0]], v[:, [0, 0, 0, 0]])[0])


def test_a_sink_takes_its_share_and_brings_nothing():
    q, k, v = random_qkv(9, 2, 3, 4)
    _, plain = scaled_dot_product_attention(q, k, v)
    output, weights = scaled_dot_product_attention(q, k, v, sinks=[0.0, 2.0])
    close(weights / weights.sum(-1, keepdims=True), plain)
    close(output, weights @ v)
    total = np.exp(attention_scores(q, k)).sum(-1)
    close(weights.sum(-1), total / (total + np.exp([[0.0], [2.0]])))


def test_a_sink_far_below_changes_nothing_and_far_above_takes_all():
    q, k, v = random_qkv(10, 1, 3, 4)
    close(
        scaled_dot_product_attention(q, k, v, sinks=[-1000.0])[1],
        scaled_dot_product_attention(q, k, v)[1],
    )
    assert not scaled_dot_product_attention(q, k, v, sinks=[1000.0])[1].any()


def test_an_empty_row_with_a_sink_is_all_zeros():
    q, k, v = random_qkv(11, 1, 3, 4)
    output, weights = scaled_dot_product_attention(
        q, k, v, mask=np.zeros((3, 3), bool), sinks=[0.5]
    )
    assert not weights.any() and not output.any()


# ---- who can influence whom ----------------------------------------------------------------------

N = 7
PATTERNS = {
    "full": masks.full(N),
    "causal": masks.causal(N),
    "local": masks.local(N, window=2),
    "dilated": masks.dilated(N, window=2, dilation=3),
    "strided": masks.strided(N, stride=3),
    "prefix": masks.prefix(N, n_prefix=3),
    "padding": np.broadcast_to(masks.padding(4, N), (N, N)),
    "documents": masks.documents([0, 0, 1, 1, 1, 0, 2]),
    "global_tokens": masks.global_tokens(N, n_global=2),
    "random_keys": masks.random_keys(N, n_random=3),
    "global_local": masks.global_local(N, window=2, n_global=1),
    "causal and local": masks.causal(N) & masks.local(N, window=3),
    "causal, 3 queries": masks.causal(3, N),
    "local, 3 queries": masks.local(3, N, window=2),
    "causal, 9 queries": masks.causal(9, N),
    "random, 4 queries": masks.random_keys(4, N, n_random=2),
}
SQUARE = {name: mask for name, mask in PATTERNS.items() if mask.shape == (N, N)}


def moved_by(mask):
    """Entry (i, j): did output i move at all when key and value j were pushed, the queries being
    fixed?
    """
    n_q, n_k = mask.shape
    rng = np.random.default_rng(12)
    q, k, v = rng.normal(size=(n_q, 4)), rng.normal(size=(n_k, 4)), rng.normal(size=(n_k, 3))
    before, _ = scaled_dot_product_attention(q, k, v, mask=mask)
    moved = np.zeros((n_q, n_k), bool)
    for j in range(n_k):
        k_pushed, v_pushed = k.copy(), v.copy()
        k_pushed[j] += 1
        v_pushed[j] -= 1
        after, _ = scaled_dot_product_attention(q, k_pushed, v_pushed, mask=mask)
        for i in range(n_q):
            moved[i, j] = any(a != b for a, b in zip(before[i], after[i]))
    return moved


@pytest.mark.parametrize("mask", PATTERNS.values(), ids=PATTERNS)
def test_no_leak(mask):
    """Push token j: output i moves if and only if i may look at j."""
    np.testing.assert_array_equal(moved_by(mask), mask)


@pytest.mark.parametrize("mask", SQUARE.values(), ids=SQUARE)
def test_influence_measures_the_same(mask):
    x = np.random.default_rng(13).normal(size=(N, 4))
    change = masks.influence(
        lambda tokens: scaled_dot_product_attention(x, tokens, tokens, mask=mask), x
    )
    np.testing.assert_array_equal(change > 0, moved_by(mask))
    np.testing.assert_array_equal(change > 0, mask)


@pytest.mark.parametrize("mask", SQUARE.values(), ids=SQUARE)
def test_influence_on_self_attention(mask):
    """A token is its own query too: so only the pairs of different tokens tell about the mask."""
    attention = SelfAttention(6, 2)
    x = np.random.default_rng(14).normal(size=(N, 6))
    change = masks.influence(lambda tokens: attention(tokens, mask=mask), x)
    apart = ~np.eye(N, dtype=bool)
    np.testing.assert_array_equal((change > 0)[apart], mask[apart])


def test_influence_is_the_largest_change():
    x = np.random.default_rng(15).normal(size=(4, 3))
    before = x.copy()
    mix = np.array([[1, 0, 0, 0], [2, 0, 0, 0], [0, -3, 1, 0], [0, 0, 0.5, 1]])
    expected = np.abs(mix)
    close(masks.influence(lambda tokens: mix @ tokens, x), expected, 1e-12)
    close(masks.influence(lambda tokens: (mix @ tokens, None), x, size=0.5), expected / 2, 1e-12)
    close(masks.influence(lambda tokens: mix @ tokens * [1, 5, 1], x), 5 * expected, 1e-12)
    np.testing.assert_array_equal(x, before)


# ---- splitting and merging heads -----------------------------------------------------------------


def test_split_heads_gives_each_head_its_columns():
    x = np.arange(2 * 3 * 8).reshape(2, 3, 8)
    heads = split_heads(x, 4)
    assert heads.shape == (2, 4, 3, 2)
    for h in range(4):
        np.testing.assert_array_equal(heads[:, h], x[:, :, 2 * h : 2 * h + 2])


def test_merge_heads_puts_them_side_by_side():
    heads = np.arange(2 * 4 * 3 * 2).reshape(2, 4, 3, 2)
    merged = merge_heads(heads)
    assert merged.shape == (2, 3, 8)
    np.testing.assert_array_equal(merged, np.concatenate([heads[:, h] for h in range(4)], axis=-1))


@examples
@given(
    st.lists(st.integers(1, 3), max_size=2), st.integers(1, 4), st.integers(1, 4), st.integers(1, 3)
)
def test_merge_undoes_split(lead, n, h, d_head):
    x = np.random.default_rng(0).normal(size=(*lead, n, h * d_head))
    np.testing.assert_array_equal(merge_heads(split_heads(x, h)), x)
    heads = np.random.default_rng(1).normal(size=(*lead, h, n, d_head))
    np.testing.assert_array_equal(split_heads(merge_heads(heads), h), heads)


# ---- SelfAttention -------------------------------------------------------------------------------


def by_hand(attention, x, d_head, mask=None, bias=None):
    """One sentence through the layer, head after head with the slow twin."""
    n, h = len(x), attention.n_heads
    q, k, v = (
        x @ W + b
        for W, b in [
            (attention.W_q, attention.b_q),
            (attention.W_k, attention.b_k),
            (attention.W_v, attention.b_v),
        ]
    )
    mask = None if mask is None else np.broadcast_to(mask, (h, n, n))
    bias = None if bias is None else np.broadcast_to(bias, (h, n, n))
    outputs, weights = [], []
    for head in range(h):
        source = head // (h // attention.n_kv_heads)
        mine, theirs = (
            slice(head * d_head, (head + 1) * d_head),
            slice(source * d_head, (source + 1) * d_head),
        )
        one = {
            "mask": None if mask is None else mask[head],
            "bias": None if bias is None else bias[head],
        }
        mixed, looks = slow.attention(q[:, mine], k[:, theirs], v[:, theirs], **one)
        outputs.append(mixed)
        weights.append(looks)
    return np.concatenate(outputs, axis=-1) @ attention.W_o + attention.b_o, np.array(weights)


SIZES = [(1, None, None), (2, None, None), (4, 2, None), (4, 1, None), (3, 3, 5), (6, 2, 3)]


@pytest.mark.parametrize("use_bias", [False, True])
@pytest.mark.parametrize("n_heads, n_kv_heads, d_head", SIZES)
def test_self_attention_equals_the_hand_composition(n_heads, n_kv_heads, d_head, use_bias):
    rng = np.random.default_rng(16)
    attention = SelfAttention(
        8, n_heads, n_kv_heads=n_kv_heads, d_head=d_head, use_bias=use_bias, rng=rng
    )
    width, kv = d_head or 8 // n_heads, n_kv_heads or n_heads
    shapes = {"q": n_heads * width, "k": kv * width, "v": kv * width, "o": 8}
    if use_bias:
        for name, size in shapes.items():
            assert (
                getattr(attention, f"b_{name}").shape == (size,)
                and not getattr(attention, f"b_{name}").any()
            )
            setattr(attention, f"b_{name}", rng.normal(size=size))
    x, bias = rng.normal(size=(5, 8)), rng.normal(size=(n_heads, 5, 5))
    for options in (
        {},
        {"mask": masks.causal(5)},
        {"mask": masks.local(5, window=2), "bias": bias},
    ):
        output, weights = attention(x, **options)
        expected_output, expected_weights = by_hand(attention, x, width, **options)
        assert output.shape == (5, 8) and weights.shape == (n_heads, 5, 5)
        close(weights, expected_weights)
        close(output, expected_output)


def test_self_attention_parameter_shapes():
    attention = SelfAttention(12, 6, n_kv_heads=2, d_head=5)
    shapes = [W.shape for W in (attention.W_q, attention.W_k, attention.W_v, attention.W_o)]
    assert shapes == [(12, 30), (12, 10), (12, 10), (30, 12)]
    attention = SelfAttention(12, 3)
    assert [W.shape for W in (attention.W_q, attention.W_k, attention.W_v, attention.W_o)] == [
        (12, 12)
    ] * 4
    assert attention.n_heads == attention.n_kv_heads == 3


def test_self_attention_weights_come_from_the_generator():
    first, second, other = (
        SelfAttention(8, 2),
        SelfAttention(8, 2),
        SelfAttention(8, 2, rng=np.random.default_rng(1)),
    )
    for name in ("W_q", "W_k", "W_v", "W_o"):
        np.testing.assert_array_equal(getattr(first, name), getattr(second, name))
        assert (getattr(first, name) != getattr(other, name)).all()
    assert (first.W_q != first.W_k).all() and (first.W_k != first.W_v).all()


def test_untrained_weights_keep_the_size_of_the_numbers():
    attention = SelfAttention(400, 4, d_head=25)
    for W in (attention.W_q, attention.W_k, attention.W_v, attention.W_o):
        assert 0.95 < W.std() * len(W) ** 0.5 < 1.05


def test_self_attention_batch_is_a_loop():
    attention = SelfAttention(8, 4, n_kv_heads=2)
    x = np.random.default_rng(17).normal(size=(2, 3, 5, 8))
    lengths = np.array([3, 5, 1])
    output, weights = attention(x, mask=masks.padding(lengths, 5))
    assert weights.shape == (2, 3, 4, 5, 5)
    for i in range(2):
        for j in range(3):
            alone_output, alone_weights = attention(x[i, j], mask=masks.padding(int(lengths[j]), 5))
            close(output[i, j], alone_output)
            close(weights[i, j], alone_weights)


def test_self_attention_is_permutation_equivariant():
    attention = SelfAttention(8, 2)
    x, order = np.random.default_rng(18).normal(size=(6, 8)), [3, 0, 5, 1, 4, 2]
    output, weights = attention(x)
    new_output, new_weights = attention(x[order])
    close(new_output, output[order])
    close(new_weights, weights[:, order][:, :, order])


def test_self_attention_leaves_its_input_alone():
    attention, x = SelfAttention(8, 2, use_bias=True), np.random.default_rng(19).normal(size=(4, 8))
    before, W = x.copy(), attention.W_q.copy()
    attention(x, mask=masks.causal(4))
    np.testing.assert_array_equal(x, before)
    np.testing.assert_array_equal(attention.W_q, W)


def test_self_attention_dtype_in_is_dtype_out():
    output, weights = SelfAttention(8, 2)(np.ones((3, 8), np.float32))
    assert output.dtype == weights.dtype == np.float32


@pytest.mark.parametrize(
    "n_heads, n_kv_heads, layout", [(1, 1, "half"), (4, 2, "interleaved"), (4, 1, "half")]
)
def test_self_attention_turns_queries_and_keys_but_not_values(n_heads, n_kv_heads, layout):
    rng = np.random.default_rng(0)
    rotary = encodings.Rotary(
        base=50,
        layout=layout,
        scaling={"type": "yarn", "factor": 4, "original_max_position_embeddings": 8},
    )
    layer = SelfAttention(
        8, n_heads, n_kv_heads=n_kv_heads, d_head=6, rotary=rotary, use_bias=True, rng=rng
    )
    layer.b_q, layer.b_k = rng.normal(size=layer.b_q.shape), rng.normal(size=layer.b_k.shape)
    x, positions, bias = (
        rng.normal(size=(2, 5, 8)),
        np.array([[0, 1, 2, 3, 4], [9, 9, 0, 4, -3]]),
        rng.normal(size=(n_heads, 5, 5)),
    )
    q, k, v = (
        split_heads(x @ W + b, h)
        for W, b, h in (
            (layer.W_q, layer.b_q, n_heads),
            (layer.W_k, layer.b_k, n_kv_heads),
            (layer.W_v, layer.b_v, n_kv_heads),
        )
    )
    for where in (None, np.array([3, 1, 4, 1, 5]), positions):
        options = {"mask": masks.causal(5), "bias": bias}
        mixed, weights = scaled_dot_product_attention(
            rotary(q, where), rotary(k, where), v, **options
        )
        output, found = layer(x, positions=where, **options)
        np.testing.assert_allclose(found, weights, rtol=0, atol=1e-12)
        np.testing.assert_allclose(
            output, merge_heads(mixed) @ layer.W_o + layer.b_o, rtol=0, atol=1e-12
        )
        steps = layer.steps(x, positions=where, **options)
        assert steps.positions is where
        np.testing.assert_array_equal(steps.q, rotary(q, where))


def test_a_rotary_layer_sees_the_order_and_not_the_place():
    layer = SelfAttention(8, 2, rotary=encodings.Rotary(), rng=np.random.default_rng(0))
    x = np.random.default_rng(1).normal(size=(5, 8))
    output, _ = layer(x)
    np.testing.assert_allclose(layer(x, positions=np.arange(40, 45))[0], output, rtol=0, atol=1e-12)
    assert np.abs(layer(x[::-1])[0] - output[::-1]).max() > 1e-3
    np.testing.assert_allclose(
        layer(x[::-1], positions=np.arange(5)[::-1])[0], output[::-1], rtol=0, atol=1e-12
    )
    assert layer(x.astype(np.float32))[0].dtype == np.float32


# ---- extremes ------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype, big", [(np.float32, 1e18), (np.float64, 1e150)])
def test_a_product_that_overflows_is_refused_wherever_it_does(dtype, big):
    """In q · scale, in q · k, or in both: by name, and without a warning of NumPy's."""
    ones, large = np.ones((2, 2), dtype), np.full((2, 2), big, dtype)
    with np.errstate(all="raise", under="ignore"):
        for q, k, scale in [
            (large, large, None),
            (large, large * dtype(big), 1),
            (large, ones, 1e300),
            (large, dtype(1) / large, 1e300),
            (ones, ones, 1e300),
            (0 * ones, ones, 1e300),
        ]:
            try:
                scores = attention_scores(q, k, scale=scale)
            except ValueError as error:
                assert str(error).startswith("q @ k must be finite")
            else:
                assert np.isfinite(scores).all()
    with pytest.raises(ValueError, match=r"^q @ k must be finite"):
        attention_scores(large, large * dtype(big), scale=big)


def test_a_scale_may_be_as_large_as_the_product_allows():
    scores = attention_scores(np.ones((2, 2)), np.full((2, 2), 1e-200), scale=1e200)
    np.testing.assert_allclose(scores, 2, rtol=1e-12)


@pytest.mark.parametrize("layout", ["C", "F", "view", "broadcast", "read-only"])
@pytest.mark.parametrize("name", ["q", "k", "v"])
def test_what_is_not_finite_is_found_however_it_lies_in_memory(layout, name):
    rng = np.random.default_rng(0)
    arrays = {one: rng.normal(size=(3, 4, 6)) for one in "qkv"}
    bad = arrays[name]
    bad[1, 2, 3] = np.nan
    if layout == "F":
        bad = np.asfortranarray(bad)
    elif layout == "view":
        bad = np.repeat(bad, 2, axis=1)[:, ::2]
    elif layout == "broadcast":
        bad = np.broadcast_to(bad[1], (3, 4, 6))
    elif layout == "read-only":
        bad.flags.writeable = False
    arrays[name] = bad
    with pytest.raises(ValueError, match=rf"^{name} must be finite, but {name}\["):
        scaled_dot_product_attention(*arrays.values())
