"""Llama and its relatives Mistral, Qwen2, Qwen3 and Gemma 2: a `GPT` with rotary positions and grouped heads.

What each adds: Mistral a window, Qwen2 biases of q, k and v, Qwen3 norms of q and k, Gemma 2 soft caps and a
norm behind each layer too.
"""

import numpy as np

from attnlib import _check, masks
from attnlib.attention import SelfAttention, n_held
from attnlib.encodings import Rotary
from attnlib.layers import DecoderBlock, FeedForward, RMSNorm
from attnlib.models.checkpoint import Blank, Family
from attnlib.models.gpt import GPT

# ---- what a GPT does not have ------------------------------------------------------------------------------------


class LlamaBlock(DecoderBlock):
    """A `DecoderBlock` that may see a window only: the token itself and the `window` - 1 before it.

    `window` is None at first: all that came before. Mistral 7B (Jiang et al. 2023), section 2.
    """

    window = None

    def steps(self, x, *, mask=None, cache=None, **options):
        """The block at work, as in `EncoderBlock`."""
        if self.window is not None:
            near = masks.local(x.shape[-2], n_held(cache) + x.shape[-2], window=self.window)
            mask = near if mask is None else near & _check.boolean("mask", mask)
        return super().steps(x, mask=mask, cache=cache, **options)


class NormedAttention(SelfAttention):
    """Self-attention that norms each query and key before it turns them: no score can run away.

    Parts: q_norm and k_norm, of the width of a head, the same for all heads.

    Qwen3 (Yang et al. 2025), section 2; Henry et al. 2020, "Query-Key Normalization for Transformers".
    """

    def __init__(self, d_model, n_heads, **options):
        super().__init__(d_model, n_heads, **options)
        d_head = self.W_q.shape[1] // n_heads
        self.q_norm, self.k_norm = RMSNorm(d_head), RMSNorm(d_head)

    def placed(self, q, k, positions):
        """q and k as they meet: normed, then turned by their positions."""
        return super().placed(self.q_norm(q), self.k_norm(k), positions)


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


class QwenBlock(LlamaBlock):
    """A `LlamaBlock` with norms of q and k."""

    make_attention = NormedAttention

    def __init__(self, d_model, n_heads, *, eps=None, **block):
        super().__init__(d_model, n_heads, eps=eps, **block)
        self.attention.q_norm.eps = self.attention.k_norm.eps = self.attention_norm.eps


class GemmaBlock(LlamaBlock):
    """A `LlamaBlock` with norms on both sides of each layer: x + norm(layer(norm(x)))."""

    make_attention, make_feed_forward = GemmaAttention, GemmaFeedForward

    def __init__(self, d_model, n_heads, *, eps=None, **block):
        super().__init__(d_model, n_heads, eps=eps, **block)
        for layer in (self.attention, self.feed_forward):
            layer.norm_behind = RMSNorm(d_model, eps=self.attention_norm.eps)


class Llama(GPT):
    """A `GPT` of `LlamaBlock`s. Touvron et al. 2023, "LLaMA", section 2.2."""

    make_block = LlamaBlock


class Qwen3(GPT):
    """A `GPT` of `QwenBlock`s. Yang et al. 2025, "Qwen3 Technical Report"."""

    make_block = QwenBlock


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
        return logits if self.softcap is None else self.softcap * np.tanh(logits / self.softcap)


# ---- from a config -----------------------------------------------------------------------------------------------


def llama(config, tensors):
    """config.json of model_type "llama" -> `Llama`, still empty."""
    config.refuse(pretraining_tp=1)
    return decoder(Llama, config, tensors, use_bias=config.of(bool, "attention_bias", False), mlp_bias=config.of(bool, "mlp_bias", False))


def mistral(config, tensors):
    """config.json of model_type "mistral" -> `Llama` in which every block has the same window, still empty."""
    model = decoder(Llama, config, tensors)
    set_windows(model, [config.get("sliding_window") and config.whole("sliding_window")] * len(model.blocks))
    return model


def qwen2(config, tensors):
    """config.json of model_type "qwen2" -> `Llama` with biases of q, k and v, still empty."""
    model = decoder(Llama, config, tensors, use_bias=True)
    for block in model.blocks:
        block.attention.b_o = 0.0
    set_windows(model, qwen_windows(config))
    return model


def qwen3(config, tensors):
    """config.json of model_type "qwen3" -> `Qwen3`, still empty."""
    model = decoder(Qwen3, config, tensors, use_bias=config.of(bool, "attention_bias", False))
    set_windows(model, qwen_windows(config))
    return model


def gemma2(config, tensors):
    """config.json of model_type "gemma2" -> `Gemma2`, still empty."""
    config.refuse(use_bidirectional_attention=False)
    model = decoder(Gemma2, config, tensors, use_bias=config.of(bool, "attention_bias", False))
    model.softcap = config.optional("final_logit_softcapping")
    scoring = {"scale": config.number("query_pre_attn_scalar") ** -0.5, "softcap": config.optional("attn_logit_softcapping")}
    for block in model.blocks:
        block.attention.scoring = scoring
    every_other = ["full_attention" if i % 2 else "sliding_attention" for i in range(len(model.blocks))]
    set_windows(model, windows(config, config.of(list, "layer_types", every_other)))
    return model


def decoder(make, config, tensors, *, use_bias=False, mlp_bias=False):
    """What all of them share."""
    d_model, n_heads = config.whole("hidden_size"), config.whole("num_attention_heads")
    model = make(
        config.whole("vocab_size"), d_model, config.whole("num_hidden_layers"), n_heads, positions=rotary(config), norm_type="rms",
        n_kv_heads=config.get("num_key_value_heads") or n_heads, d_head=config.get("head_dim") or d_model // n_heads,
        d_hidden=config.whole("intermediate_size"), gated=True, activation=config.activation("hidden_activation", "hidden_act"),
        eps=config.number("rms_norm_eps"), use_bias=use_bias or mlp_bias, tied=is_tied(config, tensors), rng=Blank(),
    )  # fmt: skip
    for block in model.blocks if use_bias != mlp_bias else []:
        layer, letters = (block.attention, "qkvo") if mlp_bias else (block.feed_forward, ["up", "gate", "down"])
        vars(layer).update({f"b_{letter}": 0.0 for letter in letters})
    return model


def is_tied(config, tensors):
    """Whether the tokens are scored with the embedding itself; where the config is silent, the file tells."""
    return config.of(bool, "tie_word_embeddings", "lm_head.weight" not in tensors)


def rotary(config):
    """The `Rotary` of a config: of transformers 5 ("rope_parameters") or older ("rope_theta", "rope_scaling")."""
    options = dict(config.of(dict, "rope_parameters", None) or config.of(dict, "rope_scaling", {}))
    base = options.pop("rope_theta", config.get("rope_theta", 10_000.0))
    kind = options.get("rope_type", options.get("type", "default"))
    if options.pop("partial_rotary_factor", config.get("partial_rotary_factor", 1.0)) != 1.0:
        raise ValueError("config.json: a partial_rotary_factor is not built here")
    trained = "original_max_position_embeddings"
    try:
        if kind == "dynamic":
            options[trained] = config.whole("max_position_embeddings")
        elif kind in ("yarn", "llama3", "longrope"):
            options.setdefault(trained, config.whole("max_position_embeddings"))
            options.setdefault("factor", config.whole("max_position_embeddings") / options[trained])
        return Rotary(base=base, layout="half", scaling=options | {"rope_type": kind} if options else None)
    except (TypeError, ValueError) as error:
        raise ValueError(f"config.json: these rotary positions are not built here: {error}") from None


def qwen_windows(config):
    """The window of each layer: with use_sliding_window, of those from max_window_layers on."""
    n_layers = config.whole("num_hidden_layers")
    if not config.of(bool, "use_sliding_window", False):
        return [None] * n_layers
    first = config.of(int, "max_window_layers", n_layers)
    later = ["sliding_attention" if i >= first else "full_attention" for i in range(n_layers)]
    return windows(config, config.of(list, "layer_types", later))


def windows(config, layer_types):
    """["sliding_attention", "full_attention", …] -> [window, None, …]"""
    for kind in layer_types:
        if kind not in ("sliding_attention", "full_attention"):
            raise ValueError(f"config.json: layer_types may be sliding_attention and full_attention here, got {kind!r}")
    return [config.whole("sliding_window") if kind == "sliding_attention" else None for kind in layer_types]


def set_windows(model, found):
    """Give each block its window."""
    if len(found) != len(model.blocks):
        raise ValueError(f"config.json: layer_types must name {len(model.blocks)} layers, got {len(found)}")
    for block, window in zip(model.blocks, found):
        block.window = window


# ---- where the tensors lie ---------------------------------------------------------------------------------------

LLAMA = {
    "embedding": "embed_tokens",
    "blocks.{}.attention_norm": "layers.{}.input_layernorm",
    "blocks.{}.attention.q": "layers.{}.self_attn.q_proj",
    "blocks.{}.attention.k": "layers.{}.self_attn.k_proj",
    "blocks.{}.attention.v": "layers.{}.self_attn.v_proj",
    "blocks.{}.attention.o": "layers.{}.self_attn.o_proj",
    "blocks.{}.feed_forward_norm": "layers.{}.post_attention_layernorm",
    "blocks.{}.feed_forward.gate": "layers.{}.mlp.gate_proj",
    "blocks.{}.feed_forward.up": "layers.{}.mlp.up_proj",
    "blocks.{}.feed_forward.down": "layers.{}.mlp.down_proj",
    "final_norm": "norm",
    "unembedding": "lm_head",
}
QWEN3 = LLAMA | {
    "blocks.{}.attention.q_norm": "layers.{}.self_attn.q_norm",
    "blocks.{}.attention.k_norm": "layers.{}.self_attn.k_norm",
}
GEMMA2 = LLAMA | {
    "blocks.{}.attention.norm_behind": "layers.{}.post_attention_layernorm",
    "blocks.{}.feed_forward_norm": "layers.{}.pre_feedforward_layernorm",
    "blocks.{}.feed_forward.norm_behind": "layers.{}.post_feedforward_layernorm",
}


def one_more(tensors):
    """Gemma stores the gain of a norm without its 1: -> with it."""
    return {name: array + np.float32(1) if name.endswith("norm.weight") else array for name, array in tensors.items()}


OLD = r"layers\.\d+\.self_attn\.rotary_emb\.inv_freq"                  # speeds of the pairs, in old files
ALL = {"prefix": "model.", "ignored": OLD}
FAMILIES = {
    "llama": Family(llama, LLAMA, **ALL),
    "mistral": Family(mistral, LLAMA, **ALL),
    "qwen2": Family(qwen2, LLAMA, **ALL),
    "qwen3": Family(qwen3, QWEN3, **ALL),
    "gemma2": Family(gemma2, GEMMA2, one_more, **ALL),
}
