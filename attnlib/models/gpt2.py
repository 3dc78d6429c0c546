"""GPT-2 out of a checkpoint: a `GPT` as the course trains it, and where its parameters lie."""

from attnlib.models.files import config as checks
from attnlib.models.files.checkpoint import Blank, Family
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
SIZES = {
    "vocab_size": checks.whole(2),
    "n_embd": checks.whole(),
    "n_positions": checks.whole(),
    "n_layer": checks.layers("blocks"),
    "n_head": checks.heads("n_embd"),
    "n_inner": checks.maybe(checks.whole(), lambda known: 4 * known["n_embd"]),
}
SHAPES = {
    "embedding": ("vocab_size", "n_embd"),
    "positions.table": ("n_positions", "n_embd"),
    "blocks.{}.attention.W_q": ("n_embd", "n_embd"),
    "blocks.{}.feed_forward.W_up": ("n_embd", "n_inner"),
}
UNSAID = 50256  # the token that ends a text, where nobody said which: in a vocabulary of any size
KEYS = {
    "activation_function": checks.default("gelu_tanh", checks.activation),
    "layer_norm_epsilon": checks.default(1e-5, checks.EPS),
    "scale_attn_weights": checks.flag(True),
    "scale_attn_by_inverse_layer_idx": checks.flag(False),
    "add_cross_attention": checks.only(False),
    "tie_word_embeddings": checks.only(True),
    "eos_token_id": checks.written_token(checks.maybe(checks.unless(UNSAID, checks.token_list))),
    "pad_token_id": checks.written_token(checks.maybe(checks.padding)),
}


def gpt2(config, tensors):
    """config.json of model_type "gpt2" -> `GPT`, still empty."""
    d_model, n_heads = config["n_embd"], config["n_head"]
    model = GPT(
        config["vocab_size"],
        d_model,
        config["n_layer"],
        n_heads,
        n_max=config["n_positions"],
        d_hidden=config["n_inner"],
        activation=config["activation_function"],
        eps=config["layer_norm_epsilon"],
        use_bias=True,
        tied=True,
        rng=Blank(),
    )
    scale = (d_model // n_heads) ** -0.5 if config["scale_attn_weights"] else 1.0
    for i, block in enumerate(model.blocks):
        divisor = i + 1 if config["scale_attn_by_inverse_layer_idx"] else 1
        block.attention.scoring = {"scale": scale / divisor}
    return model


def as_linear(tensors):
    """GPT-2 stores q, k and v in one tensor, and all weights as (d_in, d_out). Here they become
    three, each (d_out, d_in).
    """
    tidy = {}
    for name, array in tensors.items():
        owner, _, last = name.rpartition(".")
        if last == "weight" and owner.endswith(("c_attn", "c_proj", "c_fc")):
            array = array.T  # (d_out, d_in), a view
        if owner.endswith("c_attn"):
            width = len(array) // 3
            parts = (array[i * width : (i + 1) * width] for i in range(3))
            tidy |= {f"{owner}.{letter}.{last}": part for letter, part in zip("qkv", parts)}
        else:
            tidy[name] = array
    return tidy


FAMILIES = {
    "gpt2": Family(
        gpt2,
        GPT2,
        SIZES,
        SHAPES,
        KEYS,
        as_linear,
        prefix="transformer.",
        copies={"lm_head.weight": "wte.weight"},
    )
}
