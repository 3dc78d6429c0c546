"""effects.py: sums that must come out, slow loops, and models that are the same afterwards."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from attnlib import CrossAttention, SelfAttention, softmax
from attnlib.effects import (
    divergence,
    edited,
    head_effects,
    head_means,
    hide_each,
    rank_correlation,
    redrawn,
    replaced,
    rollout,
    silenced,
    swap_each,
    value_norms,
)
from attnlib.layers import parameters
from attnlib.models.bert import Bert
from attnlib.models.gpt import GPT
from attnlib.models.pretrained import load
from attnlib.models.seq2seq import Seq2Seq

pytestmark = pytest.mark.filterwarnings("error")
close = np.testing.assert_allclose
RNG = np.random.default_rng


def maps(rng, *shape):
    return softmax(rng.normal(0, 2, shape))


def gpt(**options):
    return GPT(11, 8, 2, 2, n_max=12, dtype=np.float64, rng=RNG(3), **options)


IDS = np.array([3, 1, 4, 1, 5, 9, 2])


# ---- value_norms ---------------------------------------------------------------------------------


def slow_norms(weights, values, W_o):
    h, n_q, n_k = weights.shape
    d_head, out = values.shape[-1], np.zeros(weights.shape)
    for head in range(h):
        for i in range(n_q):
            for j in range(n_k):
                vector = [
                    sum(values[head][j][c] * W_o[head * d_head + c][m] for c in range(d_head))
                    for m in range(W_o.shape[1])
                ]
                out[head][i][j] = weights[head][i][j] * sum(x * x for x in vector) ** 0.5
    return out


@given(
    st.integers(1, 3), st.integers(1, 4), st.integers(1, 4), st.integers(1, 3), st.integers(1, 5)
)
@settings(max_examples=25, deadline=None)
def test_value_norms_are_those_of_the_loops(h, n_q, n_k, d_head, d_model):
    rng = RNG(h * n_q + n_k)
    weights, values, W_o = (
        maps(rng, h, n_q, n_k),
        rng.normal(size=(h, n_k, d_head)),
        rng.normal(size=(h * d_head, d_model)),
    )
    close(value_norms(weights, values, W_o), slow_norms(weights, values, W_o), rtol=1e-12)


def test_the_contributions_are_those_of_the_layer():
    """With one key allowed, the norm is the length of the layer's output itself."""
    layer, x = SelfAttention(8, 1, rng=RNG(1)), RNG(2).normal(size=(5, 8))
    steps = layer.steps(x, mask=np.eye(5, dtype=bool)[:, ::-1])
    norms = value_norms(steps.weights, steps.v, layer.W_o)
    close(norms.sum(axis=(0, 2)), np.linalg.norm(steps.output, axis=-1), rtol=1e-12)
    assert (norms[0] > 0).sum() == 5 and (norms[0] > 0)[:, ::-1].diagonal().all()


def test_kv_heads_are_repeated_for_their_group():
    layer, x = SelfAttention(8, 4, n_kv_heads=2, rng=RNG(1)), RNG(2).normal(size=(3, 5, 8))
    steps = layer.steps(x)
    close(
        value_norms(steps.weights, steps.v, layer.W_o),
        value_norms(steps.weights, np.repeat(steps.v, 2, axis=-3), layer.W_o),
    )
    with edited(layer, lambda weights, values: weights @ values):
        close(layer(x)[0], steps.output, rtol=1e-12)


@pytest.mark.parametrize(
    "shapes, words",
    [
        (((2, 3, 4), (2, 5, 3), (6, 7)), "a row for each key"),
        (((2, 3, 4), (3, 4, 3), (6, 7)), "heads that fit"),
        (((2, 3, 4), (2, 4, 3), (5, 7)), "W_o must have the shape"),
        (((3, 4), (2, 4, 3), (6, 7)), "weights must have the shape"),
    ],
)
def test_value_norms_refuse(shapes, words):
    with pytest.raises(ValueError, match=words):
        value_norms(*(np.ones(shape) for shape in shapes))


# ---- rollout -------------------------------------------------------------------------------------


def slow_rollout(weights, residual):
    """Every path from the top to the bottom, one by one."""
    layers, h, n, _ = weights.shape

    def share(i, layer, j):
        if layer < 0:
            return float(i == j)
        total = 0.0
        for k in range(n):
            step = sum(weights[layer, head, i, k] for head in range(h)) / h
            total += (residual * (i == k) + (1 - residual) * step) * share(k, layer - 1, j)
        return total

    return np.array([[share(i, layers - 1, j) for j in range(n)] for i in range(n)])


@pytest.mark.parametrize("residual", [0, 0.25, 0.5, 0.9, 1])
def test_rollout_is_the_sum_over_all_paths(residual):
    weights = maps(RNG(5), 3, 2, 4, 4)
    found = rollout(weights, residual=residual)
    close(found, slow_rollout(weights, residual), atol=1e-14)
    close(found.sum(axis=1), 1, rtol=1e-12)


def test_rollout_of_nobody_looking_elsewhere_is_the_identity():
    alone = np.broadcast_to(np.eye(5), (3, 2, 5, 5))
    close(rollout(alone, residual=0.3), np.eye(5), atol=1e-15)
    close(rollout(maps(RNG(1), 3, 2, 5, 5), residual=1), np.eye(5))


def test_the_last_layer_stands_on_the_left():
    """Token 2 looks at 1 in the last layer, 1 at 0 in the first: only in this order does 2 come to
    0.
    """
    first, last = np.eye(3)[[0, 0, 2]], np.eye(3)[[0, 1, 1]]
    close(rollout(np.array([[first], [last]]), residual=0)[2], [1, 0, 0])
    close(rollout(np.array([[last], [first]]), residual=0)[2], [0, 1, 0])
    assert rollout(maps(RNG(2), 2, 3, 4, 4).astype(np.float32)).dtype == np.float32


@pytest.mark.parametrize(
    "weights, residual, error, words",
    [
        (np.ones((2, 4, 4)), 0.5, ValueError, "layers, h, n, n"),
        (np.ones((2, 1, 4, 3)), 0.5, ValueError, "layers, h, n, n"),
        (np.ones((2, 1, 3, 3)), 1.5, ValueError, "residual must be a share"),
        (np.ones((2, 1, 3, 3)), np.nan, ValueError, "residual must be a share"),
        (np.ones((2, 1, 3, 3)), "half", TypeError, "residual must be a number"),
    ],
)
def test_rollout_refuses(weights, residual, error, words):
    with pytest.raises(error, match=words):
        rollout(weights, residual=residual)


# ---- redrawn -------------------------------------------------------------------------------------


@given(st.integers(1, 40), st.integers(1, 6), st.integers(0, 10**6))
@settings(max_examples=60, deadline=None)
def test_a_redrawn_row_has_the_same_output_and_is_a_row(n, d, seed):
    rng = RNG(seed)
    row, values, wish = maps(rng, n), rng.normal(size=(n, d)), rng.dirichlet(np.ones(n))
    new = redrawn(row, values, wish)
    close(new @ values, row @ values, atol=1e-9)
    assert new.min() >= 0 and new.sum() == pytest.approx(1, abs=1e-9)
    assert np.linalg.norm(new - wish) <= np.linalg.norm(row - wish) + 1e-12, (
        "not farther from the wish than before"
    )


def test_with_few_keys_there_is_no_other_row_and_with_many_there_is():
    rng = RNG(0)
    for n, moves in ((3, False), (7, False), (8, True), (30, True)):  # d + 1 = 7
        row = rng.dirichlet(np.full(n, 20.0))
        new = redrawn(row, rng.normal(size=(n, 6)), np.eye(n)[0])
        assert (np.abs(new - row).max() > 1e-6) == moves


def test_twins_take_all_that_the_other_had():
    values = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0], [5.0, 5.0]])
    close(redrawn([0.7, 0.2, 0.0, 0.1], values, [0, 0, 1, 0]), [0, 0.2, 0.7, 0.1], atol=1e-12)
    # a wish that can be had
    close(redrawn([0.7, 0.3], values[[0, 2]], [0.2, 0.8]), [0.2, 0.8], atol=1e-12)


def test_the_walk_goes_on_along_a_wall():
    """All values alike, so that any row will do. The second weight comes to 0 first; the nearest
    row without it is known.
    """
    row, wish = np.array([0.0, 0.5, 0.3, 0.2]), np.array([1.0, -1.0, 0.5, 0.5])
    close(redrawn(row, np.ones((4, 1)), wish), [2 / 3, 0, 1 / 6, 1 / 6], atol=1e-12)
    close(redrawn(row, np.ones((4, 1)), [1, 0, 0, 0]), [1, 0, 0, 0], atol=1e-12)


@pytest.mark.parametrize(
    "given, words",
    [
        (([0.5, 0.5], np.ones((3, 2)), [1, 0]), "shapes"),
        (([0.5, 0.5], np.ones((2, 2)), [1, 0, 0]), "shapes"),
        (([1.5, -0.5], np.ones((2, 2)), [1, 0]), "not be below 0"),
        (([0.5, np.nan], np.ones((2, 2)), [1, 0]), "weights must be finite"),
    ],
)
def test_redrawn_refuses(given, words):
    with pytest.raises(ValueError, match=words):
        redrawn(*given)


# ---- rank_correlation, divergence ----------------------------------------------------------------


def slow_spearman(a, b):
    """Mean ranks by sorting, then Pearson's formula."""

    def ranks(x):
        order = sorted(x)
        return [np.mean([place for place, value in enumerate(order) if value == one]) for one in x]

    return np.corrcoef(ranks(a), ranks(b))[0, 1]


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=2, max_size=12))
@settings(max_examples=80, deadline=None)
def test_rank_correlation_shares_ranks_among_equals(pairs):
    a, b = (np.array(x, float) for x in zip(*pairs))
    found = rank_correlation(a, b)
    if len(set(a)) == 1 or len(set(b)) == 1:
        assert np.isnan(found)
    else:
        assert found == pytest.approx(slow_spearman(a, b), abs=1e-12)


def test_rank_correlation_sees_the_order_alone():
    x = RNG(0).normal(size=20)
    assert rank_correlation(x, np.exp(5 * x)) == pytest.approx(1) and rank_correlation(
        x, -(x**3)
    ) == pytest.approx(-1)
    assert np.isnan(rank_correlation([1.0], [2.0])) and np.isnan(rank_correlation([], []))
    with pytest.raises(ValueError, match="same shape"):
        rank_correlation([1, 2], [1, 2, 3])
    with pytest.raises(ValueError, match="a must be finite"):
        rank_correlation([1, np.nan], [1, 2])


def test_divergence_is_the_sum_of_p_log_p_over_q():
    a, b = RNG(0).normal(size=(2, 3, 7))
    p, q = softmax(a), softmax(b)
    close(
        divergence(a, b),
        [[sum(x * np.log(x / y) for x, y in zip(*rows))] for rows in zip(p, q)] @ np.ones(1),
        rtol=1e-12,
    )
    close(divergence(a, a + 5), 0, atol=1e-15)
    assert divergence(a[0], b).shape == (3,)


# ---- on a model ----------------------------------------------------------------------------------


def models():
    """Name -> (attention layer, run() -> output, model), for each kind of model that the course
    reads.
    """
    decoder, grouped, bert = (
        gpt(),
        gpt(n_kv_heads=1, use_bias=True, positions="rotary"),
        Bert(11, 8, 1, 2, rng=RNG(5)),
    )
    seq, cross = (
        Seq2Seq(9, 9, 8, 1, 2, dtype=np.float64, rng=RNG(4)),
        CrossAttention(8, 2, rng=RNG(6)),
    )
    x, context = RNG(7).normal(size=(2, 3, 8)), RNG(8).normal(size=(2, 5, 8))
    for one in (grouped.blocks[0], bert.blocks[0]):
        one.attention.b_o[...] = RNG(9).normal(size=8)
    return {
        "gpt": (decoder.blocks[1].attention, lambda: decoder.logits(IDS), decoder),
        "grouped": (grouped.blocks[0].attention, lambda: grouped.logits(IDS[None]), grouped),
        "seq2seq cross": (
            seq.decoder[0].cross_attention,
            lambda: seq.logits(IDS % 9, IDS[:4] % 9),
            seq,
        ),
        "seq2seq encoder": (
            seq.encoder[0].attention,
            lambda: seq.logits(IDS % 9, IDS[:4] % 9),
            seq,
        ),
        "bert": (bert.blocks[0].attention, lambda: bert.forward(IDS).output, bert),
        "a layer alone": (cross, lambda: cross(x, context)[0], cross),
    }


each_model = pytest.mark.parametrize("name", list(models()))


@each_model
def test_a_silenced_head_is_a_head_whose_rows_of_W_o_are_zero(name):
    layer, run, _ = models()[name]
    with silenced(layer, 1):
        found = run()
    d_head = len(layer.W_o) // 2
    layer.W_o[d_head:] = 0
    close(found, run(), rtol=1e-5, atol=1e-7)
    with silenced(layer, 0, 1):
        none = run()
    layer.W_o[...] = 0
    close(none, run(), rtol=1e-5, atol=1e-7)


@each_model
def test_afterwards_the_model_is_as_it_was(name):
    layer, run, model = models()[name]
    numbers = {key: array.copy() for key, array in parameters(model).items()}
    before, attributes = run(), set(vars(layer))
    with silenced(layer, 0):
        assert not np.allclose(run(), before)
    with (
        pytest.raises(KeyboardInterrupt),
        edited(layer, lambda weights, values: 0 * (weights @ values)),
    ):
        raise KeyboardInterrupt
    with pytest.raises(ZeroDivisionError), edited(layer, lambda weights, values: 1 / 0):
        run()
    np.testing.assert_array_equal(run(), before)
    assert set(vars(layer)) == attributes
    for key, array in parameters(model).items():
        np.testing.assert_array_equal(array, numbers[key])


@each_model
def test_an_edit_that_changes_nothing_changes_nothing(name):
    layer, run, _ = models()[name]
    before = run()
    with edited(layer, lambda weights, values: weights @ values):
        close(run(), before, rtol=1e-6, atol=1e-7)


def test_edits_go_into_each_other_and_come_off_in_turn():
    model = gpt()
    layer = model.blocks[0].attention
    with silenced(layer, 0, 1):
        both = model.logits(IDS)
    with silenced(layer, 0):
        one = model.logits(IDS)
        with silenced(layer, 0, 1):
            close(model.logits(IDS), both)
        close(model.logits(IDS), one)
    assert "steps" not in vars(layer)


def test_mean_ablation_hands_on_the_mean_and_leaves_the_others():
    model = gpt()
    layer = model.blocks[1].attention
    means = head_means(layer, lambda: [model.logits(IDS), model.logits(IDS[:3])])
    mixed = [model.steps(ids).blocks[1].attention.inner.joined for ids in (IDS, IDS[:3])]
    close(means, np.concatenate(mixed).mean(axis=0).reshape(2, 4), rtol=1e-12)
    with silenced(layer, 1, to=means):
        joined = model.steps(IDS).blocks[1].attention.inner.joined
    close(joined[:, 4:], np.broadcast_to(means[1], (7, 4)))
    close(joined[:, :4], mixed[0][:, :4])


def test_head_effects_are_those_one_by_one():
    model = gpt()
    layers = [block.attention for block in model.blocks]

    def measure():
        return float(model.logits(IDS)[-1, 0])

    found, whole = head_effects(layers, measure), measure()
    for layer, head in np.ndindex(2, 2):
        W_o = layers[layer].W_o
        kept = W_o.copy()
        W_o[4 * head : 4 * head + 4] = 0
        assert found[layer, head] == pytest.approx(measure() - whole, abs=1e-12)
        W_o[...] = kept
    with silenced(layers[0], 1, to=head_means(layers[0], measure)):
        assert head_effects(layers, measure, mean=True).shape == (2, 2)
        now = measure()
    assert head_effects(layers, measure, mean=True)[0, 1] == pytest.approx(now - whole, abs=1e-12)


def test_a_replaced_map_or_row_is_what_the_head_looks_at():
    model = gpt()
    layer, inner = model.blocks[1].attention, model.steps(IDS).blocks[1].attention.inner
    row = RNG(0).dirichlet(np.ones(7))
    with replaced(layer, 1, row):
        joined = model.steps(IDS).blocks[1].attention.inner.joined
    close(joined[-1, 4:], row @ inner.v[1])
    close(joined[:-1], inner.joined[:-1])
    close(joined[:, :4], inner.joined[:, :4])
    whole = maps(RNG(1), 7, 7)
    with replaced(layer, 0, whole):
        close(model.steps(IDS).blocks[1].attention.inner.joined[:, :4], whole @ inner.v[0])
        assert np.array_equal(model.steps(IDS).weights[1], inner.weights), (
            "the weights reported are the true ones"
        )


def test_another_row_with_the_same_output_leaves_the_prediction():
    model = GPT(11, 4, 2, 2, n_max=12, dtype=np.float64, rng=RNG(3))  # d_head 2
    steps = model.steps(IDS)
    row, values = steps.weights[0, 1, -1], steps.blocks[0].attention.inner.v[1]
    other = redrawn(row, values, np.eye(7)[0])
    assert np.abs(other - row).max() > 0.05
    with replaced(model.blocks[0].attention, 1, other):
        close(model.logits(IDS)[-1], steps.logits[-1], rtol=1e-8)


def test_hiding_a_token_is_a_mask_and_swapping_it_another_id():
    model = gpt()
    last, hidden, swapped = (
        model.logits(IDS)[-1],
        hide_each(model, IDS),
        swap_each(model, IDS, [0, 7]),
    )
    for j in range(7):
        mask = np.ones((7, 7), bool)
        for i in range(7):
            mask[i, j] = i == j
        assert hidden[j] == pytest.approx(
            divergence(last, model.logits(IDS, mask=mask)[-1]), abs=1e-14
        )
        effects = []
        for one in (0, 7):
            other = IDS.copy()
            other[j] = one
            effects.append(divergence(last, model.logits(other)[-1]))
        assert swapped[j] == pytest.approx(np.mean(effects), abs=1e-14)
    assert hidden[-1] == 0 and (hidden[:-1] > 0).all()


def test_the_head_of_the_reverser_that_looks_idle_cannot_be_spared():
    reverser = load("reverse")
    layer, words = (
        reverser.model.decoder[0].cross_attention,
        ["cat", "tired", "mechanism", "heatmap", "backwards", "sentence"],
    )

    def right():
        return sum(reverser.translate(word) == word[::-1] for word in words)

    effects = head_effects([layer], right)[0]
    assert (
        right() == 6
        and effects.argmin() == 1
        and effects[1] <= -4
        and effects[[0, 2, 3]].min() >= -2
    )


@pytest.mark.parametrize(
    "call, error, words",
    [
        (lambda layer: silenced(layer, 2), ValueError, "heads must be at most 1"),
        (
            lambda layer: silenced(layer, 0, to=np.zeros(3)),
            ValueError,
            r"shape \(h, d_head\), here \(2, 4\)",
        ),
        (lambda layer: silenced(layer, 0, to=np.nan), ValueError, "to must be finite"),
        (
            lambda layer: silenced(gpt(), 0),
            TypeError,
            "attention must be a SelfAttention or CrossAttention",
        ),
        (lambda layer: edited(gpt().blocks[0], max), TypeError, "got DecoderBlock"),
        (lambda layer: replaced(layer, 5, np.ones(3)), ValueError, "head must be at most 1"),
        (
            lambda layer: replaced(layer, 0, np.ones((1, 2, 3))),
            ValueError,
            "weights must have the shape",
        ),
    ],
)
def test_edits_refuse(call, error, words):
    with pytest.raises(error, match=words), call(gpt().blocks[0].attention):
        pass


def test_wrong_shapes_are_refused_when_the_model_runs():
    model = gpt()
    layer = model.blocks[0].attention
    with (
        edited(layer, lambda weights, values: values[..., :2, :]),
        pytest.raises(ValueError, match="edit must return"),
    ):
        model.logits(IDS)
    with (
        replaced(layer, 0, np.ones(5)),
        pytest.raises(ValueError, match=r"weights must have the shape \(7,\) here"),
    ):
        model.logits(IDS)
    with pytest.raises(ValueError, match="run must run the model"):
        head_means(layer, lambda: None)
