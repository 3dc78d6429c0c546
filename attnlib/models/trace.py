"""What a model hands back: its tokens, every attention weight, and what came out; or what its
weights were made of.
"""

from typing import NamedTuple

import numpy as np

from attnlib import _check, masks


class Trace(NamedTuple):
    """What a model did with one text: its tokens, every attention weight, and what came out.

    An encoder-decoder reads two texts: tokens and weights are those of the source, in the encoder.
    Row i of the decoder's weights and of the output stands for decoder token i, the last one read;
    what is chosen there is token i + 1.

    For a batch of b texts the strings are b lists, the weights (layers, b, heads, n_q, n_k) and the
    output (b, n, …).
    """

    tokens: list  # n strings
    weights: np.ndarray  # (layers, heads, n_q, n_k)
    output: np.ndarray  # (n, vocabulary) logits, or (n, d_model) the last hidden state
    decoder_tokens: list = None  # n_target strings; None for a model without a decoder
    decoder_weights: np.ndarray = None  # (layers, heads, n_target, n_target)
    cross_weights: np.ndarray = None  # (layers, heads, n_target, n_source)
    # (n, n) boolean, True = may attend, of a model that writes; (layers, 1 or heads, n, n) where
    # layers differ; of a padded batch (layers, b, 1 or heads, n, n). None where all may look at all
    mask: np.ndarray = None


class QKV(NamedTuple):
    """What all heads of a model made of one text, as it meets: queries and keys behind their norms
    and turned by their positions, grouped heads repeated.

    Of layer l, scaled_dot_product_attention(q[l], k[l], v[l], **options[l]) is all attention: the
    model's own output of its heads, and its weights.
    """

    tokens: list  # n strings
    q: np.ndarray  # (layers, heads, n, d_head)
    k: np.ndarray  # (layers, heads, n, d_head)
    v: np.ndarray  # (layers, heads, n, d_head)
    options: list  # of each layer its mask, bias, scale, softcap, as far as it has them

    def head(self, layer, head):
        """One head, as the Machine takes it: `show.Machine(**qkv.head(13, 8))`."""
        layer = _check.integer("layer", layer, 0, len(self.q) - 1)
        head = _check.integer("head", head, 0, self.q.shape[1] - 1)
        one = {name: getattr(self, name)[layer, head] for name in "qkv"} | self.options[layer]
        for name in ("mask", "bias"):
            if one[name] is not None:
                one[name] = np.broadcast_to(one[name], self._shape)[head]
        if one["mask"] is not None:
            one["mask"] = {_name(one["mask"]): one["mask"], "not masked": None}
        return one | {"tokens": self.tokens, "title": f"Layer {layer}, head {head}"}

    @property
    def _shape(self):
        _, heads, n, _ = self.q.shape
        return heads, n, n


def _name(mask):
    """What a model's mask (n, n) is called."""
    n, window = len(mask), int(mask[-1].sum())
    causal, near = masks.causal(n), masks.local(n, window=max(window, 1))
    known = {"causal": causal, f"causal, window {window}": causal & near, f"window {window}": near}
    return next((name for name, one in known.items() if np.array_equal(mask, one)), "masked")


def qkv(tokens, layers):
    """The `QKV` of one text, from the `BlockSteps` of each layer."""
    layers = [block.attention.inner for block in layers]
    heads = layers[0].q.shape[0]
    repeated = [[getattr(one, name) for one in layers] for name in "kv"]
    k, v = (np.repeat(np.stack(all), heads // len(all[0]), axis=1) for all in repeated)
    q = np.stack([one.q for one in layers])
    return QKV(tokens, q, k, v, [one.options for one in layers])


def mask_of(layers):
    """What the layers of a model hid, from the `BlockSteps` of each: the `mask` of a `Trace`."""
    layers = [block.attention.inner for block in layers]
    found = [one.options["mask"] for one in layers]
    if any(one is None for one in found):
        return None
    first, shape = found[0], layers[0].weights.shape
    alike = all(one is first or np.array_equal(one, first) for one in found[1:])
    if alike and first.ndim == 2:
        return first
    lead = np.broadcast_shapes((1,) * (len(shape) - 2), *(one.shape[:-2] for one in found))
    found = [np.broadcast_to(one, (*lead, *shape[-2:])) for one in found[: 1 if alike else None]]
    return np.broadcast_to(found[0], (len(layers), *found[0].shape)) if alike else np.stack(found)


def scored(steps):
    """The logits of a model's steps; ValueError where its file had nothing that scores tokens."""
    if steps.logits is None:
        without = "this file has no head (lm_head.weight), so the model reads and does not write"
        raise ValueError(f"{without}: forward(ids) gives its weights and its last hidden state")
    return steps.logits
