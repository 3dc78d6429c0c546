"""encodings.py and rope_scaling.py: every encoding against its slow twin, its published numbers,
and its geometry.
"""

import numpy as np
import pytest
import slow
from hypothesis import given, settings
from hypothesis import strategies as st

from attnlib import masks, softmax
from attnlib.encodings import (
    Alibi,
    Learned,
    Positions,
    Rotary,
    Sinusoidal,
    T5Bias,
    alibi,
    alibi_slopes,
    rotary_angles,
    rotate,
    sinusoidal,
    t5_bias,
    t5_bucket,
)
from attnlib.rope_scaling import attention_factor

pytestmark = pytest.mark.filterwarnings("error")
examples = settings(max_examples=50, deadline=None, derandomize=True)
widths = st.integers(1, 16).map(lambda half: 2 * half)
bases = st.sampled_from([1, 2, 100, 10_000, 1e6])
both_layouts = st.sampled_from(["half", "interleaved"])
lengths = st.integers(1, 12)


def close(a, b, atol=1e-12):
    np.testing.assert_allclose(a, b, rtol=0, atol=atol)


@examples
@given(st.integers(1, 40), widths, bases, st.sampled_from(["interleaved", "half"]))
def test_equals_the_slow_twin(n, d_model, base, layout):
    table = sinusoidal(n, d_model, base=base, layout=layout)
    assert table.shape == (n, d_model)
    np.testing.assert_allclose(table, slow.sinusoidal(n, d_model, base, layout), rtol=0, atol=1e-12)


def test_defaults_are_those_of_the_paper():
    np.testing.assert_array_equal(
        sinusoidal(9, 8), sinusoidal(9, 8, base=10_000, layout="interleaved")
    )
    row = sinusoidal(4, 6)[3]
    np.testing.assert_allclose(row[:2], [np.sin(3), np.cos(3)])
    np.testing.assert_allclose(
        row[2:4], [np.sin(3 / 10_000 ** (2 / 6)), np.cos(3 / 10_000 ** (2 / 6))]
    )


def test_position_zero_is_sin_zero_and_cos_zero():
    assert sinusoidal(1, 6).tolist() == [[0, 1, 0, 1, 0, 1]]
    assert sinusoidal(1, 6, layout="half").tolist() == [[0, 0, 0, 1, 1, 1]]


@examples
@given(st.integers(1, 20), widths, bases)
def test_both_layouts_hold_the_same_numbers(n, d_model, base):
    printed, code = (
        sinusoidal(n, d_model, base=base),
        sinusoidal(n, d_model, base=base, layout="half"),
    )
    np.testing.assert_array_equal(printed[:, 0::2], code[:, : d_model // 2])
    np.testing.assert_array_equal(printed[:, 1::2], code[:, d_model // 2 :])


@examples
@given(widths, st.integers(0, 30), bases)
def test_a_step_is_a_rotation(d_model, step, base):
    """PE(p + k) = PE(p) · R(k), one R for all p, and R turns: RᵀR = 1."""
    table = sinusoidal(40 + step, d_model, base=base)
    turn = np.zeros((d_model, d_model))
    for i in range(0, d_model, 2):
        angle = step / base ** (i / d_model)
        turn[i, i], turn[i, i + 1] = np.cos(angle), -np.sin(angle)
        turn[i + 1, i], turn[i + 1, i + 1] = np.sin(angle), np.cos(angle)
    np.testing.assert_allclose(turn.T @ turn, np.eye(d_model), atol=1e-12)
    np.testing.assert_allclose(table[:40] @ turn, table[step:], atol=1e-11)


@examples
@given(widths, bases, st.sampled_from(["interleaved", "half"]))
def test_dot_products_see_only_the_distance(d_model, base, layout):
    table = sinusoidal(25, d_model, base=base, layout=layout)
    dots = table @ table.T
    for distance in range(25):
        diagonal = np.diagonal(dots, distance)
        np.testing.assert_allclose(diagonal, diagonal[0], atol=1e-11)
    np.testing.assert_allclose(np.diagonal(dots), d_model / 2)
    np.testing.assert_allclose(dots, dots.T, atol=1e-11)


def test_a_longer_table_begins_with_the_shorter_one():
    np.testing.assert_array_equal(sinusoidal(50, 8)[:20], sinusoidal(20, 8))


# ---- learned -------------------------------------------------------------------------------------


def test_learned_rows():
    learned = Learned(6, 4)
    assert learned.table.shape == (6, 4)
    for n in range(1, 7):
        np.testing.assert_array_equal(learned(n), learned.table[:n])
    learned.table = np.arange(24).reshape(6, 4)
    np.testing.assert_array_equal(learned(2), [[0, 1, 2, 3], [4, 5, 6, 7]])


def test_learned_ends_in_a_cliff():
    with pytest.raises(ValueError, match=r"6 rows.*7 tokens"):
        Learned(6, 4)(7)


def test_learned_comes_from_the_generator():
    np.testing.assert_array_equal(
        Learned(6, 4).table, Learned(6, 4, np.random.default_rng(0)).table
    )
    assert (Learned(6, 4).table != Learned(6, 4, rng=np.random.default_rng(1)).table).all()


def test_learned_rows_have_length_one_on_average():
    assert 0.95 < (Learned(300, 100).table ** 2).sum(axis=1).mean() < 1.05


# ---- rotary --------------------------------------------------------------------------------------


@examples
@given(
    widths,
    bases,
    both_layouts,
    st.lists(st.integers(-50, 300), min_size=1, max_size=5),
    st.integers(0, 9),
)
def test_rotary_equals_the_slow_twin(d_head, base, layout, positions, seed):
    x = np.random.default_rng(seed).normal(size=(2, len(positions), d_head))
    turned = rotate(x, rotary_angles(positions, d_head, base=base), layout=layout)
    speeds = slow.rotary_speeds(d_head, base)
    for head in range(2):
        close(
            turned[head],
            [slow.turn(row, p, speeds, layout) for row, p in zip(x[head], positions)],
            1e-9,
        )


@examples
@given(widths, both_layouts, st.integers(-400, 400), st.integers(0, 9))
def test_rotary_sees_only_the_distance(d_head, layout, shift, seed):
    """q at i times k at j depends on i - j: the whole text moved along gives the same scores."""
    q, k = np.random.default_rng(seed).normal(size=(2, 6, d_head))
    rotary = Rotary(layout=layout)
    here, there = np.arange(6), np.arange(6) + shift
    close(rotary(q, here) @ rotary(k, here).T, rotary(q, there) @ rotary(k, there).T, 1e-9)
    one, other = np.broadcast_to(q[0], (6, d_head)), np.broadcast_to(k[0], (6, d_head))
    scores = rotary(one) @ rotary(other).T
    for distance in range(-5, 6):
        close(np.diagonal(scores, distance), scores.diagonal(distance)[0], 1e-10)


@examples
@given(widths, both_layouts, st.integers(-400, 400), st.integers(0, 9))
def test_rotary_keeps_the_length_and_turns_back(d_head, layout, position, seed):
    x = np.random.default_rng(seed).normal(size=(3, d_head))
    angles = rotary_angles([position] * 3, d_head)
    turned = rotate(x, angles, layout=layout)
    close(np.linalg.norm(turned, axis=-1), np.linalg.norm(x, axis=-1))
    close(rotate(turned, -angles, layout=layout), x)
    close(rotate(x, np.zeros_like(angles), layout=layout), x, 0)
    twice = rotate(turned, rotary_angles([7] * 3, d_head), layout=layout)
    close(twice, rotate(x, rotary_angles([position + 7] * 3, d_head), layout=layout), 1e-9)


@examples
@given(widths, st.integers(0, 9))
def test_half_is_interleaved_with_its_columns_reordered(d_head, seed):
    x = np.random.default_rng(seed).normal(size=(5, d_head))
    angles = rotary_angles(np.arange(5), d_head)
    # first of each pair, then second
    order = np.concatenate([np.arange(0, d_head, 2), np.arange(1, d_head, 2)])
    half = rotate(x[:, order], angles, layout="half")
    close(half, rotate(x, angles, layout="interleaved")[:, order], 0)


def test_sinusoids_are_a_rotated_zero_hand():
    """A sinusoidal row is the rotary encoding of (0, 1, 0, 1 …), turned the other way round."""
    hands = np.tile([0.0, 1.0], (9, 4))
    close(rotate(hands, -rotary_angles(np.arange(9), 8), layout="interleaved"), sinusoidal(9, 8))


def test_angles_of_many_shapes():
    close(rotary_angles(3, 4), [3, 0.03])
    close(
        rotary_angles([[0, 1], [2, 3]], 6, base=8),
        np.multiply.outer([[0, 1], [2, 3]], [1, 0.5, 0.25]),
    )
    assert rotary_angles([], 4).shape == (0, 2)


@pytest.mark.parametrize("layout", ["half", "interleaved"])
def test_rotary_in_words_of_its_parts(layout):
    scaling = {"type": "yarn", "factor": 4, "original_max_position_embeddings": 8}
    x = np.random.default_rng(0).normal(size=(2, 3, 5, 6))
    rotary = Rotary(base=50, layout=layout, scaling=scaling)
    positions = np.array([[0, 1, 2, 3, 4], [9, 8, 7, 3, 3]])
    longer = 0.1 * np.log(4) + 1
    for text in range(2):
        angles = rotary_angles(positions[text], 6, base=50, scaling=scaling)
        close(rotary(x, positions)[text], longer * rotate(x[text], angles, layout=layout))
        close(rotary(x, positions.tolist())[text], rotary(x[text], positions[text]))
    close(rotary(x), rotary(x, np.arange(5)), 0)
    for dtype in (np.float16, np.float32, np.float64):
        assert rotary(x.astype(dtype)).dtype == dtype


@pytest.mark.parametrize("layout", ["half", "interleaved"])
def test_a_part_of_the_columns_turns_as_a_narrower_head_does(layout):
    """The others stay, to the last bit: not longer either, where a recipe makes q and k longer."""
    scaling = {"type": "yarn", "factor": 4, "original_max_position_embeddings": 8}
    x, positions = np.random.default_rng(0).normal(size=(2, 3, 5, 8)), np.array([0, 3, 4, 9, 200])
    for partial, columns in ((0.5, 4), (0.25, 2), (0.35, 2), (1, 8)):
        rotary = Rotary(base=50, layout=layout, scaling=scaling, partial=partial)
        narrow = Rotary(base=50, layout=layout, scaling=scaling)
        found = rotary(x, positions)
        close(found[..., :columns], narrow(x[..., :columns], positions), 0)
        close(found[..., columns:], x[..., columns:], 0)
        assert rotary(x.astype(np.float32)).dtype == np.float32
        assert rotary.angles(None, 5, 8).shape == (5, columns // 2)


# ---- rotary for longer texts ---------------------------------------------------------------------

SCALINGS = {
    "default": {},
    "linear": {"factor": 4.0},
    "dynamic": {"factor": 2.0, "original_max_position_embeddings": 64},
    "yarn": {"factor": 4.0, "original_max_position_embeddings": 4096},
    "yarn, short": {"factor": 2.0, "original_max_position_embeddings": 30},
    "yarn, gpt-oss": {
        "factor": 32.0,
        "original_max_position_embeddings": 4096,
        "beta_fast": 32.0,
        "beta_slow": 1.0,
        "truncate": False,
    },
    "yarn, deepseek": {
        "factor": 40,
        "original_max_position_embeddings": 4096,
        "mscale": 0.707,
        "mscale_all_dim": 1.0,
    },
    "yarn, told": {
        "factor": 16,
        "original_max_position_embeddings": 4096,
        "attention_factor": 1.5,
        "beta_fast": 20,
        "beta_slow": 3,
    },
    "llama3": {
        "factor": 8.0,
        "low_freq_factor": 1.0,
        "high_freq_factor": 4.0,
        "original_max_position_embeddings": 8192,
    },
    "llama3, short": {
        "factor": 32.0,
        "low_freq_factor": 1.0,
        "high_freq_factor": 4.0,
        "original_max_position_embeddings": 40,
    },
    "longrope": {
        "factor": 32.0,
        "original_max_position_embeddings": 64,
        "short_factor": [1.0, 1.05],
        "long_factor": [1.1, 30.5],
    },
    "longrope, told": {
        "factor": 2.0,
        "original_max_position_embeddings": 64,
        "short_factor": [1, 1],
        "long_factor": [2, 3],
        "attention_factor": 1.25,
    },
}
scalings = pytest.mark.parametrize("name", SCALINGS)


def of(name, pairs):
    """The scaling dict, its lists made as long as there are pairs."""
    options = {
        key: (value * pairs)[:pairs] if isinstance(value, list) else value
        for key, value in SCALINGS[name].items()
    }
    return {"type": name.split(",")[0], **options}


@scalings
@pytest.mark.parametrize("d_head", [2, 4, 6, 16, 64, 128])
@pytest.mark.parametrize("base", [50, 10_000, 500_000.0])
def test_every_scaling_equals_its_slow_twin(name, d_head, base):
    scaling = of(name, d_head // 2)
    options = {key: value for key, value in scaling.items() if key != "type"}
    for n in (1, 33, 64, 65, 128, 5000):  # the length: last position + 1
        # the published formula divides by d_head - 2
        if d_head == 2 and name == "dynamic" and n > 64:
            close(rotary_angles([n - 1], 2, base=base, scaling=scaling), [[n - 1]])
            continue
        positions = np.array([0, n - 1, (n - 1) / 2])
        speeds = slow.rotary_speeds(d_head, base, n, scaling["type"], **options)
        angles = rotary_angles(positions, d_head, base=base, scaling=scaling)
        np.testing.assert_allclose(angles, np.multiply.outer(positions, speeds), rtol=1e-11)
    assert attention_factor(scaling) == pytest.approx(
        slow.attention_factor(scaling["type"], **options), rel=1e-14
    )


@scalings
def test_scalings_only_slow_down_and_keep_the_order(name):
    plain = rotary_angles([500], 64)[0]
    scaled = rotary_angles([500], 64, scaling=of(name, 32))[0]
    assert (scaled <= plain * (1 + 1e-12)).all()
    if "longrope" not in name:
        assert (np.diff(scaled) < 0).all()


@scalings
def test_both_words_for_the_type_and_none_for_an_option(name):
    scaling = of(name, 4)
    other = {"rope_type" if key == "type" else key: value for key, value in scaling.items()} | {
        "mscale": scaling.get("mscale")
    }
    for again in (other, scaling | {"rope_type": scaling["type"]}):
        close(rotary_angles([99], 8, scaling=again), rotary_angles([99], 8, scaling=scaling), 0)
        assert attention_factor(again) == attention_factor(scaling)


def test_scalings_up_to_the_trained_length():
    """Dynamic changes nothing there; longrope takes its short list; the others slow down from the
    first token on.
    """

    def at(n, name):
        return rotary_angles([n - 1], 8, scaling=of(name, 4))[0] / rotary_angles([n - 1], 8)[0]

    close(at(64, "dynamic"), np.ones(4), 0)
    assert at(65, "dynamic")[0] == 1 and (np.diff(at(65, "dynamic")) < 0).all()
    close(1 / at(64, "longrope"), [1, 1.05, 1, 1.05])
    close(1 / at(65, "longrope"), [1.1, 30.5, 1.1, 30.5])
    close(at(2, "linear"), [0.25] * 4)


def test_dynamic_as_a_larger_base():
    """NTK: base · s^(d / (d - 2)), at twice the length with factor 2: s = 3."""
    scaled = rotary_angles([127], 16, scaling=of("dynamic", 8))
    np.testing.assert_allclose(
        scaled, rotary_angles([127], 16, base=10_000 * 3 ** (16 / 14)), rtol=1e-12
    )
    close(scaled[0, -1] * 3, rotary_angles([127], 16)[0, -1])  # the slowest pair: interpolation


def test_llama_3_1():
    """d_head 128, base 500,000: of 64 pairs 29 turn more than 4 times in 8,192 tokens, 29 less than
    once.
    """
    slowed = (
        rotary_angles([1], 128, base=5e5)[0]
        / rotary_angles([1], 128, base=5e5, scaling=of("llama3", 64))[0]
    )
    close(slowed[:29], np.ones(29))
    close(slowed[35:], np.full(29, 8))
    assert (np.diff(slowed[28:36]) > 0).all()


def test_yarn_llama_2():
    """d_head 128, 4,096 tokens: pairs 0 … 20 stay, those from 46 on slow by the whole factor."""
    slowed = rotary_angles([1], 128)[0] / rotary_angles([1], 128, scaling=of("yarn", 64))[0]
    close(slowed[:21], np.ones(21))
    close(slowed[46:], np.full(18, 4))
    assert (np.diff(slowed[20:47]) > 0).all()


def test_published_attention_factors():
    assert attention_factor(None) == attention_factor({"type": "linear", "factor": 8}) == 1
    assert attention_factor(of("yarn", 1)) == pytest.approx(1.1386294361119891)
    assert attention_factor(of("yarn, deepseek", 1)) == pytest.approx(
        1.2608037 / 1.3688879, rel=1e-6
    )
    phi_3 = of("longrope", 1) | {"original_max_position_embeddings": 4096}
    assert attention_factor(phi_3) == pytest.approx(1.1902380714238083)
    assert (
        attention_factor(of("yarn", 1) | {"factor": 1})
        == attention_factor(phi_3 | {"factor": 0.5})
        == 1
    )
    assert type(attention_factor(of("yarn", 1))) is float  # keeps float32 as it is


# ---- ALiBi ---------------------------------------------------------------------------------------


@examples
@given(st.integers(1, 130), lengths, lengths)
def test_alibi_equals_the_slow_twin(n_heads, n_q, n_k):
    np.testing.assert_allclose(alibi_slopes(n_heads), slow.alibi_slopes(n_heads), rtol=1e-12)
    np.testing.assert_allclose(alibi(n_heads, n_q, n_k), slow.alibi(n_heads, n_q, n_k), rtol=1e-12)


def test_published_slopes():
    close(alibi_slopes(8), [1 / 2, 1 / 4, 1 / 8, 1 / 16, 1 / 32, 1 / 64, 1 / 128, 1 / 256], 0)
    close(alibi_slopes(12), [*alibi_slopes(8), 0.5**0.5, 0.5**1.5, 0.5**2.5, 0.5**3.5])
    close(alibi_slopes(1), [1 / 256], 0)
    close(alibi_slopes(3), [1 / 16, 1 / 256, 1 / 4])
    assert alibi_slopes(16)[0] == pytest.approx(0.5**0.5)


@examples
@given(st.integers(1, 130))
def test_slopes_are_geometric(n_heads):
    slopes = np.sort(alibi_slopes(n_heads))[::-1]
    assert (
        len(np.unique(slopes)) == n_heads and 1 > slopes[0] and slopes[-1] == pytest.approx(1 / 256)
    )
    power = 2 ** int(np.log2(n_heads))
    first, rest = alibi_slopes(n_heads)[:power], alibi_slopes(n_heads)[power:]
    np.testing.assert_allclose(first[1:] / first[:-1], 2 ** (-8 / power))
    np.testing.assert_allclose(rest[1:] / rest[:-1], 2 ** (-8 / power))


@examples
@given(st.integers(1, 9), lengths, lengths)
def test_alibi_stands_as_the_causal_mask_does(n_heads, n_q, n_k):
    bias = alibi(n_heads, n_q, n_k)
    assert bias.shape == (n_heads, n_q, n_k) and (bias <= 0).all()
    # the query's own place
    last = masks.causal(n_q, n_k) & ~masks.causal(n_q, n_k, offset=n_k - n_q - 1)
    assert ((bias == 0) == last).all()
    square = alibi(n_heads, max(n_q, n_k))
    np.testing.assert_array_equal(bias, square[:, len(square[0]) - n_q :, len(square[0]) - n_k :])
    np.testing.assert_array_equal(square, square.transpose(0, 2, 1))
    np.testing.assert_array_equal(alibi(n_heads, n_q), alibi(n_heads, n_q, n_q))


def test_alibi_under_a_causal_mask_is_the_paper():
    """There -slope · (i - j) and slope · j are the same to the softmax."""
    bias, slopes = alibi(4, 6), alibi_slopes(4)
    mask = np.broadcast_to(masks.causal(6), bias.shape)
    close(
        softmax(bias, where=mask),
        softmax(slopes[:, None, None] * np.arange(6) + 0 * bias, where=mask),
    )


# ---- T5 ------------------------------------------------------------------------------------------

buckets_of = st.tuples(st.booleans(), st.integers(2, 40), st.integers(1, 300)).map(
    lambda t: {
        "bidirectional": t[0],
        "n_buckets": 2 * t[1],
        "max_distance": t[1] // (2 if t[0] else 1) + t[2],
    }
)


@examples
@given(buckets_of)
def test_buckets_equal_the_slow_twin(options):
    distances = np.arange(-350, 351)
    twin = [
        slow.t5_bucket(-d, options["bidirectional"], options["n_buckets"], options["max_distance"])
        for d in distances.tolist()
    ]
    np.testing.assert_array_equal(t5_bucket(distances, **options), twin)


def test_published_buckets():
    """32 buckets, 128 tokens, both ways: the first distance of each bucket."""
    firsts = [0, 1, 2, 3, 4, 5, 6, 7, 8, 12, 16, 23, 32, 46, 64, 91]
    behind = t5_bucket(np.arange(200), bidirectional=True)
    np.testing.assert_array_equal(behind, np.searchsorted(firsts, np.arange(200), side="right") - 1)
    np.testing.assert_array_equal(
        t5_bucket(-np.arange(1, 200), bidirectional=True), behind[1:] + 16
    )
    causal = t5_bucket(np.arange(-3, 200), bidirectional=False)
    assert causal[:3].tolist() == [0, 0, 0] and causal[3:19].tolist() == list(range(16))
    firsts = [16, 19, 21, 24, 27, 31, 35, 40, 46, 52, 59, 67, 77, 87, 99, 113]
    np.testing.assert_array_equal(
        causal[19:], 16 + np.searchsorted(firsts, np.arange(16, 200), side="right") - 1
    )
    assert t5_bucket(5, bidirectional=False) == 5 and t5_bucket(5, bidirectional=False).shape == ()
    np.testing.assert_array_equal(
        t5_bucket(np.arange(300), bidirectional=False, n_buckets=32, max_distance=128),
        t5_bucket(np.arange(300), bidirectional=False),
    )


@examples
@given(buckets_of)
def test_buckets_rise_with_the_distance_and_end(options):
    steps = np.arange(1000)
    behind, ahead = t5_bucket(steps, **options), t5_bucket(-steps, **options)
    n_buckets = options["n_buckets"]
    one_side = n_buckets // 2 if options["bidirectional"] else n_buckets
    assert (np.diff(behind) >= 0).all() and behind[0] == 0
    assert (behind[options["max_distance"] :] == one_side - 1).all()
    np.testing.assert_array_equal(behind[: one_side // 2], steps[: one_side // 2])
    if options["bidirectional"]:
        # the same drawers, one cabinet on
        np.testing.assert_array_equal(ahead[1:], behind[1:] + one_side)
    else:
        assert (ahead == 0).all()


@examples
@given(st.booleans(), lengths, lengths, st.integers(0, 9))
def test_t5_bias_equals_the_slow_twin(bidirectional, n_q, n_k, seed):
    table = np.random.default_rng(seed).normal(size=(6, 3))
    bias = t5_bias(table, n_q, n_k, bidirectional=bidirectional, max_distance=7)
    assert bias.shape == (3, n_q, n_k)
    np.testing.assert_array_equal(bias, slow.t5_bias(table.tolist(), n_q, n_k, bidirectional, 7))
    np.testing.assert_array_equal(
        t5_bias(table, n_q, bidirectional=bidirectional),
        t5_bias(table, n_q, n_q, bidirectional=bidirectional),
    )
    for distance in range(-n_q + 1, n_k):  # one number along each diagonal
        diagonal = np.diagonal(bias, distance, 1, 2)
        assert (diagonal == diagonal[:, :1]).all()


@pytest.mark.parametrize("bidirectional", [True, False])
def test_t5_bias_with_its_table(bidirectional):
    part = T5Bias(3, bidirectional=bidirectional, n_buckets=8, max_distance=20)
    assert part.table.shape == (8, 3) and not part.table.any() and not part(5).any()
    part.table = np.random.default_rng(0).normal(size=(8, 3)).astype(np.float32)
    for n_q, n_k in ((5, None), (2, 30), (30, 2)):
        bias = t5_bias(part.table, n_q, n_k, bidirectional=bidirectional, max_distance=20)
        np.testing.assert_array_equal(part(n_q, n_k), bias)
        np.testing.assert_array_equal(np.moveaxis(part.table[part.buckets(n_q, n_k)], -1, 0), bias)
        assert part(n_q, n_k).dtype == np.float32
    assert (
        len(T5Bias(2, bidirectional=True).table) == 32
        and T5Bias(2, bidirectional=True).max_distance == 128
    )


# ---- what a model asks ---------------------------------------------------------------------------

PARTS = {  # a part of a model: which of the three questions it answers, and how its functions do
    "none": (Positions(), {}),
    "sinusoidal": (
        Sinusoidal(8, base=50, layout="half"),
        {"added": lambda n, held: sinusoidal(held + n, 8, base=50, layout="half")[held:]},
    ),
    "learned": (Learned(12, 8), {"added": lambda n, held: Learned(12, 8).table[held : held + n]}),
    "rotary": (
        Rotary(base=50),
        {"turned": lambda x, at: rotate(x, rotary_angles(at, 8, base=50), layout="half")},
    ),
    "alibi": (Alibi(3), {"bias": lambda n, held: alibi(3, n, held + n)}),
    "t5": (
        T5Bias(3, bidirectional=False),
        {"bias": lambda n, held: t5_bias(np.zeros((32, 3)), n, held + n, bidirectional=False)},
    ),
}


@pytest.mark.parametrize("part, answers", PARTS.values(), ids=PARTS)
def test_all_encodings_answer_the_same_three_questions(part, answers):
    x, at = np.random.default_rng(0).normal(size=(2, 5, 8)), np.array([3, 1, 4, 1, 5])
    tokens = x[0].astype(np.float32)
    assert isinstance(part, Positions)
    assert part.turns == ("turned" in answers)
    assert part.n_max == (12 if isinstance(part, Learned) else None)
    for held in (0, 1, 7):
        for question in ("added", "bias"):
            found = getattr(part, question)(5, held if question == "added" else held + 5)
            if question in answers:
                np.testing.assert_array_equal(found, answers[question](5, held))
            else:
                assert found is None
        rows = answers["added"](5, held) if "added" in answers else np.zeros((5, 8))
        seen = part.onto(tokens, held)
        assert seen.dtype == np.float32
        np.testing.assert_array_equal(seen, tokens + rows.astype(np.float32))
    if "turned" in answers:
        np.testing.assert_array_equal(part.turned(x, at), answers["turned"](x, at))
        np.testing.assert_array_equal(part.turned(x), answers["turned"](x, np.arange(5)))
    else:
        assert part.turned(x, at) is x
    if "added" in answers:
        np.testing.assert_array_equal(part.onto(x, 7, at), x + part.added(6)[at])
        batch = np.stack([at, at[::-1]])
        np.testing.assert_array_equal(part.onto(x, 0, batch), x + part.added(6)[batch])
    else:
        np.testing.assert_array_equal(part.onto(x, 7, at), x)


def test_parts_are_called_by_what_they_answer():
    x = np.ones((3, 4))
    learned, rotary, t5 = Learned(6, 4), Rotary(), T5Bias(2, bidirectional=True)
    np.testing.assert_array_equal(learned(3), learned.added(3))
    np.testing.assert_array_equal(rotary(x, [5, 6, 7]), rotary.turned(x, [5, 6, 7]))
    np.testing.assert_array_equal(t5(3, 4), t5.bias(3, 4))


def test_a_call_asks_what_a_subclass_answers():
    def seven(self, *given, **options):
        return 7

    for kind, made, asked in (
        (Learned, (6, 4), "added"),
        (Rotary, (), "turned"),
        (T5Bias, (2,), "bias"),
    ):
        options = {"bidirectional": True} if kind is T5Bias else {}
        part = type("Mine", (kind,), {asked: seven})(*made, **options)
        assert part(np.ones((3, 4)) if kind is Rotary else 3) == 7
    np.testing.assert_array_equal(Learned(6, 4)(n=2, held=3), Learned(6, 4).table[3:5])


def test_the_end_of_an_own_class_and_of_a_table():
    short, x = type("Short", (Positions,), {"n_max": 3})(), np.ones((5, 4))
    assert short.onto(x[:3]) is not None and short.onto(x[:1], 2) is not None
    with pytest.raises(ValueError, match=r"^n must be at most 1: Short takes 3 tokens, .* has 7"):
        short.onto(x, 2)
    with pytest.raises(ValueError, match=r"^n must be at most 3: Short takes 3 tokens, .* has 5"):
        short.onto(x, 0, np.array([0, 1, 4, 1, 0]))
    short.onto(x, 2, np.array([0, 1, 2, 1, 0]))
    with pytest.raises(ValueError, match=r"^n must be at most 4: the learned table has 4 rows"):
        Learned(4, 4).onto(x)


def test_a_table_ends_behind_what_is_held():
    np.testing.assert_array_equal(Learned(6, 4).added(2, 4), Learned(6, 4).table[4:])
    with pytest.raises(ValueError, match=r"n must be at most 2: .*6 rows, the text 7 tokens"):
        Learned(6, 4).added(3, 4)


def test_hands_and_slopes_that_cannot_be_made_are_refused_at_once():
    with pytest.raises(ValueError, match=r"d_model must be even.*got 3"):
        Sinusoidal(3)
    with pytest.raises(ValueError, match=r"layout must be one of .* got 'gptj'"):
        Sinusoidal(4, layout="gptj")
    with pytest.raises(ValueError, match=r"n_heads must be at least 1, got 0"):
        Alibi(0)


def test_inputs_stay():
    x, angles, table, positions = np.ones((3, 4)), np.ones((3, 2)), np.ones((8, 2)), np.arange(3)
    arrays = [a.copy() for a in (x, angles, table, positions)]
    rotate(x, angles, layout="half")
    Rotary(scaling=of("yarn", 2))(x, positions)
    t5_bias(table, 3, bidirectional=True)
    t5_bucket(positions, bidirectional=True)
    for array, copy in zip((x, angles, table, positions), arrays):
        np.testing.assert_array_equal(array, copy)
