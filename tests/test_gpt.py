"""models/gpt.py: the forward pass said once more in words of its parts, and what must be true of
any language model.
"""

from inspect import isfunction

import numpy as np
import pytest
from test_encodings import PARTS

from attnlib import encodings, masks
from attnlib.layers import LayerNorm, RMSNorm, layer_norm, parameters
from attnlib.models import Trace
from attnlib.models.generation import generate
from attnlib.models.gpt import GPT, POSITIONS

pytestmark = pytest.mark.filterwarnings("error")
YARN = {"type": "yarn", "factor": 2, "original_max_position_embeddings": 4}
OPTIONS = {
    "plain": {},
    "attention only": {"d_hidden": 0, "norm": None},
    "post": {"norm": "post", "use_bias": True},
    "rms, gated, grouped": {
        "norm_type": "rms",
        "gated": True,
        "activation": "silu",
        "n_kv_heads": 2,
    },
    "tied": {"tied": True},
    "no positions": {"positions": None},
    "sinusoidal": {"positions": "sinusoidal"},
    "rotary": {"positions": "rotary"},
    "rotary, grouped, yarn": {
        "positions": encodings.Rotary(layout="interleaved", scaling=YARN),
        "n_kv_heads": 2,
    },
    "alibi": {"positions": "alibi"},
    "alibi, grouped": {"positions": "alibi", "n_kv_heads": 2},
    "t5": {"positions": "t5"},
    "t5, few buckets": {
        "positions": lambda: encodings.T5Bias(4, bidirectional=False, n_buckets=4, max_distance=5)
    },
}
both = pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
TABLES = {"learned", "t5"}  # names of positions whose `table` is trained
ENDING = {"learned"}  # those that have a last position
TURNING = {"rotary"}  # those that turn q and k


def tiny(dtype=np.float64, seed=0, **options):
    if isfunction(options.get("positions")):
        # a part with parameters: a new one for each model
        options["positions"] = options["positions"]()
    model = GPT(11, 8, 2, 4, n_max=9, dtype=dtype, rng=np.random.default_rng(seed), **options)
    for parameter in parameters(model).values():
        parameter += np.random.default_rng(1).normal(0, 0.3, parameter.shape).astype(dtype)
    return model


IDS = np.random.default_rng(2).integers(0, 11, (3, 7))


def close(a, b, atol=1e-12):
    np.testing.assert_allclose(a, b, rtol=0, atol=atol)


@pytest.mark.parametrize("name", POSITIONS)
def test_every_name_of_positions_is_tried(name):
    tried = [options.get("positions", "learned") for options in OPTIONS.values()]
    assert name in tried, (
        f'add "{name}": {{"positions": "{name}"}} to OPTIONS of tests/test_gpt.py: test_cache.py'
        " and test_generation.py read it, too, and compare texts with a cache and without"
    )
    assert name in PARTS, f"add {name!r} to PARTS of tests/test_encodings.py: what it answers"
    assert f'"{name}"' in GPT.__doc__, f'say "{name}" in the docstring of GPT, at positions'


@both
def test_the_forward_pass_in_words_of_its_parts(options):
    model = tiny(**options)
    x, added, bias = model.embedding[IDS], model.positions.added(7), model.positions.bias(7)
    x = x if added is None else x + added
    for block in model.blocks:
        x, _ = block(x, bias=bias)
    if options.get("norm", "pre") == "pre" and options.get("norm_type") != "rms":
        x = layer_norm(x, model.final_norm.gain, model.final_norm.bias)
    elif options.get("norm_type") == "rms":
        x = model.final_norm(x)
    close(model.logits(IDS), x @ (model.embedding.T if options.get("tied") else model.unembedding))


@both
def test_trace_of_one_text(options):
    model = tiny(**options)
    trace = model.forward(IDS[0])
    assert isinstance(trace, Trace) and trace._fields[:3] == ("tokens", "weights", "output")
    two = (trace.decoder_tokens, trace.decoder_weights, trace.cross_weights)
    assert two == (None, None, None)  # it reads one text, not two
    assert np.array_equal(trace.mask, masks.causal(7))
    assert trace.tokens == [str(i) for i in IDS[0]]
    assert trace.weights.shape == (2, 4, 7, 7) and trace.output.shape == (7, 11)
    close(trace.weights.sum(-1), np.ones((2, 4, 7)))
    assert (trace.weights[..., ~masks.causal(7)] == 0).all()
    close(trace.output, model.logits(IDS[0]), 0)
    for layer, block in enumerate(model.steps(IDS[0]).blocks):
        close(trace.weights[layer], block.attention.inner.weights, 0)


@both
def test_a_batch_is_a_loop(options):
    model = tiny(**options)
    logits = model.logits(IDS)
    assert logits.shape == (3, 7, 11)
    for ids, alone in zip(IDS, logits):
        close(model.logits(ids), alone)
        close(model.logits(ids.tolist()), alone)


@both
def test_the_future_changes_nothing(options):
    model, ids = tiny(**options), IDS[0].copy()
    before = model.logits(ids)
    for i in range(7):
        changed = ids.copy()
        changed[i] = (ids[i] + 1) % 11
        after = model.logits(changed)
        np.testing.assert_allclose(after[:i], before[:i], rtol=0, atol=1e-14)
        # it changes every output from there on
        assert np.abs(after[i:] - before[i:]).max(axis=-1).min() > 1e-9
        close(model.logits(ids[: i + 1]), before[: i + 1])


@both
def test_float32_all_the_way(options):
    model, wide = tiny(np.float32, **options), tiny(**options)
    assert {a.dtype for a in parameters(model).values()} == {np.dtype(np.float32)}
    steps = model.steps(IDS)
    arrays = [steps.stream, steps.final, steps.logits]
    for block in steps.blocks:
        for residual in filter(None, (block.attention, block.feed_forward)):
            arrays += [residual.x, residual.total, residual.output]
            arrays += [one for one in residual.inner if not isinstance(one, dict)]
    assert all(array is None or array.dtype == np.float32 for array in arrays)
    close(steps.logits, wide.logits(IDS), 2e-4)


def test_float32_is_the_default_and_a_seed_makes_a_model():
    one, two, other = (
        GPT(5, 4, 1, 2),
        GPT(5, 4, 1, 2, rng=np.random.default_rng(0)),
        GPT(5, 4, 1, 2, rng=np.random.default_rng(1)),
    )
    for name, array in parameters(one).items():
        assert array.dtype == np.float32
        np.testing.assert_array_equal(array, parameters(two)[name])
    assert not np.array_equal(one.embedding, other.embedding)


def test_names_of_the_parameters():
    assert list(parameters(GPT(5, 4, 2, 2, n_max=3, d_hidden=0, norm=None))) == [
        "embedding",
        "positions.table",
        "blocks.0.attention.W_q",
        "blocks.0.attention.W_k",
        "blocks.0.attention.W_v",
        "blocks.0.attention.W_o",
        "blocks.1.attention.W_q",
        "blocks.1.attention.W_k",
        "blocks.1.attention.W_v",
        "blocks.1.attention.W_o",
        "unembedding",
    ]
    assert {"final_norm.gain", "final_norm.bias"} < set(parameters(GPT(5, 4, 1, 2)))
    assert "unembedding" not in parameters(GPT(5, 4, 1, 2, tied=True))
    for positions in (None, *POSITIONS):
        found = "positions.table" in parameters(GPT(5, 4, 1, 2, positions=positions))
        assert found == (positions in TABLES), f"{positions!r}: TABLES of tests/test_gpt.py"
    assert parameters(GPT(5, 4, 1, 2, positions="t5"))["positions.table"].shape == (32, 2)


def test_parts_and_shapes():
    model = GPT(5, 4, 3, 2, n_max=6)
    assert (
        model.embedding.shape == (5, 4)
        and model.positions.table.shape == (6, 4)
        and model.unembedding.shape == (4, 5)
    )
    assert len(model.blocks) == 3 and isinstance(model.final_norm, LayerNorm)
    assert isinstance(GPT(5, 4, 1, 2, norm_type="rms").final_norm, RMSNorm)
    assert (
        GPT(5, 4, 1, 2, norm="post").final_norm is None
        and GPT(5, 4, 1, 2, norm=None).final_norm is None
    )
    assert model.blocks[0].feed_forward.activation == "gelu_tanh"
    assert GPT(5, 4, 1, 2, activation="silu").blocks[0].feed_forward.activation == "silu"
    assert not np.array_equal(model.blocks[0].attention.W_q, model.blocks[1].attention.W_q)
    wide = GPT(400, 400, 1, 2, n_max=400)
    for name in ("embedding", "positions.table", "unembedding"):
        assert abs(parameters(wide)[name].std() * 20 - 1) < 0.01


def test_without_positions_the_order_of_the_past_is_not_seen():
    model = tiny(positions=None)
    ids = IDS[0]
    model_sees = model.logits(ids)[-1]
    one_layer = GPT(11, 8, 1, 4, positions=None, dtype=np.float64)
    close(one_layer.logits(ids)[-1], one_layer.logits([*ids[:-1][::-1], ids[-1]])[-1])
    assert (
        np.abs(tiny().logits([*ids[:-1][::-1], ids[-1]])[-1] - tiny().logits(ids)[-1]).max() > 1e-3
    )
    assert np.isfinite(model_sees).all()


def test_inputs_stay():
    ids = IDS.copy()
    tiny().logits(ids)
    np.testing.assert_array_equal(ids, IDS)


def test_what_the_names_of_positions_stand_for():
    rotary = GPT(5, 4, 2, 2, positions="rotary")
    assert all(block.attention.rotary is rotary.positions for block in rotary.blocks)
    assert (rotary.positions.base, rotary.positions.layout, rotary.positions.scaling) == (
        10_000,
        "half",
        None,
    )
    t5 = GPT(5, 4, 2, 2, positions="t5").positions
    assert (len(t5.table), t5.max_distance, t5.bidirectional) == (32, 128, False)
    np.testing.assert_array_equal(
        t5.bias(2, 9), encodings.t5_bias(t5.table, 2, 9, bidirectional=False, max_distance=128)
    )
    learned = GPT(5, 4, 1, 2, n_max=6).positions
    np.testing.assert_array_equal(learned.added(3), learned.table[:3])
    np.testing.assert_array_equal(
        GPT(5, 4, 1, 2, positions="sinusoidal").positions.added(3), encodings.sinusoidal(3, 4)
    )
    for positions in (None, *POSITIONS):
        turns = GPT(5, 4, 1, 2, positions=positions).blocks[0].attention.rotary is not None
        assert turns == (positions in TURNING), f"{positions!r}: TURNING of tests/test_gpt.py"
    assert (
        GPT(5, 4, 1, 2, positions="learned", rotary=encodings.Rotary()).blocks[0].attention.rotary
        is not None
    )
    np.testing.assert_array_equal(
        GPT(5, 4, 1, 2, positions="alibi").steps([1, 2]).bias, encodings.alibi(2, 2)
    )
    assert GPT(5, 4, 1, 2, positions="rotary").steps([1, 2]).bias is None


def test_only_the_table_ends():
    """All but the learned table take texts of any length."""
    for positions in (None, *(name for name in POSITIONS if name not in ENDING)):
        assert np.isfinite(tiny(positions=positions).logits(np.arange(40) % 11)).all()
    with pytest.raises(ValueError, match="9 rows, the text 10 tokens"):
        tiny().logits(np.arange(10))


def test_rotary_blocks_see_no_shift():
    model = tiny(positions="rotary")
    block, x = model.blocks[0], model.embedding[IDS]
    close(block(x, positions=np.arange(100, 107))[0], block(x)[0], 1e-10)
    close(
        block(x, positions=[np.arange(7), np.arange(7) + 5, np.arange(7) - 9])[0],
        block(x)[0],
        1e-10,
    )
    assert np.abs(block(x, positions=2 * np.arange(7))[0] - block(x)[0]).max() > 1e-3


# ---- an encoding of your own ---------------------------------------------------------------------


class Beats(encodings.Positions):
    """Every third token is a little louder."""

    def added(self, n, held=0):
        return np.where(np.arange(held, held + n)[:, None] % 3, 0, np.linspace(0.5, 2, 8))


class Near(encodings.Positions):
    """Scores fall with the square of the distance, in some heads faster."""

    def bias(self, n_q, n_k=None):
        n_k = n_q if n_k is None else n_k
        steps = np.arange(n_k - n_q, n_k)[:, None] - np.arange(n_k)
        return -np.array([0.1, 0.2, 0.3, 0.4])[:, None, None] * steps**2


class Flips(encodings.Positions):
    """Every other token's queries and keys look the other way."""

    def turned(self, x, positions=None):
        positions = np.arange(x.shape[-2]) if positions is None else np.asarray(positions)
        signs = (1 - 2 * (positions % 2))[..., None, :, None]  # (1, n, 1), or (b, 1, n, 1)
        return (x * signs).astype(x.dtype)


class Mine(Beats, Near, Flips):
    """All three at once."""


OWN = [Beats, Near, Flips, Mine]


@pytest.mark.parametrize("kind", OWN)
def test_an_encoding_of_your_own_is_asked(kind):
    """The same model without positions, and by hand what this encoding does."""
    own, plain = tiny(positions=kind()), tiny(positions=None)
    assert isinstance(own.positions, kind) and own.n_max is None
    assert list(parameters(own)) == list(parameters(plain))
    adds, biased, turns = (issubclass(kind, one) for one in (Beats, Near, Flips))
    x, bias = plain.embedding[IDS], Near().bias(7) if biased else None
    if adds:
        x[:, [0, 3, 6]] += np.linspace(0.5, 2, 8)
    for block in plain.blocks:
        attention = block.attention
        if turns:
            signs = np.array([1, -1, 1, -1, 1, -1, 1])[:, None]
            attention.placed = lambda q, k, positions, signs=signs: (q * signs, k * signs)
        x, _ = block(x, bias=bias)
    close(own.logits(IDS), plain.scores(plain.final_norm(x)))
    assert np.abs(own.logits(IDS) - tiny(positions=None).logits(IDS)).max() > 1e-2


@pytest.mark.parametrize("kind", OWN)
def test_an_encoding_of_your_own_with_caches(kind):
    """Read bit by bit is read at once, and a batch of padded texts is written as each alone."""
    model = tiny(positions=kind())
    logits = model.logits(IDS)
    for cuts in ((1, 2, 3, 4, 5, 6), (3,), (2, 6)):
        caches = model.caches()
        parts = [model.logits(ids, caches=caches) for ids in np.split(IDS, cuts, axis=1)]
        close(np.concatenate(parts, axis=1), logits)
    options = {"n_new": 12, "temperature": 0}
    for ids in IDS:
        np.testing.assert_array_equal(
            generate(model, ids, **options), generate(model, ids, cached=False, **options)
        )
    texts = [IDS[0], IDS[1, :3], IDS[2, :4]]
    for text, written in zip(texts, generate(model, texts, **options)):
        np.testing.assert_array_equal(written, generate(model, text, **options))


@pytest.mark.parametrize("kind", OWN)
def test_an_encoding_of_your_own_at_other_places(kind):
    model, places = tiny(positions=kind()), np.array([[0, 1, 2], [4, 5, 7], [1, 1, 6]])
    both = model.logits(IDS[:, :3], positions=places)
    for ids, where, alone in zip(IDS[:, :3], places, both):
        close(model.logits(ids, positions=where), alone)
    close(both[0], model.logits(IDS[0, :3]))
    moved = np.abs(both - model.logits(IDS[:, :3])).max(axis=(1, 2)) > 1e-3
    # who counts steps in the row reads no places
    assert moved.tolist() == [False, kind is not Near, kind is not Near]


@pytest.mark.parametrize("kind", OWN)
def test_an_encoding_of_your_own_in_float32(kind):
    model = tiny(np.float32, positions=kind())
    steps = model.steps(IDS)
    assert {steps.logits.dtype, steps.stream.dtype, steps.blocks[0].attention.x.dtype} == {
        np.dtype(np.float32)
    }
    assert steps.bias is None or steps.bias.dtype == np.float32
    close(steps.logits, tiny(positions=kind()).logits(IDS), 2e-4)


class Twin:
    """It has the three answers, but does not say that it is an encoding."""

    added, turned, bias = Beats.added, Flips.turned, Near.bias


NAMED = r"^positions must be one of 'learned', .*'t5'(, '\w+')*, got "


@pytest.mark.parametrize("wrong", [Mine, Twin(), 7, ["rotary"], {"base": 100}, np.ones((9, 8))])
def test_what_is_no_encoding_is_refused(wrong):
    with pytest.raises(ValueError, match=NAMED) as e:
        tiny(positions=wrong)
    assert str(e.value).endswith(
        f"got {wrong!r}; one of your own is an object of a class made from encodings.Positions"
    )


@pytest.mark.parametrize("wrong", [Beats(), encodings.Learned(9, 8), Flips, Twin(), "rotary"])
def test_what_does_not_turn_is_no_rotary(wrong):
    with pytest.raises(TypeError, match=r"rotary must be an encodings.Rotary, as Rotary\(\), got "):
        tiny(positions=None, rotary=wrong)


def test_what_does_not_turn_hears_what_does():
    with pytest.raises(TypeError, match=r"Positions and has its own `turned`$"):
        tiny(positions=None, rotary=Beats())
    assert tiny(positions=None, rotary=Flips()).blocks[0].attention.rotary.turns


class Misturned(encodings.Positions):
    """What a test says instead of the turned queries and keys."""

    def __init__(self, turned):
        self.instead = turned

    def turned(self, x, positions=None):
        return self.instead(x)


def test_what_is_turned_keeps_its_shape():
    for wrong in (lambda x: x[..., :1], lambda x: x[..., :1, :], lambda x: x.sum(), lambda x: x[0]):
        with pytest.raises(ValueError, match=r"^turned\(x, positions\) must keep .*\(3, 4, 7, 2\)"):
            tiny(positions=Misturned(wrong)).logits(IDS)
    with pytest.raises(TypeError, match=r"^turned\(x, positions\) must hold real numbers"):
        tiny(positions=Misturned(lambda x: None)).logits(IDS)
    found = tiny(np.float32, positions=Misturned(lambda x: x.astype(float))).steps(IDS)
    assert found.blocks[0].attention.inner.q.dtype == np.float32


def test_only_pairs_want_an_even_width():
    odd = GPT(11, 6, 2, 2, positions=Flips(), rng=np.random.default_rng(0))
    plain = GPT(11, 6, 2, 2, positions=None, rng=np.random.default_rng(0))
    assert np.abs(odd.logits(IDS) - plain.logits(IDS)).max() > 1e-3
    for paired in ("rotary", encodings.Rotary(), type("Mine", (encodings.Rotary,), {})()):
        with pytest.raises(ValueError, match="d_head must be even, for rotary turns pairs, got 3"):
            GPT(11, 6, 2, 2, positions=paired)


def test_an_end_of_your_own():
    """`n_max` counts for a class that has one, whatever it answers, and however a text is read."""
    for kind in (encodings.Positions, *OWN):
        model = tiny(positions=type("Short", (kind,), {"n_max": 3})())
        assert model.n_max == 3 and np.isfinite(model.logits(IDS[:, :3])).all()
        with pytest.raises(ValueError, match=r"^n must be at most 3: Short takes 3 .* has 5$"):
            model.logits(IDS[:, :5])
        caches = model.caches()
        model.logits(IDS[:, :2], caches=caches)
        with pytest.raises(ValueError, match=r"^n must be at most 1: Short takes 3 .* has 4$"):
            model.logits(IDS[:, 2:4], caches=caches)
        model.logits(IDS[:, 2:3], caches=caches)
        model.logits(IDS[:, :5], positions=[0, 1, 2, 2, 0])
        last = "^positions must be at most 2, the last that Short takes, got 3"
        with pytest.raises(ValueError, match=last):
            model.logits(IDS[:, :2], positions=[0, 3])


def test_an_end_before_that_of_the_table():
    model = tiny(positions=type("Short", (encodings.Learned,), {"n_max": 3})(9, 8))
    with pytest.raises(ValueError, match=r"at most 2, the last that Short takes, got 3"):
        model.logits(IDS[:, :2], positions=[0, 3])
    with pytest.raises(ValueError, match=r"^n must be at most 3: Short takes 3 tokens"):
        model.logits(IDS)
    with pytest.raises(ValueError, match=r"^n must be at most 9: the learned table has 9 rows"):
        model.logits(np.arange(10))


class Speeds(Flips):
    """An encoding that turns, with an array and a part of its own."""

    def __init__(self):
        self.w, self.inner = np.ones(2), encodings.Learned(3, 2)


def test_an_encoding_in_every_layer_is_one_part():
    own = Speeds()
    model = tiny(np.float32, positions=own)
    found, plain = parameters(model), parameters(tiny(np.float32, positions=None))
    names = list(plain)
    assert list(found) == [names[0], "positions.w", "positions.inner.table", *names[1:]]
    assert model.positions is own and found["positions.w"] is own.w
    assert own.w.dtype == own.inner.table.dtype == np.float32  # taken over, and cast


def test_rows_and_biases_that_do_not_fit_are_refused():
    fit = r"added\(n, held\) has the shape \(7, 6\), which does not fit the rows' shape \(7, 8\)"
    with pytest.raises(ValueError, match=fit):
        tiny(positions=encodings.Sinusoidal(6)).logits(IDS)
    with pytest.raises(ValueError, match=r"shape \(9, 6\), which does not fit .* \(9, 8\)"):
        tiny(positions=encodings.Sinusoidal(6)).logits([1, 2], positions=[8, 0])
    with pytest.raises(ValueError, match=r"bias has the shape \(3, 7, 7\), .*\(3, 4, 7, 7\)"):
        tiny(positions=encodings.Alibi(3)).logits(IDS)
