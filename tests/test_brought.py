"""What people bring: tensors, layers in a tuple, batches, generate()'s steps, whole outputs, masks
of numbers, a tokenizer's names. Stand-ins behave as the libraries' own objects do.
"""

import json
import tracemalloc
from collections import OrderedDict, UserDict
from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from attnlib import _brought, effects, masks, measures
from attnlib._bytes import BYTES
from attnlib.attention import scaled_dot_product_attention, softmax
from attnlib.heads import SelfAttention
from attnlib.models.gpt import GPT
from attnlib.models.trace import Trace
from attnlib.show import (
    AttentionView,
    CompareView,
    Machine,
    Player,
    Threads,
    compare,
    heads,
    heatmap,
    hop_map,
    mask_figure,
    mosaic,
    most_attended,
    panels,
    predict,
    shaded,
    threads,
    written,
)
from attnlib.show.labels import printable, visible

pytestmark = pytest.mark.filterwarnings("error")
WORDS = ["the", "cat", "sat", "on", "a"]


def shares(*shape, seed=0, causal=False):
    """Random weights, (…, n_q, n_k), as float32."""
    scores = np.random.default_rng(seed).normal(size=shape)
    where = masks.causal(*shape[-2:]) if causal else None
    return softmax(scores, where=where).astype(np.float32)


def coarse(array):
    """The nearest numbers that bfloat16 has: the upper half of a float32."""
    bits = np.asarray(array, np.float32).view(np.uint32) + np.uint32(0x8000)
    return (bits & np.uint32(0xFFFF0000)).view(np.float32)


# ---- stand-ins -----------------------------------------------------------------------------------


class Tensor:
    """As PyTorch's: NumPy may read it where it has no gradient, is in memory, and of a type that
    NumPy knows.
    """

    def __init__(self, data, grad=False, device="cpu", dtype="torch.float32"):
        self.data, self.grad, self.device, self.dtype = np.asarray(data), grad, device, dtype

    shape = property(lambda self: self.data.shape)
    ndim = property(lambda self: self.data.ndim)

    def _like(self, **other):
        now = {"grad": self.grad, "device": self.device, "dtype": self.dtype}
        return Tensor(self.data, **(now | other))

    def detach(self):
        return self._like(grad=False)

    def cpu(self):
        if self.device == "meta":
            raise NotImplementedError("Cannot copy out of meta tensor; no data!")
        return self._like(device="cpu")

    def float(self):
        return self._like(dtype="torch.float32")

    def numpy(self):
        if self.grad:
            raise RuntimeError("Can't call numpy() on Tensor that requires grad.")
        if self.device != "cpu":
            raise TypeError("can't convert cuda:0 device type tensor to numpy.")
        if self.dtype in ("torch.bfloat16", "torch.float8_e4m3fn"):
            raise TypeError("Got unsupported ScalarType BFloat16")
        return self.data

    def __array__(self, dtype=None, copy=None):
        return self.numpy()

    def tolist(self):
        return self.data.tolist()

    def __len__(self):
        return len(self.data)

    def __iter__(self):
        return (Tensor(one, self.grad, self.device, self.dtype) for one in self.data)

    def __repr__(self):
        return f"tensor({self.data})"


class Deaf:
    """An array that NumPy cannot read by itself; it offers a way of its own."""

    def __init__(self, data, **ways):
        self.shape = np.shape(data)
        for name, way in ways.items():
            setattr(self, name, way)

    def __array__(self, dtype=None, copy=None):
        raise TypeError("Implicit conversion to a NumPy array is not allowed.")


class Bits:
    """An array of bfloat16 that gives NumPy its bits, as whole numbers."""

    dtype = "paddle.bfloat16"

    def __init__(self, data):
        self.data, self.shape = np.asarray(data, np.float32), np.shape(data)

    def __array__(self, dtype=None, copy=None):
        return (self.data.view(np.uint32) >> 16).astype(np.uint16)

    def float(self):
        return self.data


class Box:
    """An array by its `__array__` alone, as those of JAX and TensorFlow."""

    def __init__(self, data):
        self.data = data

    def __array__(self, dtype=None, copy=None):
        return np.asarray(self.data)


KINDS = {
    "with a gradient": lambda x: Tensor(x, grad=True),
    "on a device": lambda x: Tensor(x, device="cuda:0"),
    "of bfloat16": lambda x: Tensor(x, dtype="torch.bfloat16"),
    "of float8, with all": lambda x: Tensor(x, True, "cuda:0", "torch.float8_e4m3fn"),
    "with get": lambda x: Deaf(x, get=lambda: x),
    "with numpy": lambda x: Deaf(x, numpy=lambda: x),
    "sparse": lambda x: Deaf(x, to_dense=lambda: x),
    "with tolist": lambda x: Deaf(x, tolist=x.tolist),
    "of bits": Bits,
    "by __array__": Box,
    "a list": lambda x: x.tolist(),
    "a list of tensors": lambda x: [Tensor(one, grad=True) for one in x],
    "read-only": lambda x: x,
}

LISTS = ("a list", "with tolist")  # which hold Python's numbers, of double precision


def kept(make, array):
    """What somebody brings, made of an array that nobody may write to."""
    array = array.copy()
    array.flags.writeable = False
    return make(array)


def drawn(picture):
    return picture.png(fast=True)


HEADS = {  # whatever takes (heads, n, n) -> what can be compared
    "AttentionView": lambda w: AttentionView(w, WORDS).array,
    "Threads": lambda w: Threads(w, WORDS).weights,
    "CompareView": lambda w: CompareView(w, w, WORDS).views[1].array,
    "heads": lambda w: drawn(heads(w, WORDS)),
    "threads": lambda w: drawn(threads(w, WORDS)),
    "most_attended": lambda w: most_attended(w, WORDS),
    **{
        name: getattr(measures, name)
        for name in ("previous_share", "next_share", "sink_share", "entropy", "distance")
    },
    "step_share": lambda w: measures.step_share(w, -2),
    "within_diagonals": measures.within_diagonals,
    "directions": measures.directions,
    "value_norms": lambda w: effects.value_norms(w, np.ones((3, 5, 2)), np.ones((6, 4))),
    "attention": lambda w: scaled_dot_product_attention(w, w, w)[0],
    "Machine": lambda w: Machine(w, w, w, WORDS).output,
}
ONE = {  # whatever takes (n, n)
    "heatmap": lambda w: drawn(heatmap(w, WORDS)),
    "compare": lambda w: drawn(compare(w, w, WORDS)),
    "written": lambda w: drawn(written(w, 2, WORDS, key_tokens=WORDS)),
    "AttentionView": lambda w: AttentionView(w, WORDS).array,
    "Player": lambda w: Player([w, w]).figure().png(fast=True),
    "predict": lambda w: predict.cells("Which?", w, WORDS).truth,
}
LAYERS = {  # whatever takes (layers, heads, n, n)
    "AttentionView": lambda w: AttentionView(w, WORDS).array,
    "CompareView": lambda w: CompareView(w, w, WORDS).views[0].array,
    "mosaic": lambda w: drawn(mosaic(w, WORDS)),
    "entropy": measures.entropy,
    "rollout": effects.rollout,
}


def same(found, wanted):
    if isinstance(found, (bytes, str)):
        return found == wanted
    return found.shape == wanted.shape and np.array_equal(found, wanted)


# ---- arrays --------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("place", HEADS)
def test_an_array_of_any_library_is_taken_as_numpys(kind, place):
    weights = coarse(shares(3, 5, 5)).astype(np.float64 if kind in LISTS else np.float32)
    assert same(HEADS[place](kept(KINDS[kind], weights)), HEADS[place](weights))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("place", ONE)
def test_one_matrix_of_any_library(kind, place):
    weights = coarse(shares(5, 5)).astype(np.float64 if kind in LISTS else np.float32)
    assert same(ONE[place](kept(KINDS[kind], weights)), ONE[place](weights))
    for more in (weights[None], weights[None, None]):
        if place not in ("Player", "predict"):
            assert same(ONE[place](more), ONE[place](weights)), "axes of length 1 in front go"


@pytest.mark.parametrize("name", ["bfloat16", "float8_e4m3fn", "float8_e5m2", "float8_e8m0fnu"])
def test_numbers_that_numpy_has_not(name):
    kind = getattr(pytest.importorskip("ml_dtypes"), name)
    weights = shares(3, 5, 5).astype(kind)
    plain = weights.astype(np.float32)
    for place, take in HEADS.items():
        if name == "bfloat16" or place in ("AttentionView", "attention", "Threads"):
            assert same(take(weights), take(plain)), place
    output, _ = scaled_dot_product_attention(weights, plain, weights)
    assert output.dtype == np.float32


def test_bits_without_a_type_are_no_numbers():
    with pytest.raises(TypeError, match="weights must hold real numbers"):
        AttentionView(np.zeros((3, 3), "V2"))


@pytest.mark.parametrize("place", {**HEADS, **ONE})
def test_a_masked_array_is_refused_by_name(place):
    take, shape = (HEADS[place], (3, 5, 5)) if place in HEADS else (ONE[place], (5, 5))
    for make in (np.ma.masked_array, lambda x, hidden: [np.ma.masked_array(x, hidden)] * 3):
        with pytest.raises(TypeError, match=r"must not be a masked array.*\.data"):
            take(make(shares(*shape), shares(*shape) > 0.3))


def test_a_masked_array_is_no_mask():
    for mask in (np.ma.masked_array(np.ones(5, bool), [0, 0, 0, 0, 1]),) * 2:
        with pytest.raises(TypeError, match="mask must not be a masked array"):
            AttentionView(shares(5, 5), mask=mask)
        with pytest.raises(TypeError, match="mask must not be a masked array"):
            scaled_dot_product_attention(np.eye(5), np.eye(5), np.eye(5), mask=mask)


class Model:
    def state_dict(self):
        return {}


@pytest.mark.parametrize(
    "weights, words",
    [
        (Tensor(shares(3, 3), device="meta"), r"weights cannot be read .* meta tensor; no data!"),
        (Deaf(shares(3, 3)), "weights cannot be read as an array of numbers: Implicit conversion"),
        (Model(), r"weights must hold real numbers, got a model \(Model\): give what it returns"),
        (object(), r"weights must hold real numbers, got an array of object \(object\)"),
    ],
)
def test_what_cannot_be_read_is_named(weights, words):
    with pytest.raises(TypeError, match=words):
        AttentionView(weights)


# ---- layers and batches --------------------------------------------------------------------------


ROWS = {
    "a tuple": tuple,
    "a list": list,
    "an array of objects": lambda layers: _objects(layers),
    "one array": np.stack,
    "tensors": lambda layers: tuple(Tensor(one, grad=True, device="cuda:0") for one in layers),
    "lists of heads": lambda layers: [[head for head in one[0]] for one in layers],
}


def _objects(layers):
    found = np.empty(len(layers), object)
    found[:] = list(layers)
    return found


@pytest.mark.parametrize("row", ROWS)
@pytest.mark.parametrize("place", LAYERS)
def test_layers_with_a_batch_of_one(row, place):
    weights = shares(4, 3, 5, 5)
    if (row, place) != ("one array", "entropy"):  # an array keeps all its axes there
        assert same(LAYERS[place](ROWS[row](weights[:, None])), LAYERS[place](weights))


@pytest.mark.parametrize("place", {**LAYERS, **HEADS})
def test_a_batch_is_never_taken_for_layers_or_heads(place):
    if place in ("attention", "within_diagonals", "directions"):
        return  # which take axes in front
    take = {**HEADS, **LAYERS}[place]
    layers = tuple(shares(4, 2, 3, 5, 5))
    wanted = "a batch: choose a text" if place == "Machine" else "holds a batch of 2.*choose a text"
    with pytest.raises(ValueError, match=wanted) as error:
        take(layers[0] if place == "Machine" else layers)
    if place in ("AttentionView", "CompareView", "Threads", "heads", "threads", "mosaic"):
        assert "batch=0" in str(error.value)
    assert place == "Machine" or "[layer[0] for layer in " in str(error.value)


CHOOSE = {
    "AttentionView": lambda w, **how: AttentionView(w, **how).array,
    "update": lambda w, **how: _updated(w, **how).array,
    "CompareView": lambda w, **how: CompareView(w, w, **how).views[1].array,
    "mosaic": lambda w, **how: drawn(mosaic(w, **how)),
}
CHOOSE_IN_A_LAYER = CHOOSE | {
    "Threads": lambda w, **how: Threads(w, **how).weights,
    "heads": lambda w, **how: drawn(heads(w, **how)),
    "threads": lambda w, **how: drawn(threads(w, **how)),
}


def _updated(weights, **how):
    view = AttentionView(np.eye(2))
    view.update(weights, **how)
    return view


@pytest.mark.parametrize("text", [0, 1])
@pytest.mark.parametrize("place", CHOOSE_IN_A_LAYER)
def test_a_text_of_a_batch_is_chosen_with_its_names_and_its_mask(place, text):
    weights, take = shares(4, 2, 3, 5, 5), CHOOSE_IN_A_LAYER[place]
    names = [WORDS, list("vwxyz")]
    for mask in (np.array([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0]]), np.tri(5)[None, None]):
        own = mask[text] if mask.ndim == 2 else mask[0, 0]
        own = np.broadcast_to(own, (5, 5)) == 1
        how = {"tokens": names, "mask": mask, "batch": text}
        alone = {"tokens": names[text], "mask": own}
        if place in CHOOSE:
            found = take(tuple(weights), **how)
            assert same(found, take(weights[:, text], **alone))
        one = weights[:1, text] if place == "mosaic" else weights[0, text]
        assert same(take(weights[0], **how), take(one, **alone))


def test_names_and_mask_of_the_chosen_text():
    names, padded = [WORDS, list("vwxyz")], np.array([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0]])
    layers = tuple(shares(4, 2, 3, 5, 5))
    view = AttentionView(layers, names, mask=padded, batch=1)
    assert view.tokens == list("vwxyz") and view.mask.tolist() == [True] * 3 + [False] * 2
    view = AttentionView(layers, names, mask=padded[:, None, None], batch=1)
    assert view.mask.reshape(-1).tolist() == [True] * 3 + [False] * 2
    with pytest.raises(ValueError, match=r"may be \(batch, n_k\) or \(n_q, n_k\).*mask\[1\]"):
        AttentionView(shares(2, 5, 3, 5, 5), mask=np.tri(5), batch=1)


@pytest.mark.parametrize(
    "weights, batch, words",
    [
        (shares(2, 3, 5, 5), 2, "batch must be at most 1"),
        (shares(2, 3, 5, 5), -1, "batch must be at least 0"),
        (shares(2, 3, 5, 5), "1", "batch must be a whole number"),
        (shares(3, 5, 5), 0, r"batch=0 needs weights with a batch"),
        (tuple(shares(2, 3, 5, 5)), 0, r"batch=0 needs weights with a batch"),
    ],
)
def test_a_text_that_there_is_not(weights, batch, words):
    with pytest.raises((ValueError, TypeError), match=words):
        AttentionView(weights, batch=batch)


@pytest.mark.parametrize("names", [[WORDS, WORDS], np.ones((2, 5), int), Tensor(np.ones((2, 5)))])
@pytest.mark.parametrize("place", ["AttentionView", "Threads", "heads", "threads", "most", "map"])
def test_a_batch_drawn_as_layers_is_known_by_its_tokens(names, place):
    take = {**CHOOSE_IN_A_LAYER, "most": most_attended, "map": lambda w, tokens: heatmap(w, tokens)}
    shape = (2, 3, 5, 5) if place == "AttentionView" else (2, 5, 5)
    shape = (5, 5) if place == "map" else shape
    with pytest.raises(
        ValueError, match=r"tokens must be of one text, and holds those of 2.*batch"
    ):
        take[place](shares(*shape), tokens=names)


def test_an_array_keeps_its_axes_in_a_measure():
    weights = shares(4, 1, 3, 5, 5)
    assert measures.entropy(weights).shape == (4, 1, 3)


@pytest.mark.parametrize("place", {**LAYERS, **HEADS})
def test_none_says_how_to_get_weights(place):
    if place in ("attention", "within_diagonals", "directions", "Machine"):
        return
    for weights in (None, (None, None), [None], ((None, None), (None, None))):
        with pytest.raises(TypeError, match=r"None.*attn_implementation='eager'"):
            {**HEADS, **LAYERS}[place](weights)


def test_some_layers_without_weights_are_not_left_out_by_themselves():
    with pytest.raises(TypeError, match=r"weights\[1\] .*is None: leave out such layers"):
        AttentionView((shares(1, 3, 5, 5), None, shares(1, 3, 5, 5)))


def test_layers_of_different_lengths_are_a_choice():
    long, short = shares(1, 3, 5, 5), shares(1, 3, 5, 2)
    with pytest.raises(
        ValueError, match=r"\(1, 3, 5, 5\) in layer 0, 2, \(1, 3, 5, 2\) in layer 1"
    ):
        AttentionView((long, short, long))
    with pytest.raises(ValueError, match=r"\[weights\[i\] for i in \(0, 2\)\]"):
        measures.entropy((long, short, long))
    weights = (long, short, long)
    assert AttentionView([weights[i] for i in (0, 2)]).array.shape == (2, 3, 5, 5)


@pytest.mark.parametrize(
    "weights",
    [
        (shares(1, 5, 8), shares(1, 3, 5, 5)),  # an output and its weights
        (shares(1, 5, 8), (shares(1, 3, 5, 5),) * 2),  # all that a model returns
        (Tensor(shares(1, 5, 8)), None, (Tensor(shares(1, 3, 5, 5)),) * 2),
    ],
)
def test_all_that_a_model_returns_is_too_much(weights):
    with pytest.raises((TypeError, ValueError), match=r"weights\[-1\]|weights\[1\] .*None"):
        AttentionView(weights)


# ---- generate() ----------------------------------------------------------------------------------


def steps_of(whole, sizes, window=None):
    """The steps in which a model with a cache would have made a causal (layers, h, n, n)."""
    steps, row = [], 0
    for i, size in enumerate(sizes):
        end = row + size
        start = 0 if window is None or i == 0 else max(0, end - window)
        steps.append(tuple(layer[None, :, row:end, start:end] for layer in whole))
        row = end
    return tuple(steps)


def causal(n, window=None):
    where = masks.causal(n) if window is None else masks.causal(n) & masks.local(n, window=window)
    return softmax(np.random.default_rng(1).normal(size=(2, 3, n, n)), where=where)


@given(st.integers(1, 6), st.lists(st.integers(1, 3), max_size=5))
def test_the_steps_of_generate_are_the_text_read_at_once(first, later):
    if len(later) and first == 1 and later[0] > 1:
        first = 2
    sizes = [first, *later]
    whole = causal(sum(sizes))
    view = AttentionView(steps_of(whole, sizes))
    np.testing.assert_array_equal(view.array, whole.astype(np.float32))


@given(st.integers(2, 6), st.integers(1, 6), st.integers(2, 4))
def test_a_layer_with_a_window_sees_the_last_keys(first, later, window):
    sizes = [first] + [1] * later
    whole = causal(sum(sizes), window)
    found = AttentionView(steps_of(whole, sizes, window)).array
    np.testing.assert_array_equal(found, whole.astype(np.float32))


def test_windows_and_full_layers_side_by_side():
    full, near = causal(7), causal(7, 3)
    mixed = [
        (one[0], two[1])
        for one, two in zip(steps_of(full, [4, 1, 1, 1]), steps_of(near, [4, 1, 1, 1], 3))
    ]
    found = AttentionView(mixed).array
    np.testing.assert_array_equal(found, np.stack([full[0], near[1]]).astype(np.float32))


def test_without_a_cache_the_last_step_holds_all():
    whole = causal(6)
    steps = [tuple(layer[None, :, :n, :n] for layer in whole) for n in (4, 5, 6)]
    np.testing.assert_array_equal(AttentionView(steps).array, whole.astype(np.float32))


def test_steps_over_a_source_or_in_a_room_kept_free():
    rows = shares(2, 3, 4, 6)
    steps = [tuple(layer[None, :, i : i + 1] for layer in rows) for i in range(4)]
    np.testing.assert_array_equal(AttentionView(steps).array, rows)
    steps = [tuple(layer[None, :, :2] for layer in rows)] + steps[2:]
    np.testing.assert_array_equal(AttentionView(steps).array, rows)


def test_a_text_of_a_batch_that_was_written():
    first, second = causal(6), causal(6)[:, ::-1]
    one, two = (steps_of(whole, [4, 1, 1]) for whole in (first, second))
    both = [[np.concatenate(pair) for pair in zip(*step)] for step in zip(one, two)]
    with pytest.raises(ValueError, match="a batch of 2") as error:
        AttentionView(both)
    assert "[[layer[:1] for layer in step] for step in weights]" in str(error.value)
    found = AttentionView(both, batch=1).array
    np.testing.assert_array_equal(found, second.astype(np.float32))
    found = AttentionView([[layer[:1] for layer in step] for step in both]).array
    np.testing.assert_array_equal(found, first.astype(np.float32))


@pytest.mark.parametrize("sizes", [(4, 4), (4, 6), (6, 4), (3, 5, 4)])
def test_texts_that_stand_behind_each_other_are_no_steps(sizes):
    runs = [tuple(shares(2, 1, 3, n, n, seed=i, causal=True)) for i, n in enumerate(sizes)]
    with pytest.raises(ValueError, match=r"several runs or texts.*give one, weights\[0\]"):
        AttentionView(runs)


def test_steps_with_other_layers():
    steps = steps_of(causal(6), [4, 1, 1])
    with pytest.raises(ValueError, match="weights must have as many layers in each step, got 2, 1"):
        AttentionView([steps[0], steps[1][:1]])


def test_the_token_that_was_written_last_has_not_looked():
    steps = steps_of(causal(4), [3, 1])
    assert AttentionView(steps, WORDS[:4]).tokens == WORDS[:4]
    with pytest.raises(ValueError, match=r"tokens has 5 names.*tokens\[:-1\]"):
        AttentionView(steps, WORDS)


# ---- outputs -------------------------------------------------------------------------------------


class Output(OrderedDict):
    """As transformers' ModelOutput: what is None is an attribute and no key."""

    attentions = cross_attentions = None

    def __getattr__(self, name):
        try:
            return self[name]
        except KeyError:
            raise AttributeError(name) from None

    def __getattribute__(self, name):
        if name in ("attentions", "cross_attentions") and name in self:
            return self[name]
        return super().__getattribute__(name)


@dataclass
class Named:
    attentions: tuple
    cross_attentions: tuple = None


LAYER = shares(1, 3, 5, 5)


@pytest.mark.parametrize(
    "held",
    [
        Output(last_hidden_state=np.ones((1, 5, 8)), attentions=(LAYER, LAYER)),
        Output(logits=np.ones((1, 5, 8)), attentions=(LAYER, LAYER), cross_attentions=()),
        {"logits": np.ones((1, 5, 8)), "attentions": [LAYER, LAYER], "cross_attentions": None},
        UserDict(attn_weights=(LAYER, LAYER)),
        Named((LAYER, LAYER)),
        SimpleNamespace(encoder_attentions=(LAYER, LAYER)),
        {"cross_attentions": (Tensor(LAYER, grad=True),) * 2},
        Trace(WORDS, np.concatenate([LAYER, LAYER]), np.ones((5, 8))),
        Trace([WORDS], np.stack([LAYER, LAYER]), np.ones((1, 5, 8))),
        {f"blocks.{i}.attn.hook_pattern": LAYER for i in (1, 0)}
        | {"blocks.0.attn.hook_q": np.ones((1, 5, 3, 2))},
    ],
)
@pytest.mark.parametrize("place", ["AttentionView", "mosaic", "entropy", "rollout"])
def test_an_output_is_taken_by_the_name_of_its_weights(held, place):
    take = LAYERS[place] if place != "AttentionView" else lambda w: AttentionView(w).array
    assert same(take(held), take(np.concatenate([LAYER, LAYER])))


@pytest.mark.parametrize("name", [int, "layer_{}".format, "h.{}.attn".format, str])
def test_a_mapping_from_numbers_of_layers(name):
    """In the order of the numbers, not of the letters."""
    found = {name(i): shares(1, 3, 5, 5, seed=i) for i in (10, 2, 0, 1)}
    wanted = np.stack([found[name(i)][0] for i in (0, 1, 2, 10)])
    np.testing.assert_array_equal(AttentionView(found).array, wanted.astype("f4"))
    with pytest.raises(TypeError, match="got a dict with the keys"):
        AttentionView({**found, "other": found[name(0)]})


def test_layers_of_a_cache_stand_in_their_order():
    layers = {f"blocks.{i}.attn.hook_pattern": shares(1, 3, 5, 5, seed=i) for i in (10, 2, 0, 1)}
    found = AttentionView(layers).array
    for at, i in enumerate((0, 1, 2, 10)):
        np.testing.assert_array_equal(found[at], shares(3, 5, 5, seed=i))
    with pytest.raises(TypeError, match=r"'encoder\.0\.hook_pattern'"):
        AttentionView({f"{side}.0.hook_pattern": LAYER for side in ("encoder", "decoder")})


def test_a_trace_brings_its_tokens():
    trace = Trace(WORDS, shares(2, 3, 5, 5), np.ones((5, 8)))
    assert AttentionView(trace).tokens == WORDS and Threads(
        trace._replace(weights=trace.weights[:1])
    )
    assert AttentionView(trace, list("vwxyz")).tokens == list("vwxyz")
    batch = Trace([WORDS, list("vwxyz")], shares(2, 2, 3, 5, 5), np.ones((2, 5, 8)))
    assert AttentionView(batch, batch=1).tokens == list("vwxyz")
    assert AttentionView(shares(5, 5), trace).tokens == WORDS
    assert same(drawn(mosaic(trace)), drawn(mosaic(trace.weights, WORDS)))


def test_a_trace_brings_its_mask():
    causal, own = np.tri(5, dtype=bool), np.eye(5, dtype=bool)
    trace = Trace(WORDS, shares(2, 3, 5, 5, causal=True), np.ones((5, 8)), mask=causal)
    assert np.array_equal(AttentionView(trace).mask, causal)
    assert np.array_equal(AttentionView(trace, mask=own).mask, own), "a given one wins"
    assert AttentionView(trace.weights, WORDS).mask is None, "an array is what it is"
    assert AttentionView(trace._replace(mask=None)).mask is None
    view = AttentionView(shares(2, 3, 5, 5))
    view.update(trace)
    assert np.array_equal(view.mask, causal)
    view.update(trace.weights)
    assert view.mask is None
    each = np.stack([causal, own])[:, None]  # layers that differ
    view = AttentionView(trace._replace(mask=each), layer=1, head=2)
    assert (
        view._mask == np.packbits(np.broadcast_to(each, (2, 3, 5, 5)).reshape(6, 25), -1).tobytes()
    )
    steps = [trace, trace._replace(weights=shares(2, 3, 5, 5, causal=True, seed=1))]
    assert np.array_equal(AttentionView(steps, steps=["a", "b"]).mask, causal)
    steps[1] = steps[1]._replace(mask=own)
    assert AttentionView(steps, steps=["a", "b"]).mask is None, "no mask of one step holds in all"


@pytest.mark.parametrize("text", [0, 1])
def test_a_trace_of_a_batch_brings_the_mask_of_the_text_that_is_meant(text):
    both = np.stack([np.tri(5, dtype=bool), np.tri(5, k=-1, dtype=bool)])  # (b, n, n)
    mask = np.broadcast_to(both[:, None], (3, 2, 1, 5, 5))
    batch = Trace([WORDS, list("vwxyz")], shares(3, 2, 4, 5, 5), np.ones((2, 5, 8)), mask=mask)
    found = np.broadcast_to(AttentionView(batch, batch=text).mask, (3, 4, 5, 5))
    assert (found == both[text]).all()
    alone = batch._replace(tokens=[WORDS], weights=batch.weights[:, :1], mask=mask[:, :1])
    assert (AttentionView(alone).mask == both[0]).all()


def test_the_steps_of_a_layer_are_an_output():
    steps = SelfAttention(8, 2).steps(np.random.default_rng(0).normal(size=(5, 8)))
    np.testing.assert_array_equal(AttentionView(steps).array[0], steps.weights.astype(np.float32))


@pytest.mark.parametrize(
    "held, words",
    [
        (Output(logits=np.ones(3)), "holds none.*eager.*output_attentions=True"),
        (Output(logits=np.ones(3), attentions=(None, None)), "holds none.*eager"),
        ({"attentions": ()}, "holds none.*eager"),
        (
            SimpleNamespace(encoder_attentions=(LAYER,), cross_attentions=(LAYER,)),
            r"several: give weights\.encoder_attentions or weights\.cross_attentions",
        ),
        (
            {"attentions": (LAYER,), "cross_attentions": (LAYER,)},
            r"several: give weights\['attentions'\] or weights\['cross_attentions'\]",
        ),
        (
            Trace(WORDS, LAYER, LAYER, WORDS, LAYER, LAYER),
            r"give weights\.weights or weights\.decoder_weights or weights\.cross_weights",
        ),
        ({"a": LAYER, "b": LAYER}, r"a dict with the keys 'a', 'b'.*weights\['a'\]"),
        ({}, "a dict with the keys"),
    ],
)
def test_an_output_without_weights_or_with_several(held, words):
    for take in (AttentionView, measures.entropy, mosaic):
        with pytest.raises(TypeError, match=words):
            take(held)


def test_a_mapping_is_no_array():
    with pytest.raises(TypeError, match=r"q must hold real numbers, got a dict.*q\['q'\]"):
        scaled_dot_product_attention({"q": LAYER}, LAYER, LAYER)


# ---- masks ---------------------------------------------------------------------------------------

LOWEST = np.finfo(np.float32).min
ALLOWED = np.array([[1, 0, 0], [1, 1, 0], [1, 1, 1]], bool)
TAKEN = {
    "whole numbers": ALLOWED.astype(int),
    "unsigned": ALLOWED.astype(np.uint8),
    "floats": ALLOWED.astype(float),
    "a tensor": Tensor(ALLOWED.astype(np.float32), grad=True),
    "a list": ALLOWED.astype(int).tolist(),
    "-inf": np.where(ALLOWED, 0, -np.inf),
    "the lowest number": np.where(ALLOWED, 0, LOWEST),
    "-1e9": np.where(ALLOWED, 0, -1e9),
    "half precision": np.where(ALLOWED, 0, np.finfo(np.float16).min).astype(np.float16),
    "with axes for batch and heads": np.where(ALLOWED, 0, LOWEST)[None, None],
}


@pytest.mark.parametrize("name", TAKEN)
def test_a_mask_of_numbers_is_taken_where_it_can_mean_one_thing(name):
    mask, weights = TAKEN[name], shares(2, 3, 3)
    for take in (
        lambda m: np.broadcast_to(AttentionView(weights, mask=m).mask, (1, 2, 3, 3)),
        lambda m: Threads(weights, mask=m).mask,
        lambda m: Machine(weights, weights, weights, mask=m).mask,
        lambda m: drawn(heads(weights, mask=m, show_mask=True)),
        lambda m: drawn(threads(weights, mask=m)),
        lambda m: drawn(heatmap(weights[0], mask=m)),
        lambda m: drawn(mosaic(weights[None], mask=m)),
        lambda m: CompareView(weights, weights, mask=m).figure().png(fast=True),
        lambda m: CompareView(weights, weights, mask=(m, None)).figure().png(fast=True),
    ):
        assert same(take(mask), take(ALLOWED))
    if name != "with axes for batch and heads":
        for draw in (mask_figure, hop_map, lambda m: compare(weights[0], weights[1], mask=m)):
            assert same(drawn(draw(mask)), drawn(draw(ALLOWED)))
    else:
        assert same(drawn(panels(mask)), drawn(panels(ALLOWED[None, None])))


@pytest.mark.parametrize("mask", [np.ones((1, 3), int), np.ones(3, np.float32), [1, 1, 1]])
def test_a_text_without_padding(mask):
    assert AttentionView(shares(3, 3), mask=mask).mask.all()


@pytest.mark.parametrize(
    "mask, words",
    [
        (np.zeros((3, 3)), r"only 0.*mask\.astype\(bool\) or mask == 0"),
        (np.zeros(3, int), r"only 0.*mask\.astype\(bool\) or mask == 0"),
        (np.full((3, 3), 0.5), "neither 1 and 0 nor 0 and -inf"),
        ([3, 2, 1], "neither 1 and 0 nor 0 and -inf"),
        (np.where(ALLOWED, 1, -np.inf), "neither 1 and 0 nor 0 and -inf"),
        (np.where(ALLOWED, 0, -5.0), "neither 1 and 0 nor 0 and -inf"),
        (np.where(ALLOWED, 0, np.nan), "neither 1 and 0 nor 0 and -inf"),
        (["a", "b", "c"], "got an array of <U1"),
    ],
)
def test_a_mask_that_could_mean_two_things_is_refused(mask, words):
    for take in (AttentionView, Threads, heatmap, threads):
        with pytest.raises(TypeError, match=f"mask must be boolean .*{words}"):
            take(shares(3, 3), mask=mask)


@pytest.mark.parametrize("name", ["whole numbers", "floats", "-inf", "a tensor"])
def test_beside_a_bias_a_mask_of_numbers_is_refused_with_the_way_out(name):
    x = np.eye(3)
    with pytest.raises(TypeError, match=r"mask\.astype\(bool\).*mask == 0.*bias=") as error:
        scaled_dot_product_attention(x, x, x, mask=TAKEN[name])
    assert "mask must be boolean" in str(error.value)


# ---- scores --------------------------------------------------------------------------------------


@pytest.mark.parametrize("fill", [-np.inf, LOWEST, np.finfo(np.float64).min, -1e9, -1e4, -65504.0])
@pytest.mark.parametrize("place", HEADS)
def test_masked_scores_are_not_taken_for_weights(fill, place):
    if place in ("attention", "within_diagonals", "directions", "Machine"):
        return  # which take any numbers
    scores = np.where(masks.causal(5), np.random.default_rng(0).normal(size=(3, 5, 5)), fill)
    with pytest.raises(ValueError, match="softmax"):
        HEADS[place](scores)


def test_masked_scores_in_one_matrix():
    scores = np.where(masks.causal(5), 0.5, LOWEST)
    for take in (
        heatmap,
        lambda w: compare(w, w),
        lambda w: mosaic(w[None, None]),
        effects.rollout,
    ):
        with pytest.raises(ValueError, match="softmax"):
            take(scores[None, None] if take is effects.rollout else scores)
    assert drawn(heatmap(scores, signed=True)), "signed numbers are no weights"
    assert AttentionView(np.eye(3) * -1e9, signed=True).array.min() == -1e9


def test_scores_without_a_mask_are_asked_about():
    (negative,) = [n for n in AttentionView(np.eye(3) - 0.4)._notes if "negative" in n]
    assert negative == "6 weights are negative; are these scores, before the softmax?"


def test_rounding_is_named():
    weights = coarse(shares(3, 9, 9))
    (note,) = AttentionView(weights)._notes
    assert "rows do not sum to 1; they were rounded, as bfloat16 is" in note
    (note,) = AttentionView(weights * 0.5)._notes
    assert note.endswith("27 of 27 rows do not sum to 1"), "rounding does not explain that"
    weights = shares(3, 9, 9)
    weights[0, 0] *= 1.003
    (note,) = AttentionView(weights)._notes
    assert note == "1 of 27 rows does not sum to 1", "these numbers are not rounded"


# ---- tokens --------------------------------------------------------------------------------------


class Encoding:
    """As the tokenizers library gives it."""

    def __init__(self):
        self.tokens = ["[CLS]", "cat", "[SEP]"]


class BatchEncoding(UserDict):
    """As transformers' tokenizers give it."""

    def tokens(self):
        return ["[CLS]", "cat", "[SEP]"]


@pytest.mark.parametrize(
    "tokens, names",
    [
        (Tensor([101, 7, 102]), ["101", "7", "102"]),
        (Tensor([[101, 7, 102]], device="cuda:0"), ["101", "7", "102"]),
        ([Tensor(101), Tensor(7), Tensor(102)], ["101", "7", "102"]),
        (np.array([101, 7, 7]), ["101", "7₁", "7₂"]),
        ([np.int64(5), np.int32(6), 7], ["5", "6", "7"]),
        (np.array(["a", "b", "c"]), ["a", "b", "c"]),
        (Box(np.array([1, 2, 3])), ["1", "2", "3"]),
        ([b"the", b" cat", b"\xe2\x80"], ["the", "␣cat", "\\xe2\\x80"]),
        (Encoding(), ["[CLS]", "cat", "[SEP]"]),
        ([["a", "b", "c"]], ["a", "b", "c"]),
        ((["a", "b"], ["c"]), ["a", "b", "c"]),
        (iter("abc"), ["a", "b", "c"]),
        (range(3), ["0", "1", "2"]),
        ({"a": 0, "b": 1, "c": 2}.keys(), None),
        (["[CLS]", "[SEP]", "[SEP]"], ["[CLS]", "[SEP]₁", "[SEP]₂"]),
        (["שלום", "قطة", "猫"], ["שלום", "قطة", "猫"]),
    ],
)
@pytest.mark.parametrize("view", [AttentionView, Threads])
def test_tokens_of_every_kind(tokens, names, view):
    if names is None:  # a set, which has no order, unless it is a dict's keys
        tokens, names = list(tokens), ["a", "b", "c"]
    assert (
        view(shares(3, 3), tokens if not hasattr(tokens, "__next__") else list("abc")).tokens
        == names
    )


@pytest.mark.parametrize(
    "tokens, words",
    [
        ("abc", "cut the text first"),
        (b"abc", "cut the text first"),
        (3, "tokens must be a list of strings, one per token, got 3"),
        ({"a", "b", "c"}, "tokens must be a list of strings"),
        (BatchEncoding(input_ids=[1, 2, 3]), r"a BatchEncoding: give tokens\.tokens\(\)"),
        ({"input_ids": [1, 2, 3]}, "a dict: give"),
        (np.ma.masked_array([1, 2, 3]), "tokens must not be a masked array"),
        (Tensor(5), "tokens must be a list of strings, one per token, got 5"),
        ([list("abc"), list("def")], "tokens must be of one text, and holds those of 2"),
        ([list("abc"), list("de")], "tokens must be of one text, and holds those of 2"),
        (list("ab"), "tokens has 2 names"),
    ],
)
def test_tokens_that_are_none(tokens, words):
    for take in (AttentionView, Threads, heatmap, threads):
        with pytest.raises((TypeError, ValueError), match=words):
            take(shares(3, 3), tokens)


MARKS = [  # what stands in a tokenizer's file, what stands in the text
    (["The", "Ġcat", "Ġsat"], ["The", "␣cat", "␣sat"]),
    (["▁The", "▁cat", "s"], ["␣The", "␣cat", "s"]),
    (["on</w>", "the</w>", "m", "at</w>"], ["on␣", "the␣", "m", "at␣"]),
    (["un", "##believ", "##able"], ["un", "##believ", "##able"]),
    (["Ċ", "ĉ", "Ġ", "ĊĊ", "ĠĠĠ"], ["↵", "⇥", "␣", "↵↵", "␣␣␣"]),
    (["\n", "\t", " ", "\r\n", ""], ["↵", "⇥", "␣₁", "⇤↵", "␣₂"]),
    (["a\nb", "\nThe", "end\n", "  x", "a b"], ["a↵b", "↵The", "end↵", "␣␣x", "a b"]),
    ([" " * 8, "\n" * 30, "x" + "\t" * 5], ["␣×8", "↵×30", "x⇥×5"]),
    (["ĠcafÃ©", "âĢĻs", "ĠæĹ¥", "ĠðŁĺ", "Ģ"], ["␣café", "’s", "␣日", "ĠðŁĺ", "Ģ"]),
    (["▁", "▁▁", "<0x0A>", "<0xE2>", "<s>"], ["␣", "␣␣", "↵", "<0xE2>", "<s>"]),
    (["<｜begin▁of▁sentence｜>", "Ġhi"], ["<｜begin▁of▁sentence｜>", "␣hi"]),
    (["<|endoftext|>", "ĠThe", "ĊThe"], ["<|endoftext|>", "␣The", "↵The"]),
    (["café", "naïve", "Ã©"], ["café", "naïve", "Ã©"]),  # nothing says that these are bytes
    (["być</w>", "žena</w>"], ["być␣", "žena␣"]),  # nor these, which are no text as bytes
]


@pytest.mark.parametrize("file, text", MARKS)
def test_the_marks_of_a_tokenizers_file(file, text):
    assert visible(file) == text
    assert visible(visible(file)) == visible(text), "twice is as once"
    view = AttentionView(np.eye(len(file)), file)
    assert view.tokens == text


def test_blanks_can_be_drawn():
    assert printable(["\n", "\t", " ", "\r"]) == ["↵", "⇥", "␣", "⇤"]


def test_the_signs_for_bytes_are_those_of_the_tokenizers_library():
    kind = pytest.importorskip("tokenizers").pre_tokenizers.ByteLevel
    assert set(BYTES) == set(kind.alphabet()) and sorted(BYTES.values()) == [*range(256)]
    level = kind(add_prefix_space=False, use_regex=False)
    for text in (" The cat", "\n\tcafé", "日本の猫 🦜", "\x00\x7f\xad ¡ÿ"):
        ((name, _),) = level.pre_tokenize_str(text)
        assert bytes(BYTES[sign] for sign in name).decode() == text


def test_a_pair_of_texts_is_read(tmp_path):
    library = pytest.importorskip("tokenizers")
    from attnlib.models.bert import Bert
    from attnlib.models.text import FileTokenizer, NoTokenizer, TextEncoder

    words = {word: i for i, word in enumerate("[PAD] [UNK] [CLS] [SEP] the cat sat on".split())}
    inner = library.Tokenizer(library.models.WordLevel(words, unk_token="[UNK]"))
    inner.pre_tokenizer = library.pre_tokenizers.Whitespace()
    inner.post_processor = library.processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", 2), ("[SEP]", 3)],
    )
    inner.save(str(tmp_path / "tokenizer.json"))
    assert json.loads((tmp_path / "tokenizer.json").read_text())
    bert = Bert(len(words), 8, 2, 2, n_max=16)
    model = TextEncoder(bert, FileTokenizer(tmp_path / "tokenizer.json"), {})
    trace = model(("the cat", "sat on"))
    assert trace.tokens == ["[CLS]", "the", "cat", "[SEP]", "sat", "on", "[SEP]"]
    other = model.forward(np.array([2, 4, 5, 3, 6, 7, 3]), token_types=[0, 0, 0, 0, 1, 1, 1])
    np.testing.assert_array_equal(trace.weights, other.weights)
    assert not np.array_equal(trace.weights, model.forward([2, 4, 5, 3, 6, 7, 3]).weights)
    with pytest.raises(TypeError, match="text must be a string"):
        model(("the cat", 3))
    with pytest.raises(TypeError, match="text must be a string"):
        model(["the", "cat", "sat"])
    with pytest.raises(ValueError, match="reads ids"):
        TextEncoder(bert, NoTokenizer("no file"), {})(("the cat", "sat on"))


def test_running_text_has_no_marks_either():
    found = [
        drawn(shaded(tokens, [1, 0.5, 0]))
        for tokens in (["The", "Ġcat", "Ċ"], ["The", " cat", "\n"])
    ]
    assert same(*found)


def test_ids_of_every_kind_are_read():
    model = GPT(11, 8, 2, 2)
    wanted = model.logits([1, 2, 3])
    for ids in (Tensor([1, 2, 3], device="cuda:0"), [Tensor(i) for i in (1, 2, 3)], Box([1, 2, 3])):
        np.testing.assert_array_equal(model.logits(ids), wanted)
    assert masks.padding(Tensor([2, 3], device="cuda:0"), 3).sum() == 5
    assert masks.documents(Tensor([0, 0, 1], device="cuda:0")).sum() == 5
    text, other = Tensor([1, 2, 3], device="cuda:0"), Tensor([4], device="cuda:0")
    found = effects.swap_each(model, text, other)
    np.testing.assert_array_equal(found, effects.swap_each(model, [1, 2, 3], [4]))


# ---- large layers stay apart ---------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(3, 1, 2, 5, 5), (3, 4, 2, 5, 6), (3, 2, 4, 4)])
def test_large_layers_are_not_copied(monkeypatch, shape):
    """A view of them is that of the stacked array: what crosses, what a page holds, the still."""
    rng = np.random.default_rng(0)
    layers = tuple(rng.dirichlet(np.ones(shape[-1]), size=shape[:-1]))
    how = {"batch": 2} if shape[1] == 4 else {}
    monkeypatch.setattr("attnlib.show.live.view.COPIED", 0)
    whole = AttentionView(layers, **how, layer=1)
    monkeypatch.setattr(_brought, "LARGE", 10)
    apart = AttentionView(layers, **how, layer=1)
    assert isinstance(apart.array, _brought.Layers) and isinstance(whole.array, np.ndarray)
    np.testing.assert_array_equal(np.asarray(apart.array), whole.array)
    for name in whole.trait_names(sync=True):
        if name.startswith("_") and not name.startswith(("_model", "_view", "_anywidget")):
            assert getattr(apart, name) == getattr(whole, name), name
    assert apart.figure().png() == whole.figure().png()
    for view in (apart, whole):
        view.how = "max all"
    assert apart.to_html() == whole.to_html()
    apart.update(layers[:2], **how)
    assert apart._shape[1] == 2
    layers[-1][..., -1] = -1e9
    with pytest.raises(ValueError, match="look like scores"):
        AttentionView(layers, **how)
    layers[-1][..., -1] = 0
    if len(shape) == 4:
        measured = [measures.entropy(one) for one in (layers, np.stack(layers))]
        np.testing.assert_array_equal(*measured)


def test_a_tuple_of_large_layers_takes_little_memory(monkeypatch):
    """Less than a tenth of a copy of what was brought: 19 MB."""
    monkeypatch.setattr(_brought, "LARGE", 1_000_000)
    monkeypatch.setattr("attnlib.show.live.view.SENT_AT_ONCE", 100_000)
    monkeypatch.setattr("attnlib.show.live.view.COPIED", 100_000)
    layers = tuple(np.full((1, 12, 256, 256), 1 / 256, np.float32) for _ in range(6))
    tracemalloc.start()
    try:
        AttentionView(layers)
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert most < 6_000_000, f"{most:,} bytes"
