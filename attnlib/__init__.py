"""attnlib: attention from scratch in NumPy, and pictures of it. The package behind the course in
notebooks/.

`attention.py`, `masks.py`, `encodings.py`, `heads.py`, `layers.py`, `efficient.py` are the lesson;
`models/`, `training/`, `show/` stand on it; `toy.py`, `course/`, `exercises/` and `tools/` run the
course.
"""

from attnlib.attention import (
    attention_scores,
    merge_heads,
    scaled_dot_product_attention,
    softmax,
    split_heads,
)
from attnlib.efficient import flash_attention, local_attention
from attnlib.heads import CrossAttention, KVCache, SelfAttention

__version__ = "0.2.0.dev0"
__all__ = [
    "CrossAttention",
    "KVCache",
    "SelfAttention",
    "attention_scores",
    "flash_attention",
    "load",
    "local_attention",
    "merge_heads",
    "scaled_dot_product_attention",
    "softmax",
    "split_heads",
]


def load(path_or_name):
    """A model with trained weights: a name as "tiny-gpt", or a folder. One door to all of them; see
    `attnlib.models.load`, which is imported only now, for attention itself needs no model.
    """
    from attnlib.models import load as open_model

    return open_model(path_or_name)
