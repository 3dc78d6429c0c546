"""Gemma 2 and Gemma 3: Llamas with a norm behind each layer too, and windows in most of them.

What each adds: Gemma 2 soft caps; Gemma 3 norms of q and k, and turns of two speeds.
"""

import numpy as np

from attnlib.heads import SelfAttention
from attnlib.layers import FeedForward, RMSNorm
from attnlib.models.files import config as checks
from attnlib.models.files.checkpoint import Family
from attnlib.models.gpt import GPT
from attnlib.models.llama import (
    ALL,
    CAP,
    FULL,
    KEYS,
    LLAMA,
    QWEN3,
    SHAPES,
    SIZES,
    SLIDING,
    LlamaBlock,
    NormedAttention,
    QwenBlock,
    decoder,
    rotaries,
    windows,
)

# ---- what a Llama does not have ------------------------------------------------------------------


class NormBehind:
    """A layer with a norm behind it, before the stream takes it up: norm(layer(x)).

    Part: norm_behind. Gemma 2 (Gemma Team 2024), section 2.
    """

    def steps(self, x, **options):
        """The layer at work; its output is normed."""
        steps = super().steps(x, **options)
        return steps._replace(output=self.norm_behind(steps.output))


class GemmaAttention(NormBehind, SelfAttention):
    """`SelfAttention` with a norm behind it."""


class GemmaFeedForward(NormBehind, FeedForward):
    """A `FeedForward` with a norm behind it."""


class GemmaBlock(LlamaBlock):
    """A `LlamaBlock` with norms on both sides of each layer: x + norm(layer(norm(x)))."""

    make_attention, make_feed_forward = GemmaAttention, GemmaFeedForward

    def __init__(self, d_model, n_heads, *, eps=None, **block):
        super().__init__(d_model, n_heads, eps=eps, **block)
        for layer in (self.attention, self.feed_forward):
            layer.norm_behind = RMSNorm(d_model, eps=self.attention_norm.eps)


class Gemma3Attention(NormBehind, NormedAttention):
    """`NormedAttention` with a norm behind it."""


class Gemma3Block(GemmaBlock, QwenBlock):
    """A `GemmaBlock` with norms of q and k."""

    make_attention = Gemma3Attention


class Gemma2(GPT):
    """A `GPT` of `GemmaBlock`s with longer embeddings, and logits between -c and c.

    `softcap` is c; None for no bound. Gemma Team 2024, "Gemma 2", section 2.
    """

    make_block = GemmaBlock
    softcap = None

    def embedded(self, ids):
        """Each token's row of the embedding, times √d_model: (..., n, d_model)"""
        rows = super().embedded(ids)
        return rows * rows.dtype.type(rows.shape[-1] ** 0.5)

    def scores(self, final):
        """The logits, c · tanh(logits / c)."""
        logits = super().scores(final)
        if logits is None or self.softcap is None:
            return logits
        return self.softcap * np.tanh(logits / self.softcap)


class Gemma3(Gemma2):
    """A `Gemma2` of `Gemma3Block`s, in which layers with a window turn q and k by another `Rotary`.

    Gemma Team 2025, "Gemma 3", section 2.
    """

    make_block = Gemma3Block


# ---- from a config -------------------------------------------------------------------------------


def gemma2(config, tensors, make=Gemma2):
    """config.json of model_type "gemma2" -> `Gemma2`, still empty."""
    model = decoder(make, config | {"hidden_act": config["hidden_activation"]}, tensors)
    model.softcap = config["final_logit_softcapping"]
    scale, softcap = config["query_pre_attn_scalar"] ** -0.5, config["attn_logit_softcapping"]
    for block in model.blocks:
        block.attention.scoring = {"scale": scale, "softcap": softcap}
    return model


def gemma3(config, tensors):
    """config.json of model_type "gemma3_text" -> `Gemma3`, still empty."""
    sliding, full = config["rope_parameters"]
    model = gemma2(config | {"rope_parameters": full}, tensors, make=Gemma3)
    for block in model.blocks:
        block.attention.rotary = full if block.window is None else sliding
    return model


# ---- what a config may hold ----------------------------------------------------------------------


def gemma_windows(config, key):
    """The window of each layer, of every other one where the config is silent."""
    n = config.known["num_hidden_layers"]
    return windows(config, key, [FULL if i % 2 else SLIDING for i in range(n)])


def gemma3_windows(config, key):
    """The window of each layer; where the config is silent, every sixth layer has none."""
    n = config.known["num_hidden_layers"]
    every = checks.default(6, checks.whole(1, checks.LONGEST))(config, "sliding_window_pattern")
    return windows(config, key, [SLIDING if (i + 1) % every else FULL for i in range(n)])


GEMMA2_KEYS = KEYS | {
    "hidden_activation": checks.default("gelu_tanh", checks.activation),
    "attention_bias": checks.flag(False, "blocks.0.attention.b_q"),
    "query_pre_attn_scalar": checks.default(256, checks.number(1e-3, 1e6)),
    "final_logit_softcapping": checks.default(30.0, CAP),
    "attn_logit_softcapping": checks.default(50.0, CAP),
    "tie_word_embeddings": checks.flag(True),
    "use_bidirectional_attention": checks.only(False),
    "layer_types": gemma_windows,
}
GEMMA3_KEYS = GEMMA2_KEYS | {
    "rope_parameters": rotaries(("rope_local_base_freq", 10_000.0), ("rope_theta", 1_000_000.0)),
    "final_logit_softcapping": checks.default(None, CAP),
    "attn_logit_softcapping": checks.only(None),
    "layer_types": gemma3_windows,
}

# ---- where the tensors lie -----------------------------------------------------------------------

GEMMA2 = LLAMA | {
    "blocks.{}.attention.norm_behind": "layers.{}.post_attention_layernorm",
    "blocks.{}.feed_forward_norm": "layers.{}.pre_feedforward_layernorm",
    "blocks.{}.feed_forward.norm_behind": "layers.{}.post_feedforward_layernorm",
}
GEMMA3 = QWEN3 | GEMMA2


def one_more(tensors):
    """Gemma stores the gain of a norm without its 1: -> with it."""
    return {
        name: array + np.float32(1) if name.endswith("norm.weight") else array
        for name, array in tensors.items()
    }


FAMILIES = {
    "gemma2": Family(gemma2, GEMMA2, SIZES, SHAPES, GEMMA2_KEYS, one_more, **ALL),
    "gemma3_text": Family(gemma3, GEMMA3, SIZES, SHAPES, GEMMA3_KEYS, one_more, **ALL),
}
