"""OLMo 2: a Llama with norms behind its layers and none in front, and norms of q and k."""

from attnlib.attention import merge_heads, split_heads
from attnlib.heads import SelfAttention
from attnlib.layers import norm_maker
from attnlib.models import gemma, llama
from attnlib.models.files import config as checks
from attnlib.models.files.checkpoint import Family
from attnlib.models.gpt import GPT


class OlmoAttention(gemma.NormBehind, SelfAttention):
    """Self-attention that norms the queries of a token, those of all heads together, and so its
    keys; and with a norm behind it.

    Parts: q_norm, of the width of all heads, k_norm, of all kv heads, and norm_behind.
    """

    def placed(self, q, k, positions):
        """q and k as they meet: normed over all heads, then turned by their positions."""
        q, k = self.q_norm(merge_heads(q)), self.k_norm(merge_heads(k))  # (..., n, h·d_head)
        q, k = split_heads(q, self.n_heads), split_heads(k, self.n_kv_heads)
        return super().placed(q, k, positions)


class OlmoBlock(llama.LlamaBlock):
    """A `LlamaBlock` with norms behind its layers and none in front: x + norm(layer(x)).

    norm   that of the model, which norms the stream behind the last block
    """

    make_attention, make_feed_forward = OlmoAttention, gemma.GemmaFeedForward

    def __init__(self, d_model, n_heads, *, norm="pre", eps=None, **block):
        super().__init__(d_model, n_heads, norm=None, eps=eps, **block)
        attention, make_norm = self.attention, norm_maker("rms", eps)
        attention.q_norm = make_norm(attention.W_q.shape[1])
        attention.k_norm = make_norm(attention.W_k.shape[1])
        for layer in (attention, self.feed_forward):
            layer.norm_behind = make_norm(d_model)


class Olmo2(GPT):
    """A `GPT` of `OlmoBlock`s. OLMo team 2024, "2 OLMo 2 Furious", section 2.1."""

    make_block = OlmoBlock


def olmo2(config, tensors):
    """config.json of model_type "olmo2" -> `Olmo2`, still empty."""
    return llama.decoder(Olmo2, config, tensors)


KEYS = llama.KEYS | {
    "rms_norm_eps": checks.default(1e-5, checks.EPS),
    "hidden_act": llama.SILU,
    "attention_bias": checks.flag(False, "blocks.0.attention.b_q"),
}
FAMILIES = {"olmo2": Family(olmo2, gemma.GEMMA3, llama.SIZES, llama.SHAPES, KEYS, **llama.ALL)}
