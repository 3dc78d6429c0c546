"""masks.py: every cell of every mask against its slow twin; what the course says about masks."""

import numpy as np
import pytest
import slow
from hypothesis import given, settings
from hypothesis import strategies as st

from attnlib import masks, scaled_dot_product_attention
from attnlib.exercises import masks as ex

pytestmark = pytest.mark.filterwarnings("error")
SIZES = [(n_q, n_k) for n_q in (1, 2, 3, 5, 8) for n_k in (1, 2, 3, 6, 9)]
OFFSETS = [None, -4, -1, 0, 1, 2, 7]
STEPS = [1, 2, 3, 4, 20]
NUMBERS = [1, 2, 3, 5, 9]


def same(mask, twin):
    assert mask.dtype == np.bool_
    np.testing.assert_array_equal(mask, twin)


# ---- the twins -----------------------------------------------------------------------------------


@pytest.mark.parametrize("n_q, n_k", SIZES)
def test_full(n_q, n_k):
    same(masks.full(n_q, n_k), slow.full(n_q, n_k))


@pytest.mark.parametrize("n_q, n_k", SIZES)
def test_causal(n_q, n_k):
    for offset in OFFSETS:
        same(masks.causal(n_q, n_k, offset=offset), slow.causal(n_q, n_k, offset))


@pytest.mark.parametrize("n_q, n_k", SIZES)
def test_local(n_q, n_k):
    for offset in OFFSETS:
        for window in STEPS:
            same(
                masks.local(n_q, n_k, window=window, offset=offset),
                slow.local(n_q, n_k, window, offset),
            )


@pytest.mark.parametrize("n_q, n_k", SIZES)
def test_dilated(n_q, n_k):
    for offset in OFFSETS:
        for window in STEPS:
            for dilation in STEPS:
                mask = masks.dilated(n_q, n_k, window=window, dilation=dilation, offset=offset)
                same(mask, slow.dilated(n_q, n_k, window, dilation, offset))


@pytest.mark.parametrize("n_q, n_k", SIZES)
def test_strided(n_q, n_k):
    for offset in OFFSETS:
        for stride in STEPS:
            same(
                masks.strided(n_q, n_k, stride=stride, offset=offset),
                slow.strided(n_q, n_k, stride, offset),
            )


@pytest.mark.parametrize("n", NUMBERS)
def test_prefix(n):
    for n_prefix in range(n + 3):
        same(masks.prefix(n, n_prefix=n_prefix), slow.prefix(n, n_prefix))


@pytest.mark.parametrize("n", NUMBERS)
def test_global_tokens(n):
    for n_global in range(n + 3):
        same(masks.global_tokens(n, n_global=n_global), slow.global_tokens(n, n_global))


@pytest.mark.parametrize("n", NUMBERS)
def test_global_local(n):
    for n_global in range(n + 3):
        for window in STEPS:
            same(
                masks.global_local(n, window=window, n_global=n_global),
                slow.global_local(n, window, n_global),
            )


@pytest.mark.parametrize("n_k", NUMBERS)
def test_padding(n_k):
    for length in range(n_k + 1):
        same(masks.padding(length, n_k), slow.padding(length, n_k))
    batch = masks.padding(np.arange(n_k + 1), n_k)
    assert batch.shape == (n_k + 1, 1, 1, n_k)
    for length in range(n_k + 1):
        same(batch[length, 0], slow.padding(length, n_k))


@pytest.mark.parametrize("kind", [bool, int, np.uint8, float])
@pytest.mark.parametrize("mask", [[1, 1, 0], [0, 1, 1], [1, 1, 1], [[1, 1, 0], [1, 0, 0]]])
def test_padding_tells_a_mask_from_lengths(mask, kind):
    """A tokenizer's attention_mask would be read as lengths of 0 and 1, without a word."""
    with pytest.raises(ValueError, match=r"0/1 mask of the shape .*mask\.astype\(bool\)"):
        masks.padding(np.array(mask, kind), 3)
    lengths = np.sum(mask, axis=-1)  # what is meant, and lengths of 0 and 1 in a longer row
    assert masks.padding(lengths, 3).shape[-1] == 3
    assert masks.padding([1, 0], 3)[:, 0, 0].tolist() == [[True, False, False], [False] * 3]
    assert masks.padding([1], 1).all()  # one text of one token
    with pytest.raises(TypeError, match=r"masks.padding\(lengths, n_k\) for lengths"):
        scaled_dot_product_attention(np.eye(3), np.eye(3), np.eye(3), mask=[3, 2, 1])


@settings(max_examples=50, deadline=None, derandomize=True)
@given(
    st.integers(1, 8).flatmap(
        lambda n: st.lists(
            st.lists(st.integers(-1, 2), min_size=n, max_size=n), min_size=1, max_size=3
        )
    )
)
def test_documents(ids):
    batch = masks.documents(np.array(ids))
    assert batch.shape == (len(ids), 1, len(ids[0]), len(ids[0]))
    for one, row in zip(batch, ids):
        same(one[0], slow.documents(row))
        same(masks.documents(row), slow.documents(row))


@pytest.mark.parametrize("n", NUMBERS)
def test_streaming(n):
    """A query sees itself and the window - 1 tokens before it, and of the first n_sinks those that
    it has passed.
    """
    for n_sinks in range(n + 3):
        for window in STEPS:
            twin = [
                [
                    j in range(i - window + 1, i + 1) or j in range(min(i + 1, n_sinks))
                    for j in range(n)
                ]
                for i in range(n)
            ]
            same(masks.streaming(n, window=window, n_sinks=n_sinks), twin)


@pytest.mark.parametrize("n", NUMBERS)
def test_bigbird(n):
    """The window, the global tokens, and exactly the keys that random_keys draws with the same
    seed.
    """
    for n_global in range(n + 2):
        for window in STEPS:
            for n_random in range(n + 1):
                mask = masks.bigbird(
                    n,
                    window=window,
                    n_global=n_global,
                    n_random=n_random,
                    rng=np.random.default_rng(n),
                )
                drawn = masks.random_keys(n, n_random=n_random, rng=np.random.default_rng(n))
                same(mask, np.array(slow.global_local(n, window, n_global)) | drawn)


def test_bigbird_draws_for_every_query_and_follows_the_generator():
    options = {"window": 3, "n_global": 1, "n_random": 4}
    mask = masks.bigbird(40, **options)
    same(mask, masks.bigbird(40, **options, rng=np.random.default_rng(0)))
    assert (mask != masks.bigbird(40, **options, rng=np.random.default_rng(1))).any()
    extra = (mask & ~masks.global_local(40, window=3, n_global=1))[1:].sum(axis=1)
    # some fall on what is visible already
    assert extra.min() >= 0 and extra.max() == 4 and 3 < extra.mean() < 4
    rng = np.random.default_rng(2)
    assert (masks.bigbird(40, **options, rng=rng) != masks.bigbird(40, **options, rng=rng)).any()


# ---- what layers add -----------------------------------------------------------------------------


def walk(mask, i):
    """{token: number of looks on the shortest path from i}, token by token."""
    found, now = {i: 0}, [i]
    while now:
        fresh = []
        for a in now:
            for b in range(len(mask)):
                if mask[a][b] and b not in found:
                    found[b] = found[a] + 1
                    fresh.append(b)
        now = fresh
    return found


@settings(max_examples=80, deadline=None, derandomize=True)
@given(st.integers(1, 9), st.integers(0, 10**6), st.sampled_from([0, 0.1, 0.2, 0.5, 1]))
def test_hops_and_receptive_field_against_a_walk(n, seed, share):
    mask = np.random.default_rng(seed).random((n, n)) < share
    paths = [walk(mask.tolist(), i) for i in range(n)]
    steps = masks.hops(mask)
    assert steps.dtype.kind == "i"
    np.testing.assert_array_equal(
        steps, [[paths[i].get(j, -1) for j in range(n)] for i in range(n)]
    )
    for n_layers in range(n + 2):
        same(
            masks.receptive_field(mask, n_layers),
            [[0 <= paths[i].get(j, -1) <= n_layers for j in range(n)] for i in range(n)],
        )


@pytest.mark.parametrize("n_layers", [0, 1, 2, 3])
@pytest.mark.parametrize(
    "name", ["local", "causal window", "dilated", "streaming", "bigbird", "global_local", "one way"]
)
def test_receptive_field_is_what_moves_the_output_of_stacked_layers(name, n_layers):
    """Attention layers with a residual, for real: a nudge of token j moves output i exactly where
    the field says so.
    """
    n = 12
    mask = {
        "local": masks.local(n, window=2),
        "causal window": masks.local(n, window=3) & masks.causal(n),
        "dilated": masks.dilated(n, window=2, dilation=3),
        "streaming": masks.streaming(n, window=2, n_sinks=1),
        "bigbird": masks.bigbird(n, window=1, n_global=0, n_random=1),
        "global_local": masks.global_local(n, window=2, n_global=1),
        "one way": np.eye(n, k=2, dtype=bool),
    }[name]

    def stack(x):
        for _ in range(n_layers):
            # no weight so small that it rounds to 0
            x = x + scaled_dot_product_attention(x, x, x, mask=mask, scale=0.01)[0]
        return x

    change = masks.influence(stack, np.random.default_rng(3).normal(size=(n, 4)))
    np.testing.assert_array_equal(change > 0, masks.receptive_field(mask, n_layers))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("size", [0.25, 1.0, 3.0])
def test_influence_pushes_a_token_in_every_dimension_and_shows_the_largest_change(size, dtype):
    """Whoever reads one dimension alone, whichever, notices the push; who subtracts the mean does
    not.
    """
    x = np.random.default_rng(5).normal(size=(4, 5)).astype(dtype)
    before, told = x.copy(), []
    for d in range(5):
        for output in (
            lambda y, d=d: y[:, d : d + 1],
            lambda y, d=d: (-3 * y[:, d : d + 1], "weights"),
        ):
            change = masks.influence(output, x, size=size)
            times = 3 if isinstance(output(x), tuple) else 1
            np.testing.assert_allclose(change, times * size * np.eye(4), rtol=0, atol=1e-5)
    np.testing.assert_allclose(
        masks.influence(lambda y: y - y.mean(-1, keepdims=True), x, size=size),
        np.zeros((4, 4)),
        rtol=0,
        atol=2e-6,
    )
    # the largest change, of whichever sign, and not the mean
    uneven = np.array([1, -2, 0.5, 0, 0]) * np.ones((4, 1))
    change = masks.influence(lambda y: (told.append(y.copy()), y * uneven)[1], x, size=size)
    np.testing.assert_allclose(change, 2 * size * np.eye(4), rtol=0, atol=1e-5)
    np.testing.assert_array_equal(x, before)
    # one at a time
    assert [np.flatnonzero((one != before).any(1)).tolist() for one in told] == [
        [],
        [0],
        [1],
        [2],
        [3],
    ]
    assert all((one != before).all(1).sum() == bool(number) for number, one in enumerate(told))


def test_a_window_sees_further_with_every_layer():
    for window in (2, 3, 5):
        for n_layers in (1, 2, 4):
            reach = n_layers * (window - 1)
            same(
                masks.receptive_field(masks.local(30, window=window), n_layers),
                slow.local(30, 30, reach + 1),
            )
    assert masks.hops(masks.local(30, window=4))[0, -1] == 10  # 29 steps, 3 at a time
    assert masks.hops(masks.global_local(30, window=4, n_global=1)).max() == 2


def test_many_layers_and_stacks_of_masks():
    chain = np.eye(300, k=1, dtype=bool)
    same(masks.receptive_field(chain, 10**9), np.triu(np.ones((300, 300), bool)))
    assert masks.hops(chain)[0].tolist() == list(range(300))
    both = np.stack([masks.causal(6), masks.local(6, window=2)])
    before = both.copy()
    np.testing.assert_array_equal(masks.hops(both), [masks.hops(both[0]), masks.hops(both[1])])
    same(
        masks.receptive_field(both, 2),
        [masks.receptive_field(both[0], 2), masks.receptive_field(both[1], 2)],
    )
    masks.receptive_field(both, 0)[:] = False
    same(both, before)


REFUSED = [
    (
        lambda: masks.bigbird(4, window=0, n_global=1, n_random=1),
        ValueError,
        "window must be at least 1, got 0",
    ),
    (
        lambda: masks.bigbird(4, window=1, n_global=-1, n_random=1),
        ValueError,
        "n_global must be at least 0, got -1",
    ),
    (
        lambda: masks.bigbird(4, window=1, n_global=1, n_random=5),
        ValueError,
        "n_random must be at most 4, got 5",
    ),
    (
        lambda: masks.bigbird(4, window=1, n_global=1, n_random=1, rng=7),
        TypeError,
        "rng must be a numpy Generator",
    ),
    (
        lambda: masks.streaming(4, window=0, n_sinks=1),
        ValueError,
        "window must be at least 1, got 0",
    ),
    (
        lambda: masks.streaming(4, window=1, n_sinks=-1),
        ValueError,
        "n_sinks must be at least 0, got -1",
    ),
    (
        lambda: masks.streaming(4, window=1, n_sinks=0.5),
        TypeError,
        "n_sinks must be a whole number, got 0.5",
    ),
    (
        lambda: masks.receptive_field(masks.full(2, 3), 1),
        ValueError,
        r"mask must have the shape \(..., n, n\), got \(2, 3\)",
    ),
    (lambda: masks.receptive_field(np.ones((2, 2)), 1), TypeError, "mask must be boolean"),
    (
        lambda: masks.receptive_field(masks.full(2), -1),
        ValueError,
        "n_layers must be at least 0, got -1",
    ),
    (
        lambda: masks.receptive_field(masks.full(2), 1.0),
        TypeError,
        "n_layers must be a whole number, got 1.0",
    ),
    (
        lambda: masks.hops(masks.full(2, 3)),
        ValueError,
        r"mask must have the shape \(..., n, n\), got \(2, 3\)",
    ),
    (lambda: masks.hops([True]), ValueError, r"mask must have the shape \(..., n, n\), got \(1,\)"),
]


@pytest.mark.parametrize("call, error, message", REFUSED)
def test_refused(call, error, message):
    with pytest.raises(error, match=f"^{message}"):
        call()


# ---- what the words mean -------------------------------------------------------------------------


@pytest.mark.parametrize("n", NUMBERS)
def test_one_size_makes_a_square(n):
    for make in (masks.full, masks.causal):
        same(make(n), make(n, n))
    same(masks.local(n, window=2), masks.local(n, n, window=2))
    same(masks.dilated(n, window=2, dilation=2), masks.dilated(n, n, window=2, dilation=2))
    same(masks.strided(n, stride=2), masks.strided(n, n, stride=2))
    assert masks.random_keys(n, n_random=1).shape == (n, n)


def test_a_window_of_one_is_only_me():
    same(masks.local(5, window=1), np.eye(5, dtype=bool))
    same(masks.dilated(5, window=1, dilation=3), np.eye(5, dtype=bool))


@pytest.mark.parametrize("window", [1, 2, 3, 6])
def test_window_counts_the_token_itself(window):
    """In the middle of a long text: window-1 tokens on either side, and with `causal` exactly
    `window` tokens.
    """
    assert masks.local(30, window=window)[15].sum() == 2 * window - 1
    assert (masks.local(30, window=window) & masks.causal(30))[15].sum() == window


def test_dilated_reaches_window_steps_of_its_own():
    assert np.flatnonzero(masks.dilated(20, window=3, dilation=4)[10]).tolist() == [
        2,
        6,
        10,
        14,
        18,
    ]
    same(masks.dilated(9, window=4, dilation=1), masks.local(9, window=4))


def test_the_last_query_sits_on_the_last_key():
    """With fewer queries than keys, the masks are the last rows of the square ones."""
    for n_q in range(1, 7):
        same(masks.causal(n_q, 7), masks.causal(7)[-n_q:])
        same(masks.local(n_q, 7, window=3), masks.local(7, window=3)[-n_q:])
        same(
            masks.dilated(n_q, 7, window=2, dilation=2),
            masks.dilated(7, window=2, dilation=2)[-n_q:],
        )
        same(masks.strided(n_q, 7, stride=3), masks.strided(7, stride=3)[-n_q:])
    assert masks.causal(3, 7)[-1].all() and not masks.causal(3, 7)[0].all()


def test_offset_zero_aligns_to_the_first_key():
    same(masks.causal(2, 4, offset=0), [[1, 0, 0, 0], [1, 1, 0, 0]])
    same(masks.causal(2, 4), [[1, 1, 1, 0], [1, 1, 1, 1]])


def test_more_queries_than_keys_leaves_empty_rows():
    same(masks.causal(4, 2), [[0, 0], [0, 0], [1, 0], [1, 1]])
    assert masks.empty_rows(masks.causal(4, 2)).tolist() == [True, True, False, False]


@pytest.mark.parametrize("n", NUMBERS)
def test_masks_compose(n):
    same(
        masks.causal(n) & masks.local(n, window=3),
        [[0 <= i - j < 3 for j in range(n)] for i in range(n)],
    )
    same(masks.causal(n) | masks.causal(n).T, slow.full(n, n))
    same(masks.causal(n) & masks.causal(n).T, np.eye(n, dtype=bool))
    same(masks.local(n, window=2) | masks.global_tokens(n, n_global=1), slow.global_local(n, 2, 1))
    same(masks.causal(n) | masks.full(n), slow.full(n, n))


def test_causal_in_each_document():
    same(
        masks.causal(4) & masks.documents([0, 0, 1, 1]),
        [[1, 0, 0, 0], [1, 1, 0, 0], [0, 0, 1, 0], [0, 0, 1, 1]],
    )


def test_batched_masks_fit_the_weights():
    """padding and documents carry an axis for the heads: (b, 1, …) against (b, h, n, n), also when
    b and h differ or agree.
    """
    rng = np.random.default_rng(0)
    for b, h in [(2, 3), (3, 3), (1, 2)]:
        q = rng.normal(size=(b, h, 5, 4))
        lengths, ids = rng.integers(1, 6, b), rng.integers(0, 2, (b, 5))
        for batch, one in [(masks.padding(lengths, 5), slow.padding), (masks.documents(ids), None)]:
            assert np.broadcast_shapes(batch.shape, (b, h, 5, 5)) == (b, h, 5, 5)
            _, weights = scaled_dot_product_attention(q, q, q, mask=batch & masks.causal(5))
            for i in range(b):
                seen = one(lengths[i], 5) if one else slow.documents(ids[i])
                expected = np.broadcast_to(seen, (5, 5)) & np.array(slow.causal(5, 5))
                for head in range(h):
                    same(weights[i, head] > 0, expected)


def test_each_call_returns_an_array_of_its_own():
    for make in (
        lambda: masks.full(3),
        lambda: masks.causal(3),
        lambda: masks.random_keys(3, n_random=1),
    ):
        first = make()
        first[:] = False
        assert make().any()


# ---- random keys ---------------------------------------------------------------------------------


@pytest.mark.parametrize("n_q, n_k", SIZES)
def test_random_keys_draws_exactly_n_random(n_q, n_k):
    for n_random in range(n_k + 1):
        mask = masks.random_keys(n_q, n_k, n_random=n_random)
        assert mask.shape == (n_q, n_k) and mask.dtype == np.bool_
        assert (mask.sum(axis=1) == n_random).all()


def test_random_keys_is_the_same_each_time():
    same(masks.random_keys(9, n_random=3), masks.random_keys(9, n_random=3))
    same(
        masks.random_keys(9, n_random=3),
        masks.random_keys(9, n_random=3, rng=np.random.default_rng(0)),
    )


def test_random_keys_follows_the_generator():
    rng = np.random.default_rng(1)
    first, second = (
        masks.random_keys(9, n_random=3, rng=rng),
        masks.random_keys(9, n_random=3, rng=rng),
    )
    assert (first != second).any() and (first != masks.random_keys(9, n_random=3)).any()
    same(first, masks.random_keys(9, n_random=3, rng=np.random.default_rng(1)))


def test_random_keys_leaves_the_global_generator_alone():
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    masks.random_keys(5, n_random=2)
    np.testing.assert_array_equal(np.random.get_state()[1], before)  # noqa: NPY002


def test_random_keys_prefers_no_key():
    """Every key is drawn by 30 % of 4,000 queries (4 standard deviations are 3 %), and the rows
    differ.
    """
    mask = masks.random_keys(4000, 10, n_random=3)
    assert np.abs(mask.mean(axis=0) - 0.3).max() < 0.03
    assert len({tuple(row) for row in mask.tolist()}) == 120  # all ways to choose 3 of 10


# ---- density and empty rows ----------------------------------------------------------------------


@settings(max_examples=50, deadline=None, derandomize=True)
@given(
    st.integers(1, 6), st.integers(1, 6), st.integers(0, 10**6), st.sampled_from([0, 0.2, 0.6, 1])
)
def test_density_and_empty_rows(n_q, n_k, seed, share):
    mask = np.random.default_rng(seed).random((n_q, n_k)) < share
    assert masks.density(mask) == pytest.approx(slow.density(mask), abs=1e-15)
    same(masks.empty_rows(mask), slow.empty_rows(mask))
    batch = np.stack([mask, ~mask])
    same(masks.empty_rows(batch), [slow.empty_rows(mask), slow.empty_rows(~mask)])
    assert masks.density(batch) == pytest.approx(0.5)


def test_density_of_patterns():
    assert masks.density(masks.full(7)) == 1
    assert masks.density(masks.causal(4)) == 10 / 16
    assert masks.density(masks.local(100, window=1)) == 0.01
    assert type(masks.density(masks.causal(4))) is float


# ---- what the questions of the notebook hold to be right, computed with NumPy alone --------------

BACK = np.subtract.outer(np.arange(10), np.arange(10))  # how far key j lies behind query i
FOR = {  # what is true of a mask that serves this purpose, and of no other
    "write, with a narrow window": lambda m: m[(BACK >= 0) & (BACK < 3)].all() and m.sum() == 27,
    "read a question, then write": lambda m: m[:, :4].all() and (m[4:, 4:] == np.tri(6)).all(),
    "two texts in one row": lambda m: (m == np.kron(np.eye(2), np.ones((5, 5)))).all(),
    "the end of the row is no text": lambda m: (m == m[0]).all() and m[0, 0] > m[0, -1],
    "a wide window with gaps": lambda m: m[BACK == 4].all() and not m[(BACK % 2 == 1)].any(),
    "every third word": lambda m: (m == (BACK % 3 == 0)).all(),
    "one sees all, and is seen": lambda m: m[0].all() and m[:, 0].all() and m.sum() == 19,
    "shortcuts by chance": lambda m: (m.sum(axis=1) == 3).all() and (m != m.T).any(),
}


def test_each_of_the_eight_masks_serves_its_purpose_and_no_other():
    eight = ex.gallery(10)
    served = [[bool(FOR[purpose](mask)) for mask in eight.values()] for purpose in ex.PURPOSES]
    np.testing.assert_array_equal(ex.MATCHES, served)
    assert ex.MATCHES.sum() == 8 and list(eight) == list("ABCDEFGH")


def shares(scores):
    e = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def test_the_late_mask_is_saved_by_a_division_and_not_where_it_rounds_to_0():
    x, allowed = np.random.default_rng(0).normal(size=(6, 4)), np.tri(6)

    def attend(x):
        left = shares(x @ x.T) * allowed
        return left / left.sum(axis=-1, keepdims=True) @ x

    for j in range(6):
        pushed = x + np.eye(6)[:, j : j + 1]
        moved = np.abs(attend(pushed) - attend(x)).max(axis=-1) > 1e-9
        assert not moved[:j].any() and moved[j:].all()
    assert ex.again.given["right"] == "yes, the old sum cancels"
    assert (shares(np.array([0.0, 1000.0])) * [1, 0]).sum() == 0


def test_filling_is_not_heard_and_counts_in_a_mean():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(6, 4))
    other = np.concatenate([x[:4], rng.normal(size=(2, 4))])
    one, two = (shares(np.where(np.arange(6) < 4, a @ a.T, -np.inf)) @ a for a in (x, other))
    np.testing.assert_allclose(one[:4], two[:4])
    assert np.abs(one.mean(axis=0) - two.mean(axis=0)).max() > 1e-3
    assert ex.filling.given["right"] == "no, if nobody reads what they bring back"
