"""effects.py: sums that must come out, slow loops, and models that are the same afterwards."""

import ast
import contextlib
import copy
import pickle

import nbformat
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import notebooks
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
from attnlib.layers import RMSNorm, cast, parameters
from attnlib.models.bert import Bert
from attnlib.models.gemma import GemmaAttention
from attnlib.models.gpt import GPT
from attnlib.models.pretrained import load
from attnlib.models.seq2seq import Seq2Seq
from attnlib.training import AdamW

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


# ---- several edits at once -----------------------------------------------------------------------

TAKEN = RNG(20).normal(size=(2, 4))  # (h, d_head), numbers to silence a head to
PUSH = RNG(21).normal(size=4)
MAPS = [maps(RNG(seed), 7, 7) for seed in (22, 23)]
ROW = RNG(24).dirichlet(np.ones(7))


def small():
    """A GPT without norms and feed-forward layers: two layers of attention, two heads in each."""
    return GPT(11, 8, 2, 2, n_max=12, norm=None, d_hidden=0, dtype=np.float64, rng=RNG(3))


def pushed(head):
    def edit(weights, values):
        mixed = weights @ values
        mixed[..., head, :, :] += PUSH
        return mixed

    return edit


def nobody_looks_at_the_first(weights, values):
    weights[..., 1:, 0] = 0
    return weights @ values


def by_einsum(weights, values):
    return np.einsum("...hqk,...hkd->...hqd", weights, values)


# name -> (how it is opened, what it does to which head, told to `forward` below)
KINDS = {
    "silenced 0": (lambda layer: silenced(layer, 0), {0: ("to", 0.0)}),
    "silenced 1": (lambda layer: silenced(layer, 1), {1: ("to", 0.0)}),
    "silenced 0 and 1": (lambda layer: silenced(layer, 0, 1), {0: ("to", 0.0), 1: ("to", 0.0)}),
    "silenced 1 to numbers": (lambda layer: silenced(layer, 1, to=TAKEN), {1: ("to", TAKEN[1])}),
    "replaced 0": (lambda layer: replaced(layer, 0, MAPS[0]), {0: ("map", MAPS[0])}),
    "replaced 1": (lambda layer: replaced(layer, 1, MAPS[1]), {1: ("map", MAPS[1])}),
    "replaced 1 otherwise": (lambda layer: replaced(layer, 1, MAPS[0]), {1: ("map", MAPS[0])}),
    "replaced 1, last row": (lambda layer: replaced(layer, 1, ROW), {1: ("row", ROW)}),
    "pushed 0": (lambda layer: edited(layer, pushed(0)), {0: ("push", PUSH)}),
    "pushed 1": (lambda layer: edited(layer, pushed(1)), {1: ("push", PUSH)}),
    "nobody looks at the first": (
        lambda layer: edited(layer, nobody_looks_at_the_first),
        {0: ("blind", None), 1: ("blind", None)},
    ),
    "an edit that changes nothing": (lambda layer: edited(layer, by_einsum), {}),
}
each_kind = pytest.mark.parametrize("one", KINDS)


def by_hand(layer, x, context, seen, names):
    """The output of an attention layer, written out anew: query i sees the keys seen[i]."""
    written = np.zeros((len(x), 8))
    for head in range(2):
        part = slice(4 * head, 4 * head + 4)
        q, k, v = x @ layer.W_q[:, part], context @ layer.W_k[:, part], context @ layer.W_v[:, part]
        done = [KINDS[name][1][head] for name in names if head in KINDS[name][1]]
        weights = np.zeros((len(x), len(context)))
        for i, keys in enumerate(seen):
            shares = np.exp([q[i] @ k[j] / 2 for j in keys])
            weights[i, keys] = shares / shares.sum()
        for what, numbers in done:
            if what == "map":
                weights = numbers.copy()
            if what == "row":
                weights[-1] = numbers
        if any(what == "blind" for what, _ in done):
            weights[1:, 0] = 0
        instead = [numbers for what, numbers in done if what == "to"]
        said = np.zeros((len(x), 4)) + instead[0] if instead else weights @ v
        written += (said + sum(numbers for what, numbers in done if what == "push")) @ layer.W_o[
            part
        ]
    return written


def forward(model, ids, changes=((), ()), mask=None):
    """The logits of `small`, written out anew: changes holds names of KINDS for each layer."""
    x = np.array([model.embedding[token] + model.positions.table[i] for i, token in enumerate(ids)])
    seen = [[j for j in range(i + 1) if mask is None or mask[i, j]] for i in range(len(ids))]
    for block, names in zip(model.blocks, changes):
        x = x + by_hand(block.attention, x, x, seen, names)
    return x @ model.unembedding


def clash(one, two):
    """The heads at which two kinds cannot both be true."""

    def at_odds(a, b):
        if {a[0], b[0]} <= {"push", "blind"} or {a[0], b[0]} == {"map", "row"}:
            return True
        return a[0] == b[0] and not np.array_equal(a[1], b[1])

    one, two = KINDS[one][1], KINDS[two][1]
    return [head for head in one if head in two and at_odds(one[head], two[head])]


def test_without_an_edit_the_pass_of_these_tests_is_that_of_the_model():
    model = small()
    close(forward(model, IDS), model.logits(IDS), rtol=1e-12, atol=1e-14)


@each_kind
@pytest.mark.parametrize("two", KINDS)
def test_two_edits_of_one_layer_add_up_or_are_refused(one, two):
    """All kinds, both orders, in both layers."""
    for place in (0, 1):
        model = small()
        layer, before = model.blocks[place].attention, model.logits(IDS)
        changes = [(), ()]
        changes[place] = (one, two)
        if heads := clash(one, two):
            fix = "end that `with` first|do both in one edit"
            words = rf"^head {heads[0]} of this SelfAttention \(d_model 8, 2 heads\) is .*({fix})"
            with pytest.raises(ValueError, match=words):
                with KINDS[one][0](layer), KINDS[two][0](layer):
                    model.logits(IDS)
        else:
            with KINDS[one][0](layer), KINDS[two][0](layer):
                close(model.logits(IDS), forward(model, IDS, changes), rtol=1e-10, atol=1e-12)
        assert "steps" not in vars(layer)
        np.testing.assert_array_equal(model.logits(IDS), before)


@each_kind
@pytest.mark.parametrize("two", KINDS)
def test_edits_of_a_cross_attention_add_up_or_are_refused(one, two):
    layer, x, context = CrossAttention(8, 2, rng=RNG(6)), *RNG(7).normal(size=(2, 7, 8))
    if clash(one, two):
        with pytest.raises(ValueError, match=r"of this CrossAttention \(d_model 8, 2 heads\)"):
            with KINDS[one][0](layer), KINDS[two][0](layer):
                layer(x, context)
    else:
        wanted = by_hand(layer, x, context, [list(range(7))] * 7, (one, two))
        with KINDS[one][0](layer), KINDS[two][0](layer):
            close(layer(x, context)[0], wanted, rtol=1e-10, atol=1e-12)
    assert "steps" not in vars(layer)


@each_kind
@pytest.mark.parametrize("two", KINDS)
def test_edits_of_two_layers_never_meet(one, two):
    model = small()
    first, second = (block.attention for block in model.blocks)
    wanted = forward(model, IDS, [(one,), (two,)])
    with KINDS[one][0](first), KINDS[two][0](second):
        close(model.logits(IDS), wanted, rtol=1e-10, atol=1e-12)
    with KINDS[two][0](second), KINDS[one][0](first):
        close(model.logits(IDS), wanted, rtol=1e-10, atol=1e-12)


@given(
    st.lists(st.tuples(st.sampled_from([0, 1]), st.sampled_from(list(KINDS))), max_size=6),
    st.randoms(use_true_random=False),
)
@settings(max_examples=60, deadline=None)
def test_edits_end_in_any_order(wanted, random):
    """Many at once, closed out of their order: after each, what is left is what is open."""
    model, left = small(), []
    before = model.logits(IDS)
    for layer, kind in wanted:
        if any(layer == place and clash(kind, other) for place, other, _ in left):
            continue
        one = KINDS[kind][0](model.blocks[layer].attention)
        one.__enter__()
        left.append((layer, kind, one))
    random.shuffle(left)
    while left:
        changes = [[kind for at, kind, _ in left if at == layer] for layer in (0, 1)]
        close(model.logits(IDS), forward(model, IDS, changes), rtol=1e-9, atol=1e-11)
        left.pop()[2].__exit__(None, None, None)
    assert not any("steps" in vars(block.attention) for block in model.blocks)
    np.testing.assert_array_equal(model.logits(IDS), before)


@each_kind
def test_what_is_measured_under_an_edit_is_measured_of_the_edited_model(one):
    model, changes = small(), [(one,), ()]
    layer = model.blocks[0].attention
    last = forward(model, IDS, changes)[-1]
    hidden, swapped = [], []
    for j in range(7):
        mask = np.ones((7, 7), bool)
        mask[:, j] = np.arange(7) == j
        hidden.append(divergence(last, forward(model, IDS, changes, mask)[-1]))
        other = np.array([*IDS[:j], 6, *IDS[j + 1 :]])
        swapped.append(divergence(last, forward(model, other, changes)[-1]))
    spared = [
        forward(model, IDS, [(one,), (f"silenced {head}",)])[-1, 0] - last[0] for head in (0, 1)
    ]
    with KINDS[one][0](layer):
        close(hide_each(model, IDS), hidden, atol=1e-10)
        close(swap_each(model, IDS, [6]), swapped, atol=1e-10)
        upper = [model.blocks[1].attention]
        close(head_effects(upper, lambda: model.logits(IDS)[-1, 0])[0], spared, atol=1e-10)
        joined = model.steps(IDS).blocks[0].attention.inner.joined
        means = head_means(layer, lambda: model.logits(IDS))
        close(means, joined.mean(axis=0).reshape(2, 4), rtol=1e-10, atol=1e-12)


def test_a_head_that_is_silenced_already_has_nothing_left_to_lose():
    model = small()
    layer = model.blocks[0].attention

    def measure():
        return float(model.logits(IDS)[-1, 0])

    with silenced(layer, 1):
        assert head_effects([layer], measure)[0, 1] == 0
        assert head_effects([layer], measure, mean=True)[0, 1] == 0
    with silenced(layer, 1, to=TAKEN):
        means = head_means(layer, measure)
        np.testing.assert_array_equal(means[1], TAKEN[1])
        assert head_effects([layer], measure, mean=True)[0, 1] == 0
        with pytest.raises(
            ValueError, match=r"head 1 of this .* silenced already, to other numbers"
        ):
            head_effects([layer], measure)
    assert "steps" not in vars(layer)


def test_two_heads_of_tiny_gpt_silenced_one_by_one_are_two_heads_silenced():
    """The next token's share was as if one head alone were gone."""
    gpt = load("tiny-gpt")
    layer, ids = gpt.model.blocks[0].attention, gpt.encode("The President of the United")

    def share():
        return softmax(gpt.model.logits(ids)[-1]).max()

    with silenced(layer, 1):
        one = share()
    with silenced(layer, 0), silenced(layer, 1):
        nested = share()
    kept = layer.W_o.copy()
    layer.W_o[: 2 * len(layer.W_o) // 4] = 0
    try:
        by_hand = share()
    finally:
        layer.W_o[...] = kept
    assert nested == pytest.approx(by_hand, abs=1e-5) and by_hand < 0.5 < 0.9 < one


@each_model
def test_heads_silenced_one_by_one_are_those_whose_rows_of_W_o_are_zero(name):
    layer, run, _ = models()[name]
    with silenced(layer, 1), silenced(layer, 0):
        found = run()
    layer.W_o[...] = 0
    close(found, run(), rtol=1e-5, atol=1e-7)


def test_a_norm_behind_the_layer_still_stands_behind_it():
    layer, x = GemmaAttention(8, 2, rng=RNG(1)), RNG(2).normal(size=(5, 8))
    layer.norm_behind = RMSNorm(8)
    whole = layer(x)[0]
    with edited(layer, by_einsum):
        close(layer(x)[0], whole, rtol=1e-10)
    with silenced(layer, 1):
        found = layer(x)[0]
    layer.W_o[4:] = 0
    close(found, layer(x)[0], rtol=1e-10)


@each_kind
def test_whatever_happens_in_between_the_layer_is_as_it_was(one):
    model = small()
    layer, before = model.blocks[0].attention, model.logits(IDS)
    opened = KINDS[one][0]

    def as_it_was():
        np.testing.assert_array_equal(model.logits(IDS), before)
        return "steps" not in vars(layer)

    for error in (ZeroDivisionError, KeyboardInterrupt, GeneratorExit, SystemExit):
        with (
            pytest.raises(error),
            opened(layer),
            silenced(layer),
            opened(model.blocks[1].attention),
        ):
            raise error
        assert as_it_was()

    def left_open():
        with opened(layer):
            yield model.logits(IDS)

    generator = left_open()
    close(next(generator), forward(model, IDS, [(one,), ()]), rtol=1e-10, atol=1e-12)
    generator.close()
    assert as_it_was()
    generator = left_open()
    next(generator)
    del generator  # nobody closes it
    assert as_it_was()
    never_entered = opened(layer)
    del never_entered
    assert as_it_was()


def test_the_same_edit_twice_is_there_until_both_have_ended():
    model = small()
    layer, wanted = model.blocks[0].attention, forward(small(), IDS, [("silenced 1",), ()])
    one, two = silenced(layer, 1), silenced(layer, 1)
    one.__enter__()
    two.__enter__()
    one.__exit__(None, None, None)
    close(model.logits(IDS), wanted, rtol=1e-10, atol=1e-12)
    two.__exit__(None, None, None)
    assert "steps" not in vars(layer)


def test_what_a_layer_was_given_by_hand_is_there_afterwards():
    model = small()
    layer = model.blocks[0].attention
    mine = layer.steps
    layer.steps = mine
    with silenced(layer, 0), replaced(layer, 1, MAPS[1]):
        wanted = forward(model, IDS, [("silenced 0", "replaced 1"), ()])
        close(model.logits(IDS), wanted, rtol=1e-10, atol=1e-12)
    assert vars(layer)["steps"] is mine


def test_an_edit_may_write_into_what_it_is_given():
    model = small()
    layer, true = model.blocks[0].attention, model.steps(IDS).weights[0]

    def edit(weights, values):
        weights[:] = 0
        values[:] = 0
        return weights @ values

    with edited(layer, edit):
        np.testing.assert_array_equal(model.steps(IDS).weights[0], true)


def test_the_map_that_is_put_in_is_a_copy():
    model, given = small(), MAPS[0].copy()
    with replaced(model.blocks[0].attention, 0, given):
        given[:] = 0
        wanted = forward(model, IDS, [("replaced 0",), ()])
        close(model.logits(IDS), wanted, rtol=1e-10, atol=1e-12)


def test_the_parameters_are_the_same_under_edits():
    """An open edit is no part of the layer: names, order and arrays stay, and so does `cast`."""
    model = gpt()
    layer = model.blocks[0].attention
    whole, of_layer = parameters(model), parameters(layer)
    edits = [
        silenced(layer, 0),
        replaced(layer, 1, np.eye(7)),
        edited(layer, lambda weights, values: weights @ values),
    ]
    for edit in edits:
        with edit:
            for part, outside in ((model, whole), (layer, of_layer)):
                inside = parameters(part)
                assert list(inside) == list(outside)
                assert all(inside[name] is outside[name] for name in outside)
            assert cast(model, np.float64) is model
            AdamW(inside, lr=0.1)


@pytest.mark.parametrize("copied", [copy.deepcopy, pickle.dumps], ids=["deepcopy", "pickle"])
def test_an_edited_model_is_not_copied(copied):
    """The copy's layer would run the parameters of the original."""
    model = small()
    with silenced(model.blocks[0].attention, 0):
        with pytest.raises(TypeError, match=r"SelfAttention .* is edited here: copy or save it"):
            copied(model)
    copied(model)


def test_two_edits_are_refused_when_the_model_runs_and_only_then():
    model = small()
    layer = model.blocks[1].attention
    with edited(layer, pushed(1)):
        with edited(layer, pushed(1)):
            with pytest.raises(ValueError, match=r"head 1 .* changed by two edits at once"):
                model.logits(IDS)
        wanted = forward(model, IDS, [(), ("pushed 1",)])
        close(model.logits(IDS), wanted, rtol=1e-10, atol=1e-12)


def array_behind(node):
    """The array that an expression is a view of: "W_o" for layer.W_o.reshape(4, -1)[0]."""
    while node is not None and not isinstance(node, ast.Name):
        if isinstance(node, ast.Attribute) and node.attr == "W_o":
            return "W_o"
        if isinstance(node, ast.Attribute) and node.attr == "copy":
            return None
        node = getattr(node, "value", getattr(node, "func", None))
    return getattr(node, "id", None)


def silences_by_hand(source):
    """What a cell writes into a W_o, whatever name it has there."""
    lines = [line for line in source.splitlines() if not line.lstrip().startswith(("%", "!"))]
    names, found = {"W_o"}, []
    for node in ast.walk(ast.parse("\n".join(lines))):  # assignments of one depth in their order
        for target in getattr(node, "targets", [getattr(node, "target", None)]):
            values = getattr(node, "value", None)
            pairs = [(target, values)]
            if isinstance(target, ast.Tuple):
                values = values.elts if isinstance(values, ast.Tuple) else [None] * 99
                pairs = list(zip(target.elts, values))
            for one, value in pairs:
                if isinstance(one, (ast.Subscript, ast.Attribute)) and array_behind(one) in names:
                    found.append(ast.unparse(node))
                if isinstance(one, ast.Name) and array_behind(value) in names:
                    names.add(one.id)
    return found


@pytest.mark.parametrize(
    "source, found",
    [
        ("layer.W_o[16 * head : 16 * head + 16] = 0", 1),
        ("W_o.reshape(n_heads, -1, 64)[list(heads)] = 0", 1),
        ("model.blocks[0].attention.W_o.reshape(4, -1, 128)[head] *= 0", 1),
        ("layer.W_o = np.zeros((8, 8))", 1),
        ("W_o[...], b = kept, 1", 1),
        ("a, mine = 1, layer.W_o.reshape(4, -1, 8)\nmine[2] = 0", 1),
        ("mine = layer.W_o.copy()\nmine[2] = 0", 0),
        ("table[W_o.argmax()], x.shape = 1, 2", 0),
        ("W_o = rng.normal(size=(8, 6))\nx = together @ W_o[:4]\ntable[0] = 1", 0),
    ],
)
def test_silencing_by_hand_is_found(source, found):
    assert len(silences_by_hand(source)) == found


@pytest.mark.parametrize("path", notebooks.paths(), ids=lambda path: path.stem)
def test_no_notebook_silences_a_head_by_hand(path):
    for cell in nbformat.read(path, 4).cells:
        if cell.cell_type == "code" and cell.id != "setup":
            assert not silences_by_hand(cell.source), f"with silenced(layer, head): ({cell.id})"


# ---- what the edits of a layer do ----------------------------------------------------------------


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


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("size", [1e-7, 1e-6, 1e-5, 1e-3, 0.1])
def test_two_small_edits_of_one_head_add_up_or_are_refused(dtype, size):
    """However small: none of two is dropped because it might be rounding."""
    layer = cast(SelfAttention(8, 2), dtype)
    x = np.random.default_rng(0).normal(size=(4, 8)).astype(dtype)

    def moved(by):
        def edit(weights, values):
            mixed = weights @ values
            mixed[..., 1, :, :] += dtype(by)
            return mixed

        return edit

    before = layer(x)[0]

    def change(*edits):
        with contextlib.ExitStack() as stack:
            for edit in edits:
                stack.enter_context(edited(layer, edit))
            return layer(x)[0] - before

    try:
        both = change(moved(size), moved(2 * size))
    except ValueError as error:
        assert str(error).startswith("head 1 of this SelfAttention")
    else:
        alone = change(moved(size)) + change(moved(2 * size))
        np.testing.assert_allclose(both, alone, rtol=0, atol=20 * np.finfo(dtype).eps)
