"""GPT-2 out of a checkpoint: a `GPT` as the course trains it, and where its parameters lie."""

from attnlib.models.checkpoint import Blank, Family
from attnlib.models.gpt import GPT

GPT2 = {
    "embedding": "wte",
    "positions": "wpe",
    "blocks.{}.attention_norm": "h.{}.ln_1",
    "blocks.{}.attention.q": "h.{}.attn.c_attn.q",
    "blocks.{}.attention.k": "h.{}.attn.c_attn.k",
    "blocks.{}.attention.v": "h.{}.attn.c_attn.v",
    "blocks.{}.attention.o": "h.{}.attn.c_proj",
    "blocks.{}.feed_forward_norm": "h.{}.ln_2",
    "blocks.{}.feed_forward.up": "h.{}.mlp.c_fc",
    "blocks.{}.feed_forward.down": "h.{}.mlp.c_proj",
    "final_norm": "ln_f",
}


def gpt2(config, tensors):
    """config.json of model_type "gpt2" -> `GPT`, still empty."""
    config.refuse(add_cross_attention=False, tie_word_embeddings=True)
    d_model, n_heads = config.whole("n_embd"), config.whole("n_head")
    model = GPT(
        config.whole("vocab_size"), d_model, config.whole("n_layer"), n_heads, n_max=config.whole("n_positions"),
        d_hidden=config.get("n_inner") or 4 * d_model, activation=config.activation("activation_function"),
        eps=config.number("layer_norm_epsilon"), use_bias=True, tied=True, rng=Blank(),
    )  # fmt: skip
    scale = (d_model // n_heads) ** -0.5 if config.of(bool, "scale_attn_weights", True) else 1.0
    for i, block in enumerate(model.blocks):
        divisor = i + 1 if config.of(bool, "scale_attn_by_inverse_layer_idx", False) else 1
        block.attention.scoring = {"scale": scale / divisor}
    return model


def as_linear(tensors):
    """GPT-2 stores q, k and v in one tensor, and its weights as (d_in, d_out): -> three, (d_out, d_in)."""
    tidy = {}
    for name, array in tensors.items():
        owner, _, last = name.rpartition(".")
        if last == "weight" and owner.endswith(("c_attn", "c_proj", "c_fc")):
            array = array.T                                            # (d_out, d_in), a view
        if owner.endswith("c_attn"):
            width = len(array) // 3
            parts = (array[i * width : (i + 1) * width] for i in range(3))
            tidy |= {f"{owner}.{letter}.{last}": part for letter, part in zip("qkv", parts)}
        else:
            tidy[name] = array
    return tidy


FAMILIES = {
    "gpt2": Family(
        gpt2, GPT2, as_linear, prefix="transformer.", copies={"lm_head.weight": "wte.weight"},
        ignored=r"h\.\d+\.attn\.(bias|masked_bias)",                   # masks that old files hold
    ),
}  # fmt: skip
