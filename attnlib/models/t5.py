"""T5, an encoder-decoder that knows distances alone: a trained bias per bucket and head."""

import numpy as np

from attnlib.encodings import T5Bias
from attnlib.models.files import config as checks
from attnlib.models.files.checkpoint import Blank, Family
from attnlib.models.seq2seq import Seq2Seq, without_decoder


class T5(Seq2Seq):
    """A `Seq2Seq` without positions in the tokens; a `T5Bias` per side serves all its layers.

    Scores are not divided by √d_head, linear layers have no bias, cross-attention no positions.

    Parts: those of a `Seq2Seq`, encoder_bias and decoder_bias.
    `scale` multiplies the last state before it is scored: d_model^-0.5 where the embedding
    does that. `tied`: it does, and unembedding is None.

    Raffel et al. 2020, "Exploring the Limits of Transfer Learning", section 2.1.
    """

    def __init__(
        self,
        vocabulary,
        d_model,
        n_layers,
        n_heads,
        *,
        n_buckets,
        max_distance,
        scale=1.0,
        tied=False,
        **options,
    ):
        options |= {"positions": None, "n_max": None, "norm_type": "rms"}
        super().__init__(vocabulary, vocabulary, d_model, n_layers, n_heads, **options)
        self.scale, self.tied = np.float32(scale), tied
        buckets = {"n_buckets": n_buckets, "max_distance": max_distance}
        self.encoder_bias = T5Bias(n_heads, bidirectional=True, **buckets)
        self.decoder_bias = T5Bias(n_heads, bidirectional=False, **buckets)
        for block in [*self.encoder, *self.decoder]:
            block.attention.scoring = {"scale": 1.0}
        for block in self.decoder:
            block.cross_attention.scoring = {"scale": 1.0}

    def bias(self, side, n, n_k=None):
        """What is added to the scores of every self-attention: (h, n, n_k)"""
        return getattr(self, f"{side}_bias")(n, n_k)

    def scores(self, final):
        """How well each token of the vocabulary fits what came out: (..., n_target, vocabulary)"""
        if self.tied:
            return final * self.scale @ self.source_embedding.T
        return super().scores(final * self.scale)


def feed_forward(config, key):
    """ "gated-gelu" -> whether there is a gate, and our name for the bend."""
    gated, _, bend = checks.maybe(checks.kind(str), "relu")(config, key).rpartition("-")
    if gated and bend == "gelu":
        bend = "gelu_new"  # what T5 1.1 means by it
    if gated not in ("", "gated") or bend not in checks.ACTIVATIONS:
        found = f"{key}={checks.short(config[key])} is not built here, only"
        names = ", ".join(checks.ACTIVATIONS)
        raise ValueError(f"{config.place}: {found} {names}, with gated- in front or without")
    config.held.check_has(config, key, "encoder.0.feed_forward.W_gate", bool(gated))
    return bool(gated), checks.ACTIVATIONS[bend]


def max_distance(config, key):
    """From here on all is in the last bucket: farther than the buckets that hold one distance."""
    nearest = config.known["relative_attention_num_buckets"] // 2 + 1
    return checks.maybe(checks.whole(nearest, checks.LONGEST), 128)(config, key)


SIDES = ("encoder", "decoder")
SIZES = {
    "vocab_size": checks.whole(2),
    "d_model": checks.whole(),
    "d_kv": checks.whole(),
    "d_ff": checks.whole(),
    "num_layers": checks.layers("encoder"),
    "num_decoder_layers": checks.layers("decoder", otherwise="num_layers"),
    "num_heads": checks.whole(),
    "relative_attention_num_buckets": checks.whole(4),
}
SHAPES = {"source_embedding": ("vocab_size", "d_model")}
for side in SIDES:
    SHAPES |= {
        f"{side}_bias.table": ("relative_attention_num_buckets", "num_heads"),
        f"{side}.{{}}.attention.W_q": ("d_model", ("num_heads", "d_kv")),
        f"{side}.{{}}.feed_forward.W_up": ("d_model", "d_ff"),
    }
ENCODER_KEYS = {
    "feed_forward_proj": feed_forward,
    "layer_norm_epsilon": checks.default(1e-6, checks.EPS),
    "relative_attention_max_distance": max_distance,
}
KEYS = (
    ENCODER_KEYS
    | checks.TARGET
    | checks.RULES
    | {"tie_word_embeddings": checks.flag(True), "scale_decoder_outputs": checks.flag(None)}
)


def t5(config, tensors):
    """config.json of model_type "t5" -> `T5`, still empty."""
    scaled = config["scale_decoder_outputs"]
    if scaled is None:
        scaled = config["tie_word_embeddings"]
    own_head = "lm_head.weight" in tensors
    model = _build(
        config,
        n_decoder_layers=config["num_decoder_layers"],
        scale=config["d_model"] ** -0.5 if scaled else 1.0,
        tied=config["tie_word_embeddings"] and not own_head,
    )
    if not own_head:
        model.unembedding = None
    return model


def t5_encoder(config, tensors):
    """The same for a file with an encoder alone: a `T5` without a decoder."""
    return without_decoder(_build(config))


def _build(config, **options):
    gated, bend = config["feed_forward_proj"]
    return T5(
        config["vocab_size"],
        config["d_model"],
        config["num_layers"],
        config["num_heads"],
        d_head=config["d_kv"],
        d_hidden=config["d_ff"],
        gated=gated,
        activation=bend,
        eps=config["layer_norm_epsilon"],
        n_buckets=config["relative_attention_num_buckets"],
        max_distance=config["relative_attention_max_distance"],
        rng=Blank(),
        **options,
    )


def _attention(ours, theirs):
    return {f"{ours}.{letter}": f"{theirs}.{letter}" for letter in "qkvo"}


def _feed_forward(ours, theirs):
    parts = {"up": "wi", "down": "wo", "gate": "wi_0"}
    return {f"{ours}.{part}": f"{theirs}.{name}" for part, name in parts.items()}


T5_NAMES = {
    "source_embedding": "shared",
    "target_embedding": "shared",
    "unembedding": "lm_head",
    "encoder_bias": "encoder.block.0.layer.0.SelfAttention.relative_attention_bias",
    "decoder_bias": "decoder.block.0.layer.0.SelfAttention.relative_attention_bias",
    **_attention("encoder.{}.attention", "encoder.block.{}.layer.0.SelfAttention"),
    **_attention("decoder.{}.attention", "decoder.block.{}.layer.0.SelfAttention"),
    **_attention("decoder.{}.cross_attention", "decoder.block.{}.layer.1.EncDecAttention"),
    **_feed_forward("encoder.{}.feed_forward", "encoder.block.{}.layer.1.DenseReluDense"),
    **_feed_forward("decoder.{}.feed_forward", "decoder.block.{}.layer.2.DenseReluDense"),
    "encoder.{}.attention_norm": "encoder.block.{}.layer.0.layer_norm",
    "decoder.{}.attention_norm": "decoder.block.{}.layer.0.layer_norm",
    "encoder.{}.feed_forward_norm": "encoder.block.{}.layer.1.layer_norm",
    "decoder.{}.cross_attention_norm": "decoder.block.{}.layer.1.layer_norm",
    "decoder.{}.feed_forward_norm": "decoder.block.{}.layer.2.layer_norm",
    "encoder_norm": "encoder.final_layer_norm",
    "decoder_norm": "decoder.final_layer_norm",
}


def one_up(tensors):
    """wi_1 is W_up beside a gate: -> as wi, which it is called without one."""
    return {name.replace(".wi_1.", ".wi."): array for name, array in tensors.items()}


COPIES = {f"{side}.embed_tokens.weight": "shared.weight" for side in SIDES}
ENCODER = Family(
    t5_encoder,
    T5_NAMES,
    checks.but_decoder(SIZES),
    checks.but_decoder(SHAPES),
    ENCODER_KEYS,
    one_up,
    copies=COPIES,
)
FAMILIES = {
    "t5": Family(
        t5,
        T5_NAMES,
        SIZES,
        SHAPES,
        KEYS,
        one_up,
        copies=COPIES,
        # of T5 1.0: never read
        ignored=r"decoder\.block\.0\.layer\.1\.EncDecAttention\.relative_attention_bias\.weight",
        encoder=ENCODER,
    )
}
