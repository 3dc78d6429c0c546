"""ModernBERT: a BERT with what Llama-type models brought, read in both directions."""

import numpy as np

from attnlib import _check
from attnlib.layers import EncoderBlock, LayerNorm, cast
from attnlib.models import llama
from attnlib.models.bert import Bert, MaskedHead, is_tied
from attnlib.models.files import config as checks
from attnlib.models.files.checkpoint import Blank, Family
from attnlib.models.llama import FULL, SLIDING
from attnlib.models.window import Windowed


class ModernBlock(Windowed, EncoderBlock):
    """An `EncoderBlock` that may see a window only."""


class ModernBert(Bert):
    """A `Bert` with turned queries and keys, gates, windows, norms in front, and few biases.

    layers    (rotary, window) of each block: a `Rotary`, and as in `Windowed`
    all else  as in `Bert`

    Warner et al. 2024, "Smarter, Better, Faster, Longer", section 2.1.
    """

    n_max = None  # turns have no end

    def __init__(
        self,
        vocabulary,
        d_model,
        n_heads,
        layers,
        *,
        d_hidden=None,
        head=False,
        head_activation="gelu",
        tied=True,
        activation="gelu",
        eps=1e-5,
        rng=None,
    ):
        rng, norms = _check.generator(rng), [LayerNorm(d_model, eps=eps) for _ in range(2)]
        self.embedding = rng.normal(0, d_model**-0.5, (vocabulary, d_model))
        self.embedding_norm, self.final_norm = norms
        self.token_types, self.widen, self.head, self.blocks = None, None, None, []
        for rotary, window in layers:
            options = {"d_hidden": d_hidden, "activation": activation, "gated": True, "eps": eps}
            block = ModernBlock(d_model, n_heads, rotary=rotary, **options, rng=rng)
            block.window = window
            self.blocks.append(block)
            norms += [block.attention_norm, block.feed_forward_norm]
        if head:
            options = {"activation": head_activation, "eps": eps, "tied": tied, "rng": rng}
            self.head = MaskedHead(d_model, d_model, vocabulary, **options)
            self.head.transform.b = 0.0
            norms.append(self.head.norm)
        for norm in norms:
            norm.bias = None
        self.blocks[0].attention_norm = as_it_is  # what it reads was just normed
        cast(self, np.float32)

    def _placed(self, ids):
        return 0  # no position is added: queries and keys turn


def as_it_is(x):
    """The norm that changes nothing."""
    return x


# ---- the family ----------------------------------------------------------------------------------

HEAD = "decoder.bias"
MODERNBERT = {
    "embedding": "embeddings.tok_embeddings",
    "embedding_norm": "embeddings.norm",
    "blocks.{}.attention_norm": "layers.{}.attn_norm",
    "blocks.{}.attention.q": "layers.{}.attn.q",
    "blocks.{}.attention.k": "layers.{}.attn.k",
    "blocks.{}.attention.v": "layers.{}.attn.v",
    "blocks.{}.attention.o": "layers.{}.attn.Wo",
    "blocks.{}.feed_forward_norm": "layers.{}.mlp_norm",
    "blocks.{}.feed_forward.gate": "layers.{}.mlp.gate",
    "blocks.{}.feed_forward.up": "layers.{}.mlp.up",
    "blocks.{}.feed_forward.down": "layers.{}.mlp.Wo",
    "final_norm": "final_norm",
    "head.transform": "head.dense",
    "head.norm": "head.norm",
    "head": "decoder",
}


def modernbert(config, tensors):
    """config.json of model_type "modernbert" -> `ModernBert`, still empty."""
    return ModernBert(
        config["vocab_size"],
        config["hidden_size"],
        config["num_attention_heads"],
        [(config["rope_parameters"][window is None], window) for window in config["layer_types"]],
        d_hidden=config["intermediate_size"],
        head=HEAD in tensors,
        head_activation=config["classifier_activation"],
        tied=config["tie_word_embeddings"],
        activation=config["hidden_activation"],
        eps=config["norm_eps"],
        rng=Blank(),
    )


PARTS = {"Wqkv": ("q", "k", "v"), "Wi": ("gate", "up")}


def taken_apart(tensors):
    """A file stores q, k and v in one tensor, and a gate with what it opens. Here each is alone."""
    apart = {}
    for name, array in tensors.items():
        owner, _, last = name.removesuffix(".weight").rpartition(".")
        parts = PARTS.get(last, (last,))
        rows = len(array) // len(parts)
        for i, part in enumerate(parts):
            new = name if len(parts) == 1 else f"{owner}.{part}.weight"
            apart[new] = array[i * rows : (i + 1) * rows]
    return apart


def windows(config, key):
    """The window of each layer, None for all: two of three have one where the config is silent."""
    every, wide = config.known["global_attn_every_n_layers"], config.known["local_attention"] // 2
    if config.get("sliding_window", wide) not in (None, wide):
        raise config.misfit("sliding_window", f"must be local_attention // 2, {wide}")
    said = checks.Config({**config, "sliding_window": wide + 1}, config.place)  # and the token
    n = config.known["num_hidden_layers"]
    return llama.windows(said, key, [SLIDING if i % every else FULL for i in range(n)])


SIZES = {
    "vocab_size": checks.whole(),
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
KEYS = {
    "hidden_activation": checks.default("gelu", checks.activation),
    "classifier_activation": checks.default("gelu", checks.activation),
    "norm_eps": checks.default(1e-5, checks.EPS),
    "attention_bias": checks.only(False),
    "mlp_bias": checks.only(False),
    "norm_bias": checks.only(False),
    "classifier_bias": checks.only(False),
    "decoder_bias": checks.only(True),
    "tie_word_embeddings": is_tied,
    "global_attn_every_n_layers": checks.default(3, checks.whole(1, checks.LONGEST)),
    "local_attention": checks.default(128, checks.whole(1, checks.LONGEST)),
    "layer_types": windows,
    "rope_scaling": checks.only(None),
    "rope_parameters": llama.rotaries(
        ("local_rope_theta", 10_000.0), ("global_rope_theta", 160_000.0)
    ),
}
MODEL = Family(
    modernbert,
    MODERNBERT,
    SIZES,
    SHAPES,
    KEYS,
    taken_apart,
    prefix="model.",
    ignored=r"head\..+",  # that of a classifier
)
FAMILIES = {
    "modernbert": MODEL._replace(
        tied={"decoder.weight": "embeddings.tok_embeddings.weight"}, ignored=r"$^", encoder=MODEL
    )
}
