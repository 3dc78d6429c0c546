"""RoBERTa, XLM-RoBERTa and CamemBERT: a `Bert` whose positions count tokens."""

import numpy as np

from attnlib import _check
from attnlib.models import bert
from attnlib.models.bert import Bert
from attnlib.models.files import config as checks
from attnlib.models.files.checkpoint import Family


class Roberta(Bert):
    """A `Bert` whose position is the number of tokens so far, padding not counted.

    padding   the id of the token that fills up a batch. It stands in row `padding` of the
              positions, wherever it is; the first other token in the row behind, and so on
    all else  as in `Bert`; the table has n_max + padding + 1 rows

    Liu et al. 2019, "RoBERTa", and the authors' code.
    """

    def __init__(self, *sizes, n_max=512, padding=1, **options):
        self.padding = _check.integer("padding", padding, 0)
        n_max = _check.integer("n_max", n_max)
        super().__init__(*sizes, n_max=n_max + self.padding + 1, **options)

    @property
    def n_max(self):
        """How many tokens a text may have."""
        return len(self.positions.table) - self.padding - 1

    def _placed(self, ids):
        """The rows of the positions, token by token: (..., n, d_embedding)"""
        real = ids != self.padding
        counted = np.where(real, real.cumsum(axis=-1), 0)  # (..., n) 1, 2, 3 …, and 0 for padding
        if counted.max() > self.n_max:
            raise ValueError(f"a text may have {self.n_max} tokens here, got {counted.max()}")
        return self.positions.table[self.padding + counted]


# ---- the families --------------------------------------------------------------------------------

HEAD = "lm_head.decoder.bias"
ROBERTA = (
    bert.EMBEDDING
    | bert.BLOCK
    | {
        "head.transform": "lm_head.dense",
        "head.norm": "lm_head.layer_norm",
        "head": "lm_head.decoder",
    }
)


def padding(config, key):
    """The id of the padding, 1 unless said: positions begin behind its row."""
    found = checks.default(1, checks.token)(config, key)
    rows = config.known["max_position_embeddings"]
    if found + 2 > rows:
        why = f"must leave a row behind its own, and there are {rows} positions"
        raise config.misfit(key, f"{why}, got {found}")
    return found


KEYS = bert.BERT_KEYS | {"pad_token_id": padding, "tie_word_embeddings": bert.is_tied}


def roberta(config, tensors):
    """config.json of model_type "roberta", "xlm-roberta" or "camembert" -> `Roberta`, empty."""
    row = config["pad_token_id"]
    options = bert.options(config) | {"n_max": config["max_position_embeddings"] - row - 1}
    return Roberta(
        **options,
        padding=row,
        head=HEAD in tensors,
        head_activation="gelu",  # whatever hidden_act says
        tied=config["tie_word_embeddings"],
    )


def one_bias(tensors):
    """A file may hold the bias of the logits under two names: the decoder's is the one that is used
    where they differ.
    """
    rest = {name: array for name, array in tensors.items() if name != "lm_head.bias"}
    return {HEAD: tensors["lm_head.bias"]} | rest if len(rest) < len(tensors) else rest


FAMILY = Family(
    roberta,
    ROBERTA,
    bert.SIZES,
    bert.SHAPES,
    KEYS,
    one_bias,
    prefix="roberta.",
    tied={"lm_head.decoder.weight": bert.WORDS},
)
FAMILIES = dict.fromkeys(["roberta", "xlm-roberta", "camembert"], FAMILY)
