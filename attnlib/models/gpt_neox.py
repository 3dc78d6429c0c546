"""GPT-NeoX, as Pythia is published: a `GPT` whose heads turn in part, and whose layers work side by
side.
"""

from attnlib.layers import BlockSteps, DecoderBlock, EncoderBlock, ResidualSteps, residual
from attnlib.models import llama
from attnlib.models.files import config as checks
from attnlib.models.files.checkpoint import Blank, Family
from attnlib.models.gpt import GPT


class Parallel(EncoderBlock):
    """An `EncoderBlock` of two layers that read the same: x + attention(norm(x)) + ff(norm(x)).

    Wang and Komatsuzaki 2021, "GPT-J-6B"; Black et al. 2022, "GPT-NeoX-20B", section 2.1.
    """

    def __init__(self, *sizes, norm="pre", **options):
        if norm == "post":
            raise ValueError("norm must be 'pre' or None for layers side by side, got 'post'")
        super().__init__(*sizes, norm=norm, **options)

    def steps(self, x, **options):
        """The block at work, as in `EncoderBlock`."""
        attention = residual(x, self.attention, self.attention_norm, self.norm, **options)
        if self.feed_forward is None:
            return BlockSteps(attention, None, attention.output)
        beside = residual(x, self.feed_forward, self.feed_forward_norm, self.norm)
        total = attention.output + beside.inner.output  # (..., n, d_model)
        feed_forward = ResidualSteps(attention.output, beside.inner, total, total)
        return BlockSteps(attention, feed_forward, total)


class ParallelBlock(DecoderBlock, Parallel):
    """A `DecoderBlock` whose two layers work side by side."""


class NeoX(GPT):
    """A `GPT` of `ParallelBlock`s. Black et al. 2022, "GPT-NeoX-20B"."""

    make_block = ParallelBlock


# ---- from a config -------------------------------------------------------------------------------

HEAD = "embed_out.weight"


def gpt_neox(config, tensors):
    """config.json of model_type "gpt_neox" -> `NeoX`, or `GPT` where no layers are parallel; still
    empty. A file with neither a head nor a tied one has no logits.
    """
    headless = not config["tie_word_embeddings"] and HEAD not in tensors
    model = (NeoX if config["use_parallel_residual"] else GPT)(
        config["vocab_size"],
        config["hidden_size"],
        config["num_hidden_layers"],
        config["num_attention_heads"],
        positions=config["rope_parameters"],
        d_hidden=config["intermediate_size"],
        activation=config["hidden_act"],
        eps=config["layer_norm_eps"],
        use_bias=True,
        tied=config["tie_word_embeddings"] or headless,
        rng=Blank(),
    )
    model.headless = headless
    for block in model.blocks if not config["attention_bias"] else []:
        vars(block.attention).update({f"b_{letter}": 0.0 for letter in "qkvo"})
    return model


def by_heads(tensors, config):
    """A file stores q, k and v in one tensor: those of head 0, then those of head 1 … Here each is
    alone.
    """
    n_heads, apart = checks.whole()(config, "num_attention_heads"), {}
    for name, array in tensors.items():
        owner, _, last = name.rpartition(".")
        if not owner.endswith(".query_key_value"):
            apart[name] = array
            continue
        if len(array) % (3 * n_heads):
            wrong = f"{n_heads} heads cannot share the {len(array)} rows of {name!r}"
            raise config.misfit("num_attention_heads", f"does not fit the weights: {wrong}")
        dealt = array.reshape(n_heads, 3, -1, *array.shape[1:])  # (h, 3, d_head, …)
        for i, letter in enumerate("qkv"):
            part = dealt[:, i].reshape(-1, *array.shape[1:])
            apart[f"{owner.removesuffix('query_key_value')}{letter}.{last}"] = part
    return apart


def part(config, key):
    """The share of the columns of a head that turns, a quarter where it is not said."""
    return checks.default(0.25, llama.part_of(config.known["head_dim"]))(config, key)


def rotary(config, key):
    """The `Rotary` of a config, which calls base and part by names of its own."""
    names = {"rope_theta": "rotary_emb_base", "partial_rotary_factor": "rotary_pct"}
    said = {ours: config.known[theirs] for ours, theirs in names.items()}
    given = checks.Config(config | said, config.place)
    given.known = config.known
    return llama.rotary(given, key, parts=True)


NEOX = {
    "embedding": "embed_in",
    "blocks.{}.attention_norm": "layers.{}.input_layernorm",
    "blocks.{}.attention.q": "layers.{}.attention.q",
    "blocks.{}.attention.k": "layers.{}.attention.k",
    "blocks.{}.attention.v": "layers.{}.attention.v",
    "blocks.{}.attention.o": "layers.{}.attention.dense",
    "blocks.{}.feed_forward_norm": "layers.{}.post_attention_layernorm",
    "blocks.{}.feed_forward.up": "layers.{}.mlp.dense_h_to_4h",
    "blocks.{}.feed_forward.down": "layers.{}.mlp.dense_4h_to_h",
    "final_norm": "final_layer_norm",
    "unembedding": "embed_out",
}
SIZES = {
    "vocab_size": checks.whole(2),
    "hidden_size": checks.whole(),
    "intermediate_size": checks.whole(),
    "num_hidden_layers": checks.layers("blocks"),
    "num_attention_heads": checks.heads("hidden_size"),
    "head_dim": llama.only_width,
}
SHAPES = {
    "embedding": ("vocab_size", "hidden_size"),
    "blocks.{}.attention.W_q": ("hidden_size", "hidden_size"),
    "blocks.{}.feed_forward.W_up": ("hidden_size", "intermediate_size"),
}
KEYS = checks.TEXT | {
    "hidden_act": checks.default("gelu", checks.activation),
    "layer_norm_eps": checks.default(1e-5, checks.EPS),
    "use_parallel_residual": checks.flag(True),
    "attention_bias": checks.flag(True, "blocks.0.attention.b_q"),
    "tie_word_embeddings": checks.flag(False),
    "rotary_emb_base": checks.default(10_000.0, llama.THETA),
    "rotary_pct": part,
    "rope_theta": checks.same("rotary_emb_base"),  # some files say both, and one of them is read
    "partial_rotary_factor": checks.same("rotary_pct"),
    "rope_parameters": rotary,
}
FAMILIES = {
    "gpt_neox": Family(
        gpt_neox,
        NEOX,
        SIZES,
        SHAPES,
        KEYS,
        split=by_heads,
        prefix="gpt_neox.",
        copies={"lm_head.weight": HEAD},
        tied={HEAD: "embed_in.weight"},
        ignored=r"layers\.\d+\.attention\.bias",
    )
}
