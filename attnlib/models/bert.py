"""BERT, an encoder: every token looks at every other. With DistilBERT, ALBERT and ELECTRA."""

import numpy as np

from attnlib import _check
from attnlib.encodings import Learned
from attnlib.layers import ACTIVATIONS, EncoderBlock, LayerNorm, cast
from attnlib.models.files import config as checks
from attnlib.models.files.checkpoint import Blank, Family
from attnlib.models.trace import Trace


class Linear:
    """x W + b for each token alone: W (d_in, d_out), b (d_out,)."""

    def __init__(self, d_in, d_out, rng=None):
        self.W, self.b = _check.generator(rng).normal(0, d_in**-0.5, (d_in, d_out)), np.zeros(d_out)

    def __call__(self, x):
        """(..., n, d_in) -> (..., n, d_out)"""
        return x @ self.W + self.b


class MaskedHead:
    """Which token stands under the mask: a linear layer, a bend, a norm, then the embedding itself,
    or where it is not tied to that, a W of its own (d_embedding, vocabulary).

    Devlin et al. 2019, "BERT", section 3.1, task 1, and the authors' code.
    """

    def __init__(self, d_model, d_embedding, vocabulary, *, activation, eps, tied=True, rng):
        self.transform, self.activation = Linear(d_model, d_embedding, rng), activation
        self.norm, self.bias = LayerNorm(d_embedding, eps=eps), np.zeros(vocabulary)
        self.W = None if tied else rng.normal(0, d_embedding**-0.5, (d_embedding, vocabulary))

    def __call__(self, x, embedding):
        """(..., n, d_model) -> logits (..., n, vocabulary)"""
        x = self.norm(ACTIVATIONS[self.activation](self.transform(x)))  # (..., n, d_embedding)
        return x @ (embedding.T if self.W is None else self.W) + self.bias


class Bert:
    """Token embedding + position (+ token type), a norm, n_layers encoder blocks.

    vocabulary   number of different tokens: ids are 0 … vocabulary - 1
    n_max        how many tokens a text may have
    n_types      rows of the token types: 0 is the first of two texts, 1 the second; 0 for none
    d_embedding  width of the embedding where it is not d_model: ALBERT has a linear layer behind it
    shared       one block n_layers times, as in ALBERT
    head         the model says which token it expects at each place; else it says what it thinks
    head_activation  the bend of the head, `activation` unless given
    tied         the head scores with the embedding; else with a W of its own
    activation, d_hidden, eps, rng   as in `EncoderBlock`

    Devlin et al. 2019, "BERT"; Sanh et al. 2019, "DistilBERT"; Lan et al. 2020, "ALBERT";
    Clark et al. 2020, "ELECTRA".
    """

    def __init__(
        self,
        vocabulary,
        d_model,
        n_layers,
        n_heads,
        *,
        n_max=512,
        n_types=2,
        d_embedding=None,
        d_hidden=None,
        shared=False,
        head=False,
        head_activation=None,
        tied=True,
        activation="gelu",
        eps=1e-12,
        rng=None,
    ):
        vocabulary, n_layers = (
            _check.integer("vocabulary", vocabulary),
            _check.integer("n_layers", n_layers, maximum=10_000),
        )
        d_model, n_types = _check.integer("d_model", d_model), _check.integer("n_types", n_types, 0)
        if d_embedding is not None:
            d_embedding = _check.integer("d_embedding", d_embedding)
        shared, head = _check.flag("shared", shared), _check.flag("head", head)
        tied, bend = _check.flag("tied", tied), activation
        if head_activation is not None:
            bend = _check.choice("head_activation", head_activation, list(ACTIVATIONS))
        rng, width = _check.generator(rng), d_model if d_embedding is None else d_embedding
        self.embedding = rng.normal(0, width**-0.5, (vocabulary, width))
        self.positions = Learned(n_max, width, rng)
        self.token_types = rng.normal(0, width**-0.5, (n_types, width)) if n_types else None
        self.embedding_norm = LayerNorm(width, eps=eps)
        self.widen = None if d_embedding is None else Linear(width, d_model, rng)
        options = {
            "d_hidden": d_hidden,
            "norm": "post",
            "activation": activation,
            "eps": eps,
            "use_bias": True,
            "rng": rng,
        }
        blocks = [
            EncoderBlock(d_model, n_heads, **options) for _ in range(1 if shared else n_layers)
        ]
        self.blocks = blocks * n_layers if shared else blocks
        options = {"activation": bend, "eps": eps, "tied": tied, "rng": rng}
        self.head = MaskedHead(d_model, width, vocabulary, **options) if head else None
        self.final_norm = None  # behind the last block, where the others stand in front
        cast(self, np.float32)

    @property
    def n_max(self):
        """How many tokens a text may have."""
        return len(self.positions.table)

    def forward(self, ids, *, mask=None, token_types=None):
        """ids (n,) or (b, n) -> Trace: weights (layers, ..., h, n, n), output (..., n, vocabulary).

        mask         boolean, True = may attend, broadcasts to (b, h, n, n); for a padded batch,
                     False on the padding: (b, 1, 1, n)
        token_types  whole numbers of the shape of ids, 0 unless given
        Without a head, output is the last hidden state (..., n, d_model).
        """
        ids, weights = _check.ids("ids", ids, len(self.embedding)), []
        for block in self.steps(ids, mask=mask, token_types=token_types):
            weights.append(block.attention.inner.weights)  # (..., h, n, n)
            x = block.output
        x = x if self.final_norm is None else self.final_norm(x)
        output = x if self.head is None else self.head(x, self.embedding)
        return Trace(_names(ids), np.stack(weights), output)

    def steps(self, ids, *, mask=None, token_types=None):
        """The model at work, layer by layer: the BlockSteps of each, none kept here."""
        ids = _check.ids("ids", ids, len(self.embedding))
        x = self._embedded(ids, token_types)
        for block in self.blocks:
            steps = block.steps(x, mask=mask)
            x = steps.output
            yield steps

    def _embedded(self, ids, token_types):
        """What the first block reads: (..., n, d_model)"""
        x = self.embedding[ids] + self._placed(ids)  # (..., n, d_embedding)
        if self.token_types is not None:
            types = np.zeros_like(ids) if token_types is None else token_types
            types = _check.ids("token_types", types, len(self.token_types))
            if types.shape not in (ids.shape, ids.shape[-1:]):
                wanted = f"the shape of ids, {ids.shape}"
                raise ValueError(f"token_types must have {wanted}, got {types.shape}")
            x = x + self.token_types[types]
        elif token_types is not None:
            raise ValueError("token_types must be None: this model has none")
        x = self.embedding_norm(x)
        return x if self.widen is None else self.widen(x)

    def _placed(self, ids):
        """The rows of the positions, token by token: (n, d_embedding)"""
        return self.positions(ids.shape[-1])


def _names(ids):
    """Ids as strings: a list, or a list of lists."""
    return np.asarray(ids).astype(str).tolist()


# ---- the families --------------------------------------------------------------------------------

BLOCK = {
    "blocks.{}.attention.q": "encoder.layer.{}.attention.self.query",
    "blocks.{}.attention.k": "encoder.layer.{}.attention.self.key",
    "blocks.{}.attention.v": "encoder.layer.{}.attention.self.value",
    "blocks.{}.attention.o": "encoder.layer.{}.attention.output.dense",
    "blocks.{}.attention_norm": "encoder.layer.{}.attention.output.LayerNorm",
    "blocks.{}.feed_forward.up": "encoder.layer.{}.intermediate.dense",
    "blocks.{}.feed_forward.down": "encoder.layer.{}.output.dense",
    "blocks.{}.feed_forward_norm": "encoder.layer.{}.output.LayerNorm",
}
EMBEDDING = {
    "embedding": "embeddings.word_embeddings",
    "positions": "embeddings.position_embeddings",
    "token_types": "embeddings.token_type_embeddings",
    "embedding_norm": "embeddings.LayerNorm",
}
BERT = (
    EMBEDDING
    | BLOCK
    | {
        "head.transform": "cls.predictions.transform.dense",
        "head.norm": "cls.predictions.transform.LayerNorm",
        "head": "cls.predictions",
    }
)
DISTILBERT = EMBEDDING | {
    "blocks.{}.attention.q": "transformer.layer.{}.attention.q_lin",
    "blocks.{}.attention.k": "transformer.layer.{}.attention.k_lin",
    "blocks.{}.attention.v": "transformer.layer.{}.attention.v_lin",
    "blocks.{}.attention.o": "transformer.layer.{}.attention.out_lin",
    "blocks.{}.attention_norm": "transformer.layer.{}.sa_layer_norm",
    "blocks.{}.feed_forward.up": "transformer.layer.{}.ffn.lin1",
    "blocks.{}.feed_forward.down": "transformer.layer.{}.ffn.lin2",
    "blocks.{}.feed_forward_norm": "transformer.layer.{}.output_layer_norm",
    "head.transform": "vocab_transform",
    "head.norm": "vocab_layer_norm",
    "head": "vocab_projector",
}
SHARED = "encoder.albert_layer_groups.0.albert_layers.0"
ALBERT = EMBEDDING | {
    "widen": "encoder.embedding_hidden_mapping_in",
    "blocks.{}.attention.q": f"{SHARED}.attention.query",
    "blocks.{}.attention.k": f"{SHARED}.attention.key",
    "blocks.{}.attention.v": f"{SHARED}.attention.value",
    "blocks.{}.attention.o": f"{SHARED}.attention.dense",
    "blocks.{}.attention_norm": f"{SHARED}.attention.LayerNorm",
    "blocks.{}.feed_forward.up": f"{SHARED}.ffn",
    "blocks.{}.feed_forward.down": f"{SHARED}.ffn_output",
    "blocks.{}.feed_forward_norm": f"{SHARED}.full_layer_layer_norm",
    "head.transform": "predictions.dense",
    "head.norm": "predictions.LayerNorm",
    "head": "predictions",
}
ELECTRA = (
    EMBEDDING
    | BLOCK
    | {
        "widen": "embeddings_project",
        "head.transform": "generator_predictions.dense",
        "head.norm": "generator_predictions.LayerNorm",
        "head": "generator_lm_head",
    }
)


def is_tied(config, key):
    """Whether a head scores with the embedding; where it does not, the file holds what it has."""
    tied = checks.flag(True)(config, key)
    if not tied and f"{config.held.names['head']}.bias" in config.held.shapes:
        config.held.check_has(config, key, "head.W", True)
    return tied


SHARING = checks.whole(1, 256)  # layers that share a block: no file shows how many
SIZES = {
    "vocab_size": checks.whole(),
    "hidden_size": checks.whole(),
    "intermediate_size": checks.whole(),
    "max_position_embeddings": checks.whole(),
    "type_vocab_size": checks.whole(),
    "num_hidden_layers": checks.layers("blocks"),
    "num_attention_heads": checks.heads("hidden_size"),
}
SHAPES = {
    "embedding": ("vocab_size", "hidden_size"),
    "positions.table": ("max_position_embeddings", "hidden_size"),
    "token_types": ("type_vocab_size", "hidden_size"),
    "blocks.{}.attention.W_q": ("hidden_size", "hidden_size"),
    "blocks.{}.feed_forward.W_up": ("hidden_size", "intermediate_size"),
}
KEYS = {
    "hidden_act": checks.default("gelu", checks.activation),
    "layer_norm_eps": checks.default(1e-12, checks.EPS),
    "position_embedding_type": checks.only("absolute"),
}
BERT_KEYS = KEYS | {"is_decoder": checks.only(False), "add_cross_attention": checks.only(False)}
DISTIL_SIZES = {
    "vocab_size": checks.whole(),
    "dim": checks.whole(),
    "hidden_dim": checks.whole(),
    "max_position_embeddings": checks.whole(),
    "n_layers": checks.layers("blocks"),
    "n_heads": checks.heads("dim"),
}
DISTIL_SHAPES = {
    "embedding": ("vocab_size", "dim"),
    "positions.table": ("max_position_embeddings", "dim"),
    "blocks.{}.attention.W_q": ("dim", "dim"),
    "blocks.{}.feed_forward.W_up": ("dim", "hidden_dim"),
}
ALBERT_SIZES = SIZES | {"embedding_size": checks.whole(), "num_hidden_layers": SHARING}
ALBERT_KEYS = KEYS | {
    "hidden_act": checks.default("gelu_tanh", checks.activation),
    "num_hidden_groups": checks.only(1),
    "inner_group_num": checks.only(1),
}
ALBERT_SHAPES = {
    "embedding": ("vocab_size", "embedding_size"),
    "positions.table": ("max_position_embeddings", "embedding_size"),
    "token_types": ("type_vocab_size", "embedding_size"),
    "widen.W": ("embedding_size", "hidden_size"),
    "blocks.0.attention.W_q": ("hidden_size", "hidden_size"),
    "blocks.0.feed_forward.W_up": ("hidden_size", "intermediate_size"),
}
ELECTRA_SIZES = SIZES | {"embedding_size": checks.whole()}
ELECTRA_KEYS = BERT_KEYS | {"tie_word_embeddings": is_tied}
ELECTRA_SHAPES = SHAPES | {
    "embedding": ("vocab_size", "embedding_size"),
    "positions.table": ("max_position_embeddings", "embedding_size"),
    "token_types": ("type_vocab_size", "embedding_size"),
}


def bert(config, tensors):
    """config.json of model_type "bert" -> `Bert`, still empty."""
    return Bert(**options(config), head="cls.predictions.bias" in tensors)


def albert(config, tensors):
    """config.json of model_type "albert" -> `Bert` with one block for all layers, still empty."""
    given = {"d_embedding": config["embedding_size"], "shared": True}
    return Bert(**options(config), **given, head="predictions.bias" in tensors)


def electra(config, tensors):
    """config.json of model_type "electra" -> `Bert`, still empty: a generator has a head."""
    width = config["embedding_size"]
    return Bert(
        **options(config),
        d_embedding=None if width == config["hidden_size"] else width,
        head="generator_lm_head.bias" in tensors,
        head_activation="gelu",  # whatever hidden_act says
        tied=config["tie_word_embeddings"],
    )


def distilbert(config, tensors):
    """config.json of model_type "distilbert" -> `Bert` without token types, still empty."""
    return Bert(
        config["vocab_size"],
        config["dim"],
        config["n_layers"],
        config["n_heads"],
        n_max=config["max_position_embeddings"],
        n_types=0,
        d_hidden=config["hidden_dim"],
        activation=config["activation"],
        head="vocab_projector.bias" in tensors,
        rng=Blank(),
    )


def options(config):
    """What all but DistilBERT share."""
    return {
        "vocabulary": config["vocab_size"],
        "d_model": config["hidden_size"],
        "n_layers": config["num_hidden_layers"],
        "n_heads": config["num_attention_heads"],
        "n_max": config["max_position_embeddings"],
        "n_types": config["type_vocab_size"],
        "d_hidden": config["intermediate_size"],
        "activation": config["hidden_act"],
        "eps": config["layer_norm_eps"],
        "rng": Blank(),
    }


WORDS = "embeddings.word_embeddings.weight"
FAMILIES = {
    "bert": Family(
        bert,
        BERT,
        SIZES,
        SHAPES,
        BERT_KEYS,
        prefix="bert.",
        copies={
            "cls.predictions.decoder.weight": WORDS,
            "cls.predictions.decoder.bias": "cls.predictions.bias",
        },
    ),
    "distilbert": Family(
        distilbert,
        DISTILBERT,
        DISTIL_SIZES,
        DISTIL_SHAPES,
        {"activation": checks.default("gelu", checks.activation)},
        prefix="distilbert.",
        copies={"vocab_projector.weight": WORDS},
    ),
    "albert": Family(
        albert,
        ALBERT,
        ALBERT_SIZES,
        ALBERT_SHAPES,
        ALBERT_KEYS,
        prefix="albert.",
        copies={
            "predictions.decoder.weight": WORDS,
            "predictions.decoder.bias": "predictions.bias",
        },
    ),
    "electra": Family(
        electra,
        ELECTRA,
        ELECTRA_SIZES,
        ELECTRA_SHAPES,
        ELECTRA_KEYS,
        prefix="electra.",
        tied={"generator_lm_head.weight": WORDS},
        ignored=r"discriminator_predictions\..+",  # which token is not the writer's own
    ),
}
