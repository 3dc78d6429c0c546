"""BART and Marian, encoder-decoders of one build: norms behind the layers, biases everywhere."""

import numpy as np

from attnlib.layers import LayerNorm
from attnlib.models.files import config as checks
from attnlib.models.files.checkpoint import Blank, Family
from attnlib.models.seq2seq import Seq2Seq, without_decoder


class Bart(Seq2Seq):
    """A `Seq2Seq` whose embedding is scaled, and in BART normed, before the first block.

    Parts: those of a `Seq2Seq`, source_embedding_norm and target_embedding_norm (None in Marian),
    and logits_bias (vocabulary,). Both sides share one embedding, which also scores the tokens.

    `scale` is 1, or √d_model. Where no table of positions is learned, they are `Sinusoidal`, all
    sines first.

    BART: Lewis et al. 2020. Marian: Junczys-Dowmunt et al. 2018; the models: Tiedemann and
    Thottingal 2020.
    """

    layout = "half"

    def __init__(
        self, vocabulary, d_model, n_layers, n_heads, *, embedding_norm, scale=1.0, **options
    ):
        super().__init__(
            vocabulary,
            vocabulary,
            d_model,
            n_layers,
            n_heads,
            norm="post",
            use_bias=True,
            **options,
        )
        self.scale, self.logits_bias = np.float32(scale), np.zeros(vocabulary, np.float32)
        self.source_embedding_norm = LayerNorm(d_model) if embedding_norm else None
        self.target_embedding_norm = LayerNorm(d_model) if embedding_norm else None

    def embedded(self, side, ids, held=0):
        """What the first block of a side reads: (..., n, d_model)"""
        rows = self.placed(side, getattr(self, f"{side}_embedding")[ids] * self.scale, held)
        norm = getattr(self, f"{side}_embedding_norm")
        return rows if norm is None else norm(rows)

    def scores(self, final):
        """How well each token of the vocabulary fits what came out: (..., n_target, vocabulary)"""
        return super().scores(final) + self.logits_bias


def bart(config, tensors):
    """config.json of model_type "bart" -> `Bart`, still empty."""
    return _build(config, BART_OPTIONS, n_decoder_layers=config["decoder_layers"])


def bart_encoder(config, tensors):
    """The same for a file with an encoder alone: a `Bart` without a decoder."""
    return without_decoder(_build(config, BART_OPTIONS))


def marian(config, tensors):
    """config.json of model_type "marian" -> `Bart`, still empty, with sinusoidal positions, which
    no file holds.
    """
    return _build(config, MARIAN_OPTIONS, n_decoder_layers=config["decoder_layers"])


def marian_encoder(config, tensors):
    """The same for a file with an encoder alone: a `Bart` without a decoder."""
    return without_decoder(_build(config, MARIAN_OPTIONS))


BART_OPTIONS = {"positions": "learned", "embedding_norm": True}
MARIAN_OPTIONS = {"positions": "sinusoidal", "embedding_norm": False}


def _build(config, kind, **options):
    return Bart(
        config["vocab_size"],
        config["d_model"],
        config["encoder_layers"],
        config["encoder_attention_heads"],
        n_max=config["max_position_embeddings"],
        d_hidden=config["encoder_ffn_dim"],
        activation=config["activation_function"],
        scale=config["d_model"] ** 0.5 if config["scale_embedding"] else 1.0,
        rng=Blank(),
        **kind,
        **options,
    )


SIZES = {
    "vocab_size": checks.whole(2),
    "d_model": checks.whole(),
    "max_position_embeddings": checks.whole(2, checks.LONGEST),
    "encoder_layers": checks.layers("encoder"),
    "encoder_attention_heads": checks.heads("d_model"),
    "encoder_ffn_dim": checks.whole(),
    "decoder_layers": checks.layers("decoder", otherwise="encoder_layers"),
    "decoder_attention_heads": checks.same("encoder_attention_heads", missing=16),
    "decoder_ffn_dim": checks.same("encoder_ffn_dim"),
}
SHAPES = {"source_embedding": ("vocab_size", "d_model")}
for side in ("encoder", "decoder"):
    SHAPES |= {
        f"{side}.{{}}.attention.W_q": ("d_model", "d_model"),
        f"{side}.{{}}.feed_forward.W_up": ("d_model", "encoder_ffn_dim"),
    }
BART_SHAPES = SHAPES | {
    "source_positions.table": ("max_position_embeddings", "d_model"),
    "target_positions.table": ("max_position_embeddings", "d_model"),
}
ENCODER_KEYS = {
    "activation_function": checks.default("gelu", checks.activation),
    "scale_embedding": checks.flag(False),
}
KEYS = ENCODER_KEYS | checks.TARGET | checks.RULES
MARIAN_KEYS = KEYS | {
    "share_encoder_decoder_embeddings": checks.only(True),
    "decoder_vocab_size": checks.same("vocab_size"),
}


# ---- where the tensors lie -----------------------------------------------------------------------


def _side(ours, theirs):
    """The names of one side; the cross-attention is the decoder's."""
    block, layer = f"{ours}.{{}}", f"{theirs}.layers.{{}}"
    names = {
        f"{block}.attention_norm": f"{layer}.self_attn_layer_norm",
        f"{block}.cross_attention_norm": f"{layer}.encoder_attn_layer_norm",
        f"{block}.feed_forward.up": f"{layer}.fc1",
        f"{block}.feed_forward.down": f"{layer}.fc2",
        f"{block}.feed_forward_norm": f"{layer}.final_layer_norm",
        f"{block}.attention.o": f"{layer}.self_attn.out_proj",
        f"{block}.cross_attention.o": f"{layer}.encoder_attn.out_proj",
    }
    for letter in "qkv":
        names[f"{block}.attention.{letter}"] = f"{layer}.self_attn.{letter}_proj"
        names[f"{block}.cross_attention.{letter}"] = f"{layer}.encoder_attn.{letter}_proj"
    return names


MARIAN = (
    _side("encoder", "encoder")
    | _side("decoder", "decoder")
    | {
        "source_embedding": "shared",
        "target_embedding": "shared",
        "unembedding": "shared",
        "logits": "final_logits",
    }
)
BART = MARIAN | {
    "source_positions": "encoder.embed_positions",
    "target_positions": "decoder.embed_positions",
    "source_embedding_norm": "encoder.layernorm_embedding",
    "target_embedding_norm": "decoder.layernorm_embedding",
}


def one_row(tensors):
    """The bias of the logits is stored as (1, vocabulary), under a name of its own. Here it becomes
    (vocabulary,), with a name like every other bias; in a file of the two stacks alone, zeros.
    """
    tensors = dict(tensors)
    if "final_logits_bias" in tensors:
        tensors["final_logits.bias"] = tensors.pop("final_logits_bias").reshape(-1)
    elif "shared.weight" in tensors:
        tensors["final_logits.bias"] = np.zeros(len(tensors["shared.weight"]), np.float32)
    return tensors


def from_row_two(tensors):
    """BART's tables of positions begin with two rows that no token reads: -> without them."""
    return {
        name: array[2:] if "embed_positions" in name else array for name, array in tensors.items()
    }


def both(tensors):
    """What a file of a whole BART needs."""
    return from_row_two(one_row(tensors))


ONE = {
    "encoder.embed_tokens.weight": "shared.weight",
    "decoder.embed_tokens.weight": "shared.weight",
    "lm_head.weight": "shared.weight",
}
POSITIONS = r"(en|de)coder\.embed_positions\.weight"  # Marian's can be computed
BART_ENCODER = Family(
    bart_encoder,
    BART,
    checks.but_decoder(SIZES),
    checks.but_decoder(BART_SHAPES),
    ENCODER_KEYS,
    from_row_two,
    prefix="model.",
    copies=ONE,
)
MARIAN_ENCODER = BART_ENCODER._replace(
    build=marian_encoder,
    names=MARIAN,
    shapes=checks.but_decoder(SHAPES),
    tidy=dict,
    ignored=POSITIONS,
)
FAMILIES = {
    "bart": Family(
        bart,
        BART,
        SIZES,
        BART_SHAPES,
        KEYS,
        both,
        prefix="model.",
        copies=ONE,
        encoder=BART_ENCODER,
    ),
    "marian": Family(
        marian,
        MARIAN,
        SIZES,
        SHAPES,
        MARIAN_KEYS,
        one_row,
        prefix="model.",
        copies=ONE,
        ignored=POSITIONS,
        encoder=MARIAN_ENCODER,
    ),
}
