"""q and k of any loaded model: attention made of them is the model's own, head by head."""

import json

import numpy as np
import pytest
from checkpoints import FIXTURES, FOLDERS, changed, reference

from attnlib import attention, effects, masks
from attnlib.models.bert import Bert
from attnlib.models.gpt import GPT
from attnlib.models.pretrained import load
from attnlib.models.text import TextEncoder, TextModel
from attnlib.show import Machine

pytest.importorskip("safetensors", reason="pip install 'attnlib[models]'")
VARIANTS = json.loads((FIXTURES / "variants.json").read_text())


def by_hand(q, k, v, mask=None, bias=None, scale=None, softcap=None):
    """softmax(cap(q kᵀ · scale) + bias, hidden where the mask is shut) v, in float64."""
    scores = q.astype(float) @ k.astype(float).swapaxes(-1, -2)
    scores *= q.shape[-1] ** -0.5 if scale is None else scale
    scores = scores if softcap is None else softcap * np.tanh(scores / softcap)
    scores = scores + (0 if bias is None else bias)
    scores = np.where(True if mask is None else mask, scores, -np.inf)
    e = np.exp(scores - scores.max(axis=-1, keepdims=True))
    weights = e / e.sum(axis=-1, keepdims=True)
    return weights @ v, weights


def same(model, ids, trace):
    """Every head of every layer, by attnlib and by hand, from what qkv hands back."""
    found = model.qkv(ids)
    layers, heads, n, _ = trace.weights.shape
    assert found.tokens == trace.tokens and len(found.options) == layers
    assert found.q.shape == found.k.shape == found.v.shape and found.q.shape[:3] == (
        layers,
        heads,
        n,
    )
    for layer, options in enumerate(found.options):
        q, k, v = (one[layer] for one in found[1:4])
        _, weights = attention.scaled_dot_product_attention(q, k, v, **options)
        np.testing.assert_allclose(weights, trace.weights[layer], rtol=0, atol=1e-6)
        np.testing.assert_allclose(by_hand(q, k, v, **options)[1], weights, rtol=0, atol=1e-5)
    return found


@pytest.mark.parametrize("family", FOLDERS)
def test_attention_made_of_them_is_the_models(family):
    model, ref = load(FIXTURES / family), reference(family)
    given = [ref[name] for name in ("ids", "decoder_ids") if name in ref]
    found = same(model, ref["ids"], model.forward(*given))
    for layer, head in np.ndindex(found.q.shape[:2]):
        machine = Machine(**found.head(layer, head))
        close = {"rtol": 0, "atol": 1e-6}
        np.testing.assert_allclose(machine.weights, ref["weights"][layer, head], rtol=0, atol=2e-5)
        assert machine.title == f"Layer {layer}, head {head}" and len(machine.tokens) == len(
            ref["ids"]
        )
        q, k, v = (one[layer, head] for one in found[1:4])
        options = found.options[layer]
        of_head = {
            name: one if one is None or np.ndim(one) < 3 else one[head]
            for name, one in options.items()
        }
        output, weights = by_hand(q, k, v, **of_head)
        np.testing.assert_allclose(machine.weights, weights, **close)
        np.testing.assert_allclose(machine.output, output, rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("family", "variant"),
    [(family, name) for family in sorted(VARIANTS) for name in VARIANTS[family]],
)
def test_under_every_config(tmp_path, family, variant):
    """Windows, softcaps, scales, layers that divide more, rotary positions of all kinds."""
    ref = reference(family)
    model = load(changed(tmp_path, family, change=VARIANTS[family][variant]))
    given = [ref[name] for name in ("ids", "decoder_ids") if name in ref]
    same(model, ref["ids"], model.forward(*given))


@pytest.mark.parametrize("positions", ["learned", "sinusoidal", "rotary", "alibi", "t5", None])
def test_under_every_encoding(positions):
    model = TextModel(GPT(9, 8, 2, 4, n_kv_heads=2, positions=positions), Letters(), {})
    same(model, np.arange(7) % 9, model.forward(np.arange(7) % 9))


class Letters:
    """A tokenizer for the tests: a letter, a token."""

    start = None

    def encode(self, text):
        return np.array([ord(sign) - 97 for sign in text])

    def pair(self, first, second):
        ids = self.encode(first + second)
        return ids, np.arange(len(ids)) // len(first)

    def tokens(self, ids):
        return [chr(97 + i) for i in ids]


def test_a_text_and_a_pair_of_texts():
    """As the model itself reads them: the second text of a pair has a type of its own."""
    model = TextEncoder(Bert(26, 8, 2, 2, n_max=9), Letters(), {})
    for text in ("abcde", ("abc", "de"), ["abc", "de"]):
        found, trace = model.qkv(text), model(text)
        assert found.tokens == trace.tokens == list("abcde")
        for layer, options in enumerate(found.options):
            weights = by_hand(*(one[layer] for one in found[1:4]), **options)[1]
            np.testing.assert_allclose(weights, trace.weights[layer], rtol=0, atol=1e-6)
    assert not np.allclose(model.qkv("abcde").q, model.qkv(("abc", "de")).q, atol=1e-3)


def test_a_silenced_head_is_silent_here_too():
    model = TextModel(GPT(26, 8, 2, 2), Letters(), {})
    before = model.qkv("abcd")
    with effects.silenced(model.model.blocks[0].attention, 1):
        within = model.qkv("abcd")
    np.testing.assert_array_equal(within.q[0], before.q[0])
    assert not np.allclose(within.q[1], before.q[1], atol=1e-6), "the layer above reads less"


def test_the_mask_has_a_name():
    """That of a model's mask, in the picture and in its still."""

    def name(family, layer, change=None, tmp_path=None):
        folder = FIXTURES / family if change is None else changed(tmp_path, family, change=change)
        mask = load(folder).qkv(reference(family)["ids"]).head(layer, 0)["mask"]
        return mask and next(iter(mask))

    assert name("gpt2", 0) == name("llama", 1) == "causal"
    assert name("bert", 0) is name("t5", 0) is None
    window = json.loads((FIXTURES / "mistral" / "config.json").read_text())["sliding_window"]
    assert name("mistral", 0) == f"causal, window {window}"
    machine = Machine(**load(FIXTURES / "gpt2").qkv(reference("gpt2")["ids"]).head(1, 1))
    assert machine.masking == "causal" and "mask, causal open" in machine.figure().alt
    n = len(machine.tokens)
    np.testing.assert_array_equal(machine.mask, masks.causal(n))
    machine.masking = "not masked"
    assert machine.mask.all() and "mask open" in machine.figure().alt


def test_what_it_refuses():
    model = load(FIXTURES / "llama")
    found = model.qkv(reference("llama")["ids"])
    layers, heads = found.q.shape[:2]
    for at, words in [
        ((layers, 0), f"layer must be at most {layers - 1}, got {layers}"),
        ((0, heads), f"head must be at most {heads - 1}, got {heads}"),
        ((-1, 0), "layer must be at least 0"),
    ]:
        with pytest.raises(ValueError, match=words):
            found.head(*at)
    with pytest.raises(TypeError, match="layer must be a whole number"):
        found.head("first", 0)
    for text in (None, 3, np.zeros((2, 3), int), np.zeros(3), ["a", "b"]):
        with pytest.raises(TypeError, match="text must be a string"):
            model.qkv(text)
    with pytest.raises(ValueError, match=r"model\.forward\(ids\)"):
        model.qkv("no tokenizer")
