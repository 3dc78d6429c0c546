"""models/seq2seq.py and its training: the encoder-decoder, decoding, the two tasks, the shipped
weights.
"""

import itertools
import json
import time
from datetime import datetime, timedelta

import numpy as np
import pytest
from test_training import check

from attnlib import training
from attnlib.course.shipped import seq2seq as script
from attnlib.heads import CrossAttention, KVCache
from attnlib.layers import CrossDecoderBlock, LayerCache, parameters
from attnlib.models import translator
from attnlib.models.decoding import beam_search, greedy
from attnlib.models.seq2seq import Seq2Seq
from attnlib.models.translator import Characters, padded
from attnlib.training import translation as tasks
from attnlib.training.gradients import block_backward, cross_attention_backward

pytestmark = pytest.mark.filterwarnings("error")
KINDS = list(itertools.product(["pre", "post", None], ["learned", "sinusoidal", None]))
kinds = pytest.mark.parametrize("norm, positions", KINDS)
START, END = 1, 2


def close(a, b, atol=1e-12):
    np.testing.assert_allclose(a, b, rtol=0, atol=atol)


def tiny(dtype=np.float64, seed=3, **options):
    """A model whose every parameter is noise, so that no bias is zero and no gain is one."""
    options = {
        "n_max": 9,
        "use_bias": True,
        "activation": "gelu",
        "d_hidden": 6,
        "rng": np.random.default_rng(seed),
    } | options
    model = Seq2Seq(7, 6, 8, 2, 2, dtype=dtype, **options)
    rng = np.random.default_rng(seed + 1)
    for name, array in parameters(model).items():
        array += rng.normal(0, 0.3 if options.get("norm", "pre") else 0.1, array.shape)
        if name.endswith("embedding") and options.get("norm", "pre"):
            array *= 3
    return model


def tiny_batch():
    """Three texts of 5, 3 and 4 tokens with padding, and targets of 4 tokens: ids, mask, decoder
    ids, targets, where.
    """
    rng = np.random.default_rng(5)
    ids, decoder_ids, targets = (
        rng.integers(0, 7, (3, 5)),
        rng.integers(0, 6, (3, 4)),
        rng.integers(0, 6, (3, 4)),
    )
    return (
        ids,
        np.arange(5) < np.array([5, 3, 4])[:, None],
        decoder_ids,
        targets,
        rng.random((3, 4)) < 0.7,
    )


# ---- the forward pass ----------------------------------------------------------------------------


def by_hand(model, ids, decoder_ids):
    """The paper's figure 1 with two pre-norm blocks a side, in loops over heads and queries."""

    def norm(x, layer):
        spread = np.sqrt(x.var(axis=-1, keepdims=True) + 1e-5)
        return (x - x.mean(axis=-1, keepdims=True)) / spread * layer.gain + layer.bias

    def attend(layer, x, context, causal):
        q, k, v = (
            x @ layer.W_q + layer.b_q,
            context @ layer.W_k + layer.b_k,
            context @ layer.W_v + layer.b_v,
        )
        joined = np.zeros_like(q)
        for h, i in itertools.product(range(2), range(len(x))):
            columns, seen = slice(4 * h, 4 * h + 4), i + 1 if causal else len(context)
            scores = np.array([q[i, columns] @ k[j, columns] / 2 for j in range(seen)])
            shares = np.exp(scores) / np.exp(scores).sum()
            joined[i, columns] = sum(share * v[j, columns] for j, share in enumerate(shares))
        return joined @ layer.W_o + layer.b_o

    def feed(layer, x):
        return np.maximum(x @ layer.W_up + layer.b_up, 0) @ layer.W_down + layer.b_down

    x = model.source_embedding[ids] + model.source_positions.table[: len(ids)]
    for block in model.encoder:
        normed = norm(x, block.attention_norm)
        x = x + attend(block.attention, normed, normed, False)
        x = x + feed(block.feed_forward, norm(x, block.feed_forward_norm))
    context = norm(x, model.encoder_norm)
    y = model.target_embedding[decoder_ids] + model.target_positions.table[: len(decoder_ids)]
    for block in model.decoder:
        normed = norm(y, block.attention_norm)
        y = y + attend(block.attention, normed, normed, True)
        y = y + attend(block.cross_attention, norm(y, block.cross_attention_norm), context, False)
        y = y + feed(block.feed_forward, norm(y, block.feed_forward_norm))
    return context, norm(y, model.decoder_norm) @ model.unembedding


def test_it_is_the_transformer_of_the_paper():
    model = tiny(activation="relu", positions="learned", norm="pre")
    ids, decoder_ids = np.array([3, 0, 6, 6, 1]), np.array([1, 4, 5])
    context, logits = by_hand(model, ids, decoder_ids)
    close(model.encode(ids), context)
    close(model.logits(ids, decoder_ids), logits)


def test_trace():
    model = tiny()
    trace = model.forward([3, 0, 6, 6, 1], [1, 4, 5])
    assert trace.tokens == ["3", "0", "6", "6", "1"] and trace.decoder_tokens == ["1", "4", "5"]
    assert trace.weights.shape == (2, 2, 5, 5) and trace.decoder_weights.shape == (2, 2, 3, 3)
    assert trace.cross_weights.shape == (2, 2, 3, 5) and trace.output.shape == (3, 6)
    for weights in (trace.weights, trace.decoder_weights, trace.cross_weights):
        close(weights.sum(-1), 1)
    assert (np.triu(trace.decoder_weights, 1) == 0).all() and (trace.weights > 0).all()
    steps = model.steps([3, 0, 6, 6, 1], [1, 4, 5])
    np.testing.assert_array_equal(
        trace.cross_weights[1], steps.decoder[1].cross_attention.inner.weights
    )
    np.testing.assert_array_equal(trace.weights[1], steps.encoder[1].attention.inner.weights)
    np.testing.assert_array_equal(trace.output, steps.logits)


@kinds
def test_a_target_token_sees_no_later_one_and_the_whole_source(norm, positions):
    model, ids, decoder_ids = (
        tiny(norm=norm, positions=positions),
        np.array([3, 0, 6, 6, 1]),
        np.array([1, 4, 5, 2]),
    )
    before = model.logits(ids, decoder_ids)
    for place in range(4):
        changed = decoder_ids.copy()
        changed[place] = 3
        moved = np.abs(model.logits(ids, changed) - before).max(axis=-1) > 1e-9
        assert moved.tolist() == [i >= place for i in range(4)]
    for place in range(5):
        changed = ids.copy()
        changed[place] = 5
        assert (np.abs(model.logits(changed, decoder_ids) - before).max(axis=-1) > 1e-9).all()


@kinds
def test_a_padded_batch_is_each_text_alone(norm, positions):
    model, (ids, mask, decoder_ids, _, _) = tiny(norm=norm, positions=positions), tiny_batch()
    together, context = (
        model.logits(ids, decoder_ids, source_mask=mask),
        model.encode(ids, mask=mask),
    )
    for row, n in enumerate(mask.sum(axis=1)):
        close(together[row], model.logits(ids[row, :n], decoder_ids[row]))
        close(context[row, :n], model.encode(ids[row, :n]))
    other = np.where(mask, ids, 6 - ids)  # what stands on the padding does not matter
    close(model.logits(other, decoder_ids, source_mask=mask), together, atol=0)
    assert np.abs(model.logits(ids, decoder_ids) - together)[1:].max() > 1e-3
    close(model.logits(ids[1], decoder_ids[1], source_mask=mask[1]), together[1])


@kinds
@pytest.mark.parametrize("cuts", [[1, 1, 1, 1], [2, 2], [3, 1]])
def test_cached_is_uncached(norm, positions, cuts):
    model, (ids, mask, decoder_ids, _, _) = tiny(norm=norm, positions=positions), tiny_batch()
    caches, found, place = model.caches(), [], 0
    for n in cuts:
        source = ids if place == 0 else None
        found.append(
            model.logits(source, decoder_ids[:, place : place + n], source_mask=mask, caches=caches)
        )
        place += n
        assert [(len(c.own), len(c.source)) for c in caches] == [(place, 5)] * 2
    close(np.concatenate(found, axis=1), model.logits(ids, decoder_ids, source_mask=mask))


def test_the_source_is_projected_once():
    model, (ids, mask, decoder_ids, _, _) = tiny(), tiny_batch()
    caches = model.caches()
    model.logits(ids, decoder_ids[:, :1], source_mask=mask, caches=caches)
    before = [(cache.source.k.copy(), cache.source.v.copy()) for cache in caches]
    context = model.encode(ids, mask=mask)
    for (k, v), block in zip(before, model.decoder):
        layer = block.cross_attention
        close(k, (context @ layer.W_k + layer.b_k).reshape(3, 5, 2, 4).swapaxes(1, 2))
        close(v, (context @ layer.W_v + layer.b_v).reshape(3, 5, 2, 4).swapaxes(1, 2))
        layer.W_k[:] = layer.W_v[:] = np.nan  # nobody reads them again
    model.source_embedding[:] = np.nan
    steps = model.steps(None, decoder_ids[:, 1:2], source_mask=mask, caches=caches)
    assert np.isfinite(steps.logits).all() and steps.encoder == [] and steps.context is None
    for (k, v), cache in zip(before, caches):
        np.testing.assert_array_equal(cache.source.k, k)
        np.testing.assert_array_equal(cache.source.v, v)


def test_an_error_leaves_the_caches_as_they_were():
    model, caches = tiny(), None
    caches = model.caches()
    weights = model.decoder[1].feed_forward.W_up
    model.decoder[1].feed_forward.W_up = weights[:3]  # breaks behind three of four caches
    with pytest.raises(ValueError):
        model.logits([1, 2], [1], caches=caches)
    assert [(len(c.own), len(c.source)) for c in caches] == [(0, 0)] * 2
    model.decoder[1].feed_forward.W_up = weights
    close(model.logits([1, 2], [1], caches=caches), model.logits([1, 2], [1]))


@pytest.mark.parametrize("place", ["decoder_norm", "scores"])
def test_an_error_behind_the_last_block_leaves_all_caches_as_they_were(place, monkeypatch):
    """Those of the target and those of the source, of every block; at the first token and at the
    second.
    """
    model = tiny()
    caches, wanted = model.caches(), model.logits([1, 2, 3], [1, 4])

    def stop(*given):
        assert all(len(one.own) and len(one.source) for one in caches)
        raise KeyboardInterrupt

    for number, ids in enumerate(([1, 2, 3], None)):
        held = [(0, 0), (1, 3)][number]
        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
            patch.setattr(model, place, stop)
            model.logits(ids, [[1], [4]][number], caches=caches)
        assert [(len(one.own), len(one.source)) for one in caches] == [held] * 2
        close(model.logits(ids, [[1], [4]][number], caches=caches), wanted[number : number + 1])


def test_a_block_called_alone():
    rng = np.random.default_rng(0)
    block, x, context = CrossDecoderBlock(8, 2), rng.normal(size=(3, 8)), rng.normal(size=(5, 8))
    output, weights, cross = block(x, context)
    assert output.shape == (3, 8) and weights.shape == (2, 3, 3) and cross.shape == (2, 3, 5)
    cache = LayerCache(KVCache(), KVCache())
    found = [block(x[i : i + 1], context if i == 0 else None, cache=cache)[0] for i in range(3)]
    close(np.concatenate(found), output)
    hidden = block(x, context, context_mask=np.arange(5) < 3)
    assert (hidden[2][..., 3:] == 0).all()
    close(hidden[0], block(x, context[:3])[0])


def test_dtype():
    for dtype in (np.float32, np.float64):
        model = tiny(dtype=dtype, positions="sinusoidal")
        assert {a.dtype for a in parameters(model).values()} == {np.dtype(dtype)}
        assert {a.dtype for a in model.forward([1, 2], [1, 3]) if isinstance(a, np.ndarray)} == {
            np.dtype(dtype)
        }


# ---- gradients -----------------------------------------------------------------------------------


@pytest.mark.parametrize("n_kv_heads", [1, 2])
@pytest.mark.parametrize("use_bias", [False, True])
def test_cross_attention(n_kv_heads, use_bias):
    rng = np.random.default_rng(1)
    layer = CrossAttention(6, 2, d_context=5, n_kv_heads=n_kv_heads, use_bias=use_bias, rng=rng)
    x, context, bias = (
        rng.normal(size=(2, 3, 6)),
        rng.normal(size=(2, 4, 5)),
        rng.normal(size=(2, 3, 4)),
    )
    mask, grad = rng.random((2, 1, 3, 4)) < 0.7, rng.normal(size=(2, 3, 6))

    def loss(x=x, context=context, bias=bias):
        return (layer(x, context, mask=mask, bias=bias)[0] * grad).sum()

    steps = layer.steps(x, context, mask=mask, bias=bias)
    grad_x, gradients = cross_attention_backward(grad, layer, steps)
    check("cross-attention, x", lambda a: loss(x=a), x, grad_x)
    check("cross-attention, context", lambda a: loss(context=a), context, gradients.pop("context"))
    check("cross-attention, bias", lambda a: loss(bias=a), bias, gradients.pop("bias"))
    check_parameters("cross-attention", layer, loss, gradients)


@pytest.mark.parametrize("norm", ["pre", "post", None])
@pytest.mark.parametrize("d_hidden", [0, 6])
def test_decoder_block(norm, d_hidden):
    rng = np.random.default_rng(2)
    block = CrossDecoderBlock(6, 2, norm=norm, d_hidden=d_hidden, use_bias=True, rng=rng)
    x, context, grad = (
        rng.normal(size=(2, 3, 6)),
        rng.normal(size=(2, 4, 6)),
        rng.normal(size=(2, 3, 6)),
    )

    def loss(x=x, context=context):
        return (block(x, context)[0] * grad).sum()

    grad_x, gradients = block_backward(grad, block, block.steps(x, context))
    check("decoder block, x", lambda a: loss(x=a), x, grad_x)
    check(
        "decoder block, context",
        lambda a: loss(context=a),
        context,
        gradients.pop("cross_attention.context"),
    )
    check_parameters("decoder block", block, loss, gradients)


@pytest.mark.parametrize(
    "norm, positions", [("pre", "learned"), ("post", "sinusoidal"), (None, None)]
)
def test_the_whole_model(norm, positions):
    model, batch = tiny(norm=norm, positions=positions), tiny_batch()
    loss, gradients = training.seq2seq_loss_and_gradients(model, *batch)
    ids, mask, decoder_ids, targets, where = batch
    shares = np.exp(model.logits(ids, decoder_ids, source_mask=mask))
    shares /= shares.sum(axis=-1, keepdims=True)
    close(loss, -np.log(np.take_along_axis(shares, targets[..., None], -1)[..., 0])[where].mean())

    def forward():
        return training.cross_entropy(
            model.logits(ids, decoder_ids, source_mask=mask), targets, where=where
        )[0]

    check_parameters("encoder-decoder", model, forward, gradients)


def check_parameters(name, layer, loss, gradients, tolerance=1e-8):
    """Every parameter has a gradient, which is the slope of loss() by it."""
    found = parameters(layer)
    assert found.keys() == gradients.keys()
    for part, array in found.items():
        before = array.copy()

        def at(value, array=array):
            array[...] = value
            return loss()

        check(f"{name}, {part}", at, before, gradients[part], tolerance)
        array[...] = before


def test_it_learns():
    """Words of a and b from their end: a few steps are enough."""
    texts = [
        tasks.Example("".join(word), "".join(word[::-1]), {})
        for word in itertools.product("ab", repeat=3)
    ]
    task = tasks.Task(
        lambda rng: texts[rng.integers(8)], Characters("ab"), Characters("ab"), {}, {}
    )
    model = Seq2Seq(5, 5, 16, 1, 2, n_max=6)
    history = training.train(
        model,
        lambda rng: tasks.as_batch(task, [task.draw(rng) for _ in range(16)]),
        steps=120,
        lr=1e-2,
        loss=training.seq2seq_loss_and_gradients,
        progress=False,
    )
    assert history.losses[:3].mean() > 1 and history.losses[-10:].mean() < 0.1


# ---- decoding ------------------------------------------------------------------------------------


def log_probability(model, ids, target):
    """Of one whole target, by teacher forcing."""
    shares = np.exp(model.logits(ids, np.array([START, *target])))[: len(target)]
    shares /= shares.sum(axis=-1, keepdims=True)
    return float(sum(np.log(row[i]) for row, i in zip(shares, target)))


def every_target(n_max, vocabulary=6):
    """All that end within n_max tokens, and all that have n_max tokens without an end."""
    others = [i for i in range(vocabulary) if i != END]
    for n in range(n_max):
        yield from ((*row, END) for row in itertools.product(others, repeat=n))
    yield from itertools.product(others, repeat=n_max)


@pytest.mark.parametrize("seed", range(5))
def test_greedy_is_one_argmax_at_a_time(seed):
    model, (ids, mask, _, _, _) = tiny(seed=seed), tiny_batch()
    together = greedy(model, ids, start=START, end=END, n_max=6, source_mask=mask)
    for row, n in enumerate(mask.sum(axis=1)):
        expected = []
        while len(expected) < 6:
            following = model.logits(ids[row, :n], [START, *expected])[-1].argmax()
            if following == END:
                break
            expected.append(int(following))
        assert greedy(model, ids[row, :n], start=START, end=END, n_max=6).tolist() == expected
        assert together[row].tolist() == expected
        best = beam_search(model, ids[row, :n], start=START, end=END, n_beams=1, n_max=6)[-1].kept[
            0
        ]
        assert [i for i in best.ids if i != END] == expected


def test_greedy_stops_when_all_have_ended(shipped, monkeypatch):
    reverse, calls = shipped["reverse"], []
    logits = reverse.model.logits
    monkeypatch.setattr(
        reverse.model,
        "logits",
        lambda *args, **options: calls.append(args) or logits(*args, **options),
    )
    ids, mask = padded([reverse.encode_text("abc"), reverse.encode_text("abcdef")])
    found = greedy(reverse.model, ids, start=START, end=END, n_max=15, source_mask=mask)
    assert [reverse.target.decode(row) for row in found] == ["cba", "fedcba"] and len(calls) == 7


def test_what_is_written_behind_an_end_does_not_count():
    """As in a batch, where one text has ended and another has not."""
    model = tiny(positions="learned", norm="pre")
    model.decoder_norm.gain[:], model.decoder_norm.bias[:] = 1, 0
    for block in model.decoder:  # so that only the place decides
        block.attention.W_o[:] = block.cross_attention.W_o[:] = block.feed_forward.W_down[:] = 0
        block.attention.b_o[:] = block.cross_attention.b_o[:] = block.feed_forward.b_down[:] = 0
    model.target_embedding[:], model.target_positions.table[:], model.unembedding[:] = 0, 0, 0
    for place, token in enumerate([3, END, 4, END, END, 5, 5]):
        model.target_positions.table[place, token] = 1
    model.unembedding[:6] = np.eye(6)
    assert greedy(model, [0, 1], start=START, end=END, n_max=5).tolist() == [3]
    calls, logits = [], model.logits

    def late_end(*args, **options):  # the second text may not end at once
        found = logits(*args, **options).copy()
        calls.append(1)
        found[1, :, END] -= 9 * (len(calls) < 5)
        found[0, :, END] -= 9 * (len(calls) > 4)
        return found

    model.logits = late_end
    texts = greedy(model, [[0, 1], [0, 2]], start=START, end=END, n_max=7)
    assert texts[0].tolist() == [3] and len(texts[1]) == 4 and len(calls) == 5


@pytest.mark.parametrize("seed, power", list(itertools.product(range(4), [0, 0.6, 2])))
def test_a_wide_beam_finds_the_best_of_all(seed, power):
    model, ids = tiny(seed=seed), np.array([3, 0, 6, 6, 1])
    steps = beam_search(
        model, ids, start=START, end=END, n_beams=10_000, n_max=3, length_penalty=power
    )
    scores = {
        t: log_probability(model, ids, t) / ((5 + len(t)) / 6) ** power for t in every_target(3)
    }
    found = {h.ids: h.score for h in steps[-1].kept}
    assert found.keys() == scores.keys()
    close([found[t] for t in scores], list(scores.values()))
    assert steps[-1].kept[0].ids == max(scores, key=scores.get)
    close(sum(np.exp(h.log_probability) for h in steps[-1].kept), 1)


@pytest.mark.parametrize("seed, n_beams", list(itertools.product(range(4), [2, 3])))
def test_every_step_of_a_beam(seed, n_beams):
    model, ids = tiny(seed=seed), np.array([3, 0, 6, 6, 1])
    steps = beam_search(model, ids, start=START, end=END, n_beams=n_beams, n_max=6)
    before = [()]
    for step in steps:
        assert len(step.kept) == n_beams and len(step.dropped) <= n_beams
        scores = [h.score for h in (*step.kept, *step.dropped)]
        assert scores == sorted(scores, reverse=True)
        for h in (*step.kept, *step.dropped):
            close(h.log_probability, log_probability(model, ids, h.ids))
            assert h.finished == (h.ids[-1] == END) and h.tokens == [str(i) for i in h.ids]
            mother = before[h.parent]
            assert h.ids == mother if END in mother else h.ids[:-1] == mother
        candidates = {m for m in before if END in m} | {
            (*m, i) for m in before if END not in m for i in range(6)
        }
        best = sorted(candidates, key=lambda t: -log_probability(model, ids, t))[: 2 * n_beams]
        assert [h.ids for h in (*step.kept, *step.dropped)] == best
        before = [h.ids for h in step.kept]
    assert all(h.finished or len(h.ids) == 6 for h in steps[-1].kept)


# ---- errors --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "call, error, words",
    [
        (lambda m: Seq2Seq(1, 6, 8, 1, 2), ValueError, "source_vocabulary"),
        (lambda m: Seq2Seq(6, 1, 8, 1, 2), ValueError, "target_vocabulary"),
        (lambda m: Seq2Seq(6, 6, 8, 1, 2, positions="rotary"), ValueError, "positions"),
        (lambda m: Seq2Seq(6, 6, 8, 1, 2, norm="mid"), ValueError, "norm"),
        (lambda m: Seq2Seq(6, 6, 8, 1, 2, n_max=0), ValueError, "n_max"),
        (lambda m: Seq2Seq(6, 6, 8, 1, 2, dtype=int), TypeError, "dtype"),
        (lambda m: m.logits([7], [1]), ValueError, "^ids must lie between 0 and 6"),
        (lambda m: m.logits([1], [6]), ValueError, "decoder_ids must lie between 0 and 5"),
        (lambda m: m.logits([], [1]), ValueError, "ids must have the shape"),
        (lambda m: m.logits([1.5], [1]), TypeError, "ids must be whole"),
        (lambda m: m.logits([1] * 10, [1]), ValueError, "9 tokens here, got 10"),
        (lambda m: m.logits([1], [1] * 10), ValueError, "9 tokens here, got 10"),
        (lambda m: m.logits([[1], [2]], [1]), ValueError, "as many rows"),
        (lambda m: m.logits(None, [1]), ValueError, "ids must have the shape"),
        (
            lambda m: m.logits([1, 2], [1], source_mask=[1, 0]),
            TypeError,
            "source_mask must be boolean",
        ),
        (
            lambda m: m.logits([1, 2], [1], source_mask=[True]),
            ValueError,
            "source_mask must have the shape",
        ),
        (lambda m: m.encode([1, 2], mask=[True]), ValueError, "^mask must have the shape"),
        (lambda m: m.logits([1, 2], [1], caches=[]), ValueError, "caches must be a list of 2"),
        (lambda m: m.forward([[1]], [1]), ValueError, "batches: logits"),
        (lambda m: greedy(m, [1], start=6, end=2, n_max=4), ValueError, "start"),
        (lambda m: greedy(m, [1], start=1, end=2, n_max=10), ValueError, "n_max must be at most 9"),
        (lambda m: beam_search(m, [1], start=1, end=2, n_max=4, n_beams=0), ValueError, "n_beams"),
        (
            lambda m: beam_search(m, [1], start=1, end=2, n_max=4, n_beams=2, length_penalty=-1),
            ValueError,
            "length_penalty",
        ),
        (lambda m: Characters("aa"), ValueError, "signs"),
        (lambda m: translator.load("french"), ValueError, "'reverse', 'dates'"),
        (lambda m: translator.load("reverse")("nAïve"), ValueError, "not known: 'A', 'ï'"),
        (lambda m: translator.load("reverse").translate(""), ValueError, "at least one"),
        (lambda m: translator.load("reverse").translate(3), TypeError, "text must be a string"),
        (
            lambda m: translator.load("reverse").translate("a" * 16),
            ValueError,
            "15 characters here, got 16",
        ),
        (lambda m: translator.load("reverse").translate([]), ValueError, "at least one text"),
        (
            lambda m: translator.load("reverse").translate(["ab", "cd"], ["a"]),
            ValueError,
            "each, got 2 texts and 1",
        ),
        (
            lambda m: translator.load("reverse").translate(["ab", "cd"], ["a", "ab"]),
            ValueError,
            "one string of the same length for each",
        ),
        (
            lambda m: greedy(m, [[1], [2]], start=1, end=2, n_max=4, begun=[[1], [1], [1]]),
            ValueError,
            r"\(2, n_begun\), got \(3, 1\)",
        ),
        (
            lambda m: greedy(m, [1], start=1, end=2, n_max=4, begun=[6]),
            ValueError,
            "begun must lie between 0 and 5",
        ),
    ],
)
def test_errors(call, error, words):
    with pytest.raises(error, match=words):
        call(tiny())


def test_caches_of_different_lengths_are_refused():
    model = tiny()
    caches, others = model.caches(), model.caches()
    model.logits([1, 2], [1], caches=caches)
    with pytest.raises(ValueError, match="same tokens"):
        model.logits([1, 2], [1], caches=[caches[0], others[1]])
    with pytest.raises(ValueError, match="as many rows"):
        model.logits(None, [[1], [2]], caches=caches)


# ---- text ----------------------------------------------------------------------------------------


def test_characters():
    signs = Characters("abc")
    assert len(signs) == 6 and signs.encode("cab").tolist() == [5, 3, 4, 2]
    assert signs.tokens([1, 5, 3, 2, 0]) == ["<start>", "c", "a", "<end>", "<pad>"]
    assert signs.decode([1, 5, 3, 4, 2, 0]) == "cab"
    ids, where = padded([signs.encode("cab"), signs.encode("a")])
    assert ids.tolist() == [[5, 3, 4, 2], [3, 2, 0, 0]] and where.tolist() == [
        [True] * 4,
        [True, True, False, False],
    ]


# ---- the tasks -----------------------------------------------------------------------------------


def read_date(text):
    """What datetime reads, by formats of its own: None where none or several different days fit."""
    text = (
        text.lower().replace(",", " ").replace(" of ", " ").replace("the ", " ").replace("-", " ")
    )
    words = text.split()
    if words[0] in [name.lower()[:n] for name in tasks.WEEKDAYS for n in (3, 9)]:
        words = words[1:]
    roman = {name.lower(): str(i) for i, name in enumerate(tasks.ROMAN, 1)}
    words = [f"m{roman[word]}" if word in roman else word for word in words]
    words = [
        word[:-2] if word[0].isdigit() and word[-2:] in ("st", "nd", "rd", "th") else word
        for word in words
    ]
    found = set()
    for form in (
        "%d %B %Y",
        "%B %d %Y",
        "%d %b %Y",
        "%b %d %Y",
        "%d m%m %Y",
        "%Y %B %d",
        "%Y %b %d",
        "%Y/%m/%d",
        "%d/%m/%Y",
        "%m/%d/%Y",
    ):
        try:
            found.add(datetime.strptime(" ".join(words), form).date().isoformat())
        except ValueError:
            pass
    return found.pop() if len(found) == 1 else None


def test_dates_are_those_that_datetime_reads():
    rng, seen = np.random.default_rng(0), set()
    for _ in range(4000):
        text, target, spans = tasks.draw_date(rng)
        assert read_date(text) == target, text
        assert text[slice(*spans["year"])] == target[:4]
        assert text[slice(*spans["day"])].rstrip("sthndrSTHNDR") == str(int(target[8:]))
        month = text[slice(*spans["month"])].lower()
        names = [f"{int(target[5:7])}", tasks.ROMAN[int(target[5:7]) - 1].lower()]
        assert month in names or tasks.MONTHS[int(target[5:7]) - 1].lower().startswith(month)
        weekday = [name for name in tasks.WEEKDAYS if text.lower().startswith(name[:3].lower())]
        assert not weekday or datetime.fromisoformat(target).strftime("%A") == weekday[0]
        seen.add(("weekday" if weekday else "", text.islower(), text.isupper()))
    assert {("weekday", False, False), ("", True, False), ("", False, True)} <= seen


def test_endings_of_the_days():
    first = datetime(2024, 1, 1)
    found = [tasks.write_date((first + timedelta(n)).date(), "{nth}")[0] for n in range(31)]
    assert found[:4] == ["1st", "2nd", "3rd", "4th"] and found[10:13] == ["11th", "12th", "13th"]
    assert found[19:24] == ["20th", "21st", "22nd", "23rd", "24th"] and found[29:] == [
        "30th",
        "31st",
    ]


def test_every_form_is_drawn_and_fits():
    longest = max(
        len(tasks.write_date(datetime(2222, 9, 22), f"Wednesday, {form}")[0])
        for form in tasks.FORMS
    )
    assert longest + 1 <= tasks.TASKS["dates"].model["n_max"]
    rng = np.random.default_rng(1)
    for name, task in tasks.TASKS.items():
        examples = [task.draw(rng) for _ in range(2000)]
        assert max(len(task.source.encode(e.text)) for e in examples) <= task.model["n_max"], name
        assert 0.07 < np.mean([tasks.held_out(e.target) for e in examples]) < 0.13


def test_words():
    rng = np.random.default_rng(0)
    examples = [tasks.draw_word(rng) for _ in range(500)]
    assert {len(e.text) for e in examples} == set(range(3, 13))
    assert all("".join(reversed(e.text)) == e.target for e in examples)
    assert set("".join(e.text for e in examples)) == set("abcdefghijklmnopqrstuvwxyz")


@pytest.mark.parametrize("name", tasks.TASKS)
def test_what_is_held_out_is_never_drawn_for_training(name):
    task = tasks.TASKS[name]
    learned = {e.target for e in tasks.draw_examples(task, np.random.default_rng(0), 2000)}
    unseen = {
        e.target for e in tasks.draw_examples(task, np.random.default_rng(1), 500, unseen=True)
    }
    assert learned and unseen and not learned & unseen
    assert all(tasks.held_out(target) for target in unseen) and not any(
        tasks.held_out(target) for target in learned
    )


def test_batch():
    task = tasks.TASKS["reverse"]
    batch = tasks.as_batch(task, [tasks.Example("abc", "cba", {}), tasks.Example("z", "z", {})])
    assert batch.ids.tolist() == [[3, 4, 5, 2], [28, 2, 0, 0]]
    assert (
        batch.source_mask.tolist()
        == batch.where.tolist()
        == [[True] * 4, [True, True, False, False]]
    )
    assert batch.decoder_ids.tolist() == [[1, 5, 4, 3], [1, 28, 2, 0]]
    assert batch.targets.tolist() == [[5, 4, 3, 2], [28, 2, 0, 0]]


# ---- the shipped weights -------------------------------------------------------------------------


@pytest.fixture(scope="module")
def shipped():
    return {name: translator.load(name) for name in tasks.TASKS}


@pytest.mark.parametrize("name", tasks.TASKS)
def test_they_translate_what_they_never_saw(shipped, name):
    """200 fresh strings, from a seed that the training script does not use."""
    task, translator = tasks.TASKS[name], shipped[name]
    examples = tasks.draw_examples(task, np.random.default_rng(77), 200, unseen=True)
    right, wrong = tasks.accuracy(translator.model, task, examples)
    assert right >= 0.99, wrong
    assert [translator.translate(e.text) for e in examples[:5]] == [e.target for e in examples[:5]]


def test_the_reverser_looks_at_the_letter_that_it_writes(shipped):
    task = tasks.TASKS["reverse"]
    examples = tasks.draw_examples(task, np.random.default_rng(78), 100, unseen=True)
    scores = tasks.anti_diagonal_score(shipped["reverse"].model, task, examples)
    assert scores.max() > 0.9, scores
    trace, n = shipped["reverse"]("kitchen"), 7
    layer, head = np.unravel_index(scores.argmax(), scores.shape)
    assert trace.cross_weights[layer, head, :n].argmax(axis=-1).tolist() == [6, 5, 4, 3, 2, 1, 0]


def test_the_date_reader_looks_at_the_part_that_it_writes(shipped):
    task = tasks.TASKS["dates"]
    examples = tasks.draw_examples(task, np.random.default_rng(78), 100, unseen=True)
    scores = tasks.part_scores(shipped["dates"].model, task, examples)
    best = scores.diagonal(axis1=-2, axis2=-1).max(axis=(0, 1))  # of year, month, day
    assert (best > 0.8).all(), best


def test_scores_of_maps_that_are_known(shipped, monkeypatch):
    """A map that is all on the anti-diagonal scores 1, one step beside it 0; the spans likewise."""
    word, day = tasks.Example("abcd", "dcba", {}), tasks.Example("3 March 1987", "1987-03-03", {})
    day = day._replace(spans={"day": (0, 1), "month": (2, 7), "year": (8, 12)})
    exact, beside, parts = np.zeros((1, 1, 5, 5)), np.zeros((1, 1, 5, 5)), np.zeros((1, 1, 11, 13))
    for t in range(4):
        exact[..., t, 3 - t] = beside[..., t, 4 - t] = 1
    (
        parts[..., :4, 9],
        parts[..., 5:7, 3],
        parts[..., 8:10, 0],
        parts[..., 9, 0],
        parts[..., 9, 4],
    ) = (1, 1, 1, 0.5, 0.5)
    for score, example, weights, expected in (
        (tasks.anti_diagonal_score, word, exact, [[1]]),
        (tasks.anti_diagonal_score, word, beside, [[0]]),
        (tasks.part_scores, day, parts, [[[[1, 0, 0], [0, 1, 0], [0, 0.25, 0.75]]]]),
    ):
        monkeypatch.setattr(tasks, "_cross_weights", lambda *_, e=example, w=weights: [(e, w)])
        close(score(None, None, None), expected)


def test_a_translator(shipped):
    reverse = shipped["reverse"]
    assert reverse.tokens("cat") == ["c", "a", "t", "<end>"] and reverse.translate("cat") == "tac"
    trace = reverse("cat")
    assert trace.tokens == ["c", "a", "t", "<end>"] and trace.decoder_tokens == [
        "<start>",
        "t",
        "a",
        "c",
    ]
    assert trace.output.argmax(axis=-1).tolist() == reverse.target.encode("tac").tolist()
    assert trace.cross_weights.shape[-2:] == (4, 4)
    given = reverse("cat", target="cat")
    assert given.decoder_tokens == ["<start>", "c", "a", "t"]
    np.testing.assert_array_equal(
        reverse.forward(reverse.encode_text("cat")).cross_weights, trace.cross_weights
    )
    steps = reverse.beam_search("cat", n_beams=3)
    assert (
        steps[-1].kept[0].tokens == ["t", "a", "c", "<end>"] and len(steps[0].kept[0].tokens) == 1
    )


def test_a_list_is_each_text_alone(shipped):
    texts = ["cat", "mechanism", "of"]
    assert shipped["reverse"].translate(texts) == [
        shipped["reverse"].translate(text) for text in texts
    ]
    assert shipped["reverse"].translate(("cat",)) == ["tac"]


def test_behind_a_given_beginning_it_writes_what_the_logits_say(shipped):
    """Against one argmax after another, without caches and without padding."""
    reader, texts, begun = (
        shipped["dates"],
        ["3 March 1987", "Monday, 12 of May 2004"],
        ["1999-1", "23-4-0"],
    )
    for text, first, found in zip(texts, begun, reader.translate(texts, begun), strict=True):
        ids, written = (
            reader.encode_text(text),
            [reader.target.start, *reader.target.encode(first)[:-1]],
        )
        while written[-1] != reader.target.end and len(written) < 30:
            written.append(int(reader.model.logits(ids, np.array(written))[-1].argmax()))
        assert found == reader.target.decode(written) == reader.translate(
            text, first
        ) and found.startswith(first)
    assert reader.translate(texts, "21") == [reader.translate(text, "21") for text in texts], (
        "one beginning for all"
    )


@pytest.mark.parametrize("seed", range(3))
def test_greedy_behind_a_beginning_is_greedy_from_there(seed):
    model, ids = tiny(seed=seed), np.array([3, 0, 6, 6, 1])
    whole = greedy(model, ids, start=START, end=END, n_max=7)
    for cut in range(len(whole) + 1):
        np.testing.assert_array_equal(
            greedy(model, ids, start=START, end=END, n_max=7, begun=whole[:cut]), whole
        )
    assert len(greedy(model, ids, start=START, end=END, n_max=3, begun=[3, 4])) <= 3, (
        "the beginning counts"
    )


def test_a_text_that_goes_on_without_an_end_stops_at_the_last_position():
    reverse = translator.load("reverse")
    reverse.model.unembedding[:, Characters.end] = 0
    reverse.model.unembedding[:, 3:] += 0.001
    reverse.model.decoder_norm.gain[:] = 0
    reverse.model.decoder_norm.bias[:] = 1
    reverse.model.unembedding[:] = np.eye(29)[3]  # always "a"
    assert reverse.translate("cat") == "a" * 15
    assert reverse("cat").cross_weights.shape[-2] == 16


def test_file(shipped, capsys):
    assert translator.FILE.stat().st_size <= 600_000
    began = time.perf_counter()
    translator.load("dates")
    with capsys.disabled():
        print(
            f"  seq2seq.npz: {translator.FILE.stat().st_size:,} bytes, loaded in"
            f" {time.perf_counter() - began:.3f} s"
        )
    about = shipped["dates"].about
    assert {
        "command",
        "attnlib",
        "numpy",
        "python",
        "seed",
        "held_out_accuracy",
        "cpu_seconds",
        "alignment",
        "loss",
    } <= about.keys()
    assert (
        about["training"] == tasks.TASKS["dates"].training
        and about["model"] == tasks.TASKS["dates"].model
    )
    with np.load(translator.FILE, allow_pickle=False) as file:
        assert {file[key].dtype for key in file.files if key != "about"} == {np.dtype(np.float16)}
        assert file["losses/dates"].shape == (about["training"]["steps"],)


def test_the_training_command(tmp_path, monkeypatch, capsys):
    """Two steps of a narrow model: the file is written, read, and the same for the same seed."""
    for name, task in tasks.TASKS.items():
        small = task._replace(
            model=task.model | {"d_model": 8, "n_heads": 2}, training=task.training | {"warmup": 1}
        )
        monkeypatch.setitem(tasks.TASKS, name, small)
    monkeypatch.setattr(script, "BATCH", 4)
    for name in ("one.npz", "two.npz"):
        script.main(["--out", str(tmp_path / name), "--steps", "2"])
    with np.load(tmp_path / "one.npz") as one, np.load(tmp_path / "two.npz") as two:
        assert one.files == two.files
        for key in set(one.files) - {"about"}:
            np.testing.assert_array_equal(one[key], two[key])
    loaded = translator.load("dates", tmp_path / "one.npz")
    assert (
        loaded.model.n_max == tasks.TASKS["dates"].model["n_max"]
        and loaded.about["training"]["steps"] == 2
    )
    assert json.dumps(loaded.about) and loaded.about["held_out_accuracy"] == 0
